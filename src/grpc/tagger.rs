//! `TaggerService`.

use futures_util::stream::{self, BoxStream, StreamExt as _};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::{convert, items, pb, status};
use crate::api::{Current, Error, ItemError, Readiness, Stage};
use crate::guard::Held;

pub(super) struct Tagger {
    pub(super) api: Current,
    pub(super) readiness: Readiness,
}

#[tonic::async_trait]
impl pb::tagger_service_server::TaggerService for Tagger {
    async fn tag(&self, request: Request<pb::TagRequest>) -> Result<Response<pb::TagResponse>, Status> {
        hold(request.extensions().get(), request.get_ref())?;
        let request = convert::tag_request(request.into_inner())?;
        let record = self.api.get().tag(request).await?;
        Ok(Response::new(record.into()))
    }

    async fn batch_tag(
        &self,
        request: Request<pb::BatchTagRequest>,
    ) -> Result<Response<pb::BatchTagResponse>, Status> {
        hold(request.extensions().get(), request.get_ref())?;
        let request = items::batch_request(request.into_inner())?;
        let batch = self.api.get().batch_tag(request).await?;
        Ok(Response::new(batch.into()))
    }

    type TagStreamStream = BoxStream<'static, Result<pb::TagStreamResponse, Status>>;

    async fn tag_stream(
        &self,
        requests: Request<Streaming<pb::TagStreamRequest>>,
    ) -> Result<Response<Self::TagStreamStream>, Status> {
        let (held, stages) = (requests.extensions().get().cloned(), self.readiness.subscribe());
        let items = Items { requests: requests.into_inner(), api: self.api.clone(), stages, held };
        // The next request is read only when the transport has room for another answer: that is the whole of
        // the back-pressure, and why nothing piles up here.
        let answers = stream::unfold(Some(items), |items| async {
            let mut items = items?;
            match items.next().await {
                Some(Ok(answer)) => Some((Ok(answer), Some(items))),
                Some(Err(status)) => Some((Err(status), None)),
                None => None,
            }
        });
        Ok(Response::new(answers.boxed()))
    }
}

struct Items {
    requests: Streaming<pb::TagStreamRequest>,
    api: Current,
    stages: tokio::sync::watch::Receiver<Stage>,
    held: Option<Held>,
}

/// A message that came compressed is longer now than what was counted on the way in.
fn hold(held: Option<&Held>, message: &impl Message) -> Result<(), Error> {
    held.map_or(Ok(()), |held| held.at_least(message.encoded_len()))
}

impl Items {
    /// The next answer. `None`: the caller has no more. An error ends the stream.
    async fn next(&mut self) -> Option<Result<pb::TagStreamResponse, Status>> {
        let request = tokio::select! {
            biased;
            // An error here means that the server is gone, which is the same to the caller.
            _ = self.stages.wait_for(|stage| *stage == Stage::Stopping) => return Some(Err(status::stopping())),
            request = self.requests.message() => match request {
                Ok(request) => request?,
                Err(status) => return Some(Err(status)),
            },
        };
        let room = hold(self.held.as_ref(), &request);
        let pb::TagStreamRequest { item_id, document, options } = request;
        let request = room.and_then(|()| convert::tag_request(pb::TagRequest { document, options }));
        let record = match request {
            Ok(request) => self.api.get().tag(request).await,
            Err(error) => Err(error),
        };
        let result = match record {
            Ok(record) => pb::tag_stream_response::Result::Response(record.into()),
            Err(error) => pb::tag_stream_response::Result::Error(ItemError::from(error).into()),
        };
        Some(Ok(pb::TagStreamResponse { item_id, result: Some(result) }))
    }
}
