//! Bytes of requests that are held in memory: counted as they come, given back once the answer is sent.
//!
//! Counting calls alone bounds nothing: one of them may be a thousand times as long as another.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http_body::{Frame, SizeHint};

use super::{Guard, RETRY_AFTER};
use crate::api::{Error, LimitRef};

/// What one request holds; found in its extensions. Clones are the same request.
#[derive(Clone)]
pub struct Held(Arc<Share>);

struct Share {
    guard: Guard,
    bytes: AtomicI64,
}

impl Held {
    pub(super) fn new(guard: Guard) -> Self {
        Self(Arc::new(Share { guard, bytes: AtomicI64::new(0) }))
    }

    /// The request turned out to be this long once it was unpacked.
    ///
    /// # Errors
    /// All requests together hold too much.
    pub fn at_least(&self, bytes: usize) -> Result<(), Error> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        match bytes - self.0.bytes.load(Ordering::Relaxed) {
            more @ 1.. => self.more(more),
            _ => Ok(()),
        }
    }

    fn more(&self, bytes: i64) -> Result<(), Error> {
        let Share { guard, bytes: mine } = &*self.0;
        let max = guard.0.limits.bytes_in_flight_max;
        if guard.0.held.inc_by(bytes) + bytes > i64::from(max) {
            guard.0.held.dec_by(bytes);
            guard.0.metrics.refused("bytes");
            let message = format!(
                "the requests that are being answered hold {max} bytes already \
                 (option `bytes_in_flight_max` in [limits])"
            );
            return Err(Error::exhausted(message, LimitRef::new("bytes_in_flight_max", max), RETRY_AFTER));
        }
        mine.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// What came so far has been answered.
    pub(super) fn give_back(&self) {
        self.0.give_back();
    }
}

impl Share {
    fn give_back(&self) {
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        if bytes != 0 {
            self.guard.0.held.dec_by(bytes);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The body of a request, counted while it is read; breaks off where it would be too much.
pub(super) struct Counted<B> {
    /// `None`: it was broken off.
    inner: Option<B>,
    held: Held,
    break_off: fn(Error) -> axum::BoxError,
}

impl<B> Counted<B> {
    /// `break_off`: how the face tells itself of the error.
    pub(super) fn new(inner: B, held: Held, break_off: fn(Error) -> axum::BoxError) -> Self {
        Self { inner: Some(inner), held, break_off }
    }
}

impl<B> http_body::Body for Counted<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(inner).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        let bytes = frame.data_ref().map_or(0, |data| i64::try_from(data.len()).unwrap_or(i64::MAX));
        Poll::Ready(Some(match this.held.more(bytes) {
            Ok(()) => Ok(frame),
            Err(error) => {
                this.inner = None;
                Err((this.break_off)(error))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
