//! A peer that connects has to say something soon. A port scan, a load balancer's TCP check or a slow attacker
//! would otherwise hold a place for ever: until it knows the protocol, hyper sets no time of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// As long as HTTP/2's preface; shorter than any real HTTP/1 request. From here on hyper watches the time.
const FIRST_WORDS: usize = 24;

/// Reads fail if the first words do not come in time.
pub(super) struct Prompt<I> {
    io: I,
    heard: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<I> Prompt<I> {
    pub(super) fn new(io: I, within: Duration) -> Self {
        Self { io, heard: 0, deadline: Some(Box::pin(tokio::time::sleep(within))) }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Prompt<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(context, buffer))?;
        this.heard = this.heard.saturating_add(buffer.filled().len() - before);
        if this.heard >= FIRST_WORDS {
            this.deadline = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Prompt<I> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_silent_peer_is_given_up_and_one_that_spoke_is_not() {
        let short = Duration::from_millis(20);
        let (_silent, ours) = tokio::io::duplex(64);
        let error = Prompt::new(ours, short).read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let (mut peer, ours) = tokio::io::duplex(64);
        let mut prompt = Prompt::new(ours, short);
        peer.write_all(&[0; FIRST_WORDS]).await.unwrap();
        prompt.read_exact(&mut [0; FIRST_WORDS]).await.unwrap();
        assert!(tokio::time::timeout(short * 5, prompt.read_u8()).await.is_err(), "still open");
    }
}
