//! `QuoteService`.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{convert, pb, status};
use crate::api::{Current, Readiness, Stage, Watch};

pub(super) struct Quotes {
    api: Current,
    readiness: Readiness,
}

impl Quotes {
    pub(super) fn new(api: Current, readiness: Readiness) -> Self {
        Self { api, readiness }
    }
}

#[tonic::async_trait]
impl pb::quote_service_server::QuoteService for Quotes {
    async fn get_quotes(
        &self,
        request: Request<pb::GetQuotesRequest>,
    ) -> Result<Response<pb::GetQuotesResponse>, Status> {
        let request = convert::quotes_request(request.into_inner())?;
        let quotes = self.api.get().quotes(request).await?;
        Ok(Response::new(quotes.into()))
    }

    type WatchQuotesStream = ReceiverStream<Result<pb::WatchQuotesResponse, Status>>;

    async fn watch_quotes(
        &self,
        request: Request<pb::WatchQuotesRequest>,
    ) -> Result<Response<Self::WatchQuotesStream>, Status> {
        let request = request.into_inner();
        let heartbeat = Duration::from_millis(request.heartbeat_ms.into());
        let watch = self.api.get().watch(convert::watch_request(request), heartbeat)?;
        let (sender, answers) = mpsc::channel(1);
        tokio::spawn(tell(watch, self.readiness.subscribe(), sender));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// Tells what has changed whenever the client has room for it: a slow one gets fewer and newer answers.
async fn tell(
    mut watch: Watch,
    mut stages: watch::Receiver<Stage>,
    answers: mpsc::Sender<Result<pb::WatchQuotesResponse, Status>>,
) {
    let stopping = async move {
        // An error means that the server is gone.
        let _ = stages.wait_for(|stage| *stage == Stage::Stopping).await;
    };
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            room = answers.reserve() => match room {
                Ok(room) => room.send(Ok(watch.changed().into())),
                Err(_) => return,
            },
            () = &mut stopping => break,
        }
        tokio::select! {
            () = watch.wait() => {}
            () = answers.closed() => return,
            () = &mut stopping => break,
        }
    }
    // A client that has gone does not need to know.
    let _ = answers.send(Err(status::stopping())).await;
}
