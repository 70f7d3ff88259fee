//! An answer on its way out: holds its place until it is sent, keeps its deadline, and is counted at its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use super::held::Held;
use super::layer::Face;
use crate::api::{Error, Observation};

pub(super) struct Answer<F> {
    inner: Body,
    face: F,
    seen: Observation,
    keeps: Keeps,
    deadline: Option<Instant>,
    /// Made once it is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

/// What a request keeps until its answer is sent.
pub(super) struct Keeps {
    /// Its place among those that are answered. `None`: it takes none.
    #[expect(dead_code, reason = "given back when it is dropped")]
    pub(super) place: Option<OwnedSemaphorePermit>,
    /// Its bytes. `None`: they are not counted.
    pub(super) held: Option<Held>,
    /// Whether it is answered item by item.
    pub(super) is_stream: bool,
}

impl<F> Answer<F> {
    pub(super) fn new(
        inner: Body,
        face: F,
        seen: Observation,
        keeps: Keeps,
        deadline: Option<Instant>,
    ) -> Self {
        Self { inner, face, seen, keeps, deadline, timer: None, is_over: false }
    }
}

impl<F: Face + Unpin> http_body::Body for Answer<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        // First what is there: most answers then never need a timer.
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            if let Some(Ok(frame)) = &frame
                && let Some(trailers) = frame.trailers_ref()
                && let Some(code) = this.face.code_in_trailers(trailers)
            {
                this.seen.set_code(code);
            }
            // The next item is read only after this answer: what came before it is done with.
            if let (Some(held), true) = (&this.keeps.held, this.keeps.is_stream) {
                held.give_back();
            }
            return Poll::Ready(frame);
        }
        let Some(deadline) = this.deadline else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(context));
        this.is_over = true;
        this.inner = Body::empty();
        Poll::Ready(Some(match this.face.end(Error::deadline_exceeded()) {
            Some(trailers) => {
                if let Some(code) = this.face.code_in_trailers(&trailers) {
                    this.seen.set_code(code);
                }
                Ok(Frame::trailers(trailers))
            }
            None => Err(axum::Error::new(Error::deadline_exceeded())),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
