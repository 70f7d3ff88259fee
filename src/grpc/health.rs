//! `grpc.health.v1`: an own service, as tonic-health calls `""` SERVING from the start and answers a
//! Watch of an unknown service with an error instead of SERVICE_UNKNOWN on an open stream.
//!
//! Tells what [`Readiness`] says and nothing else; no market changes it.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_server};

use super::{SERVICES, status};
use crate::api::{BEAT, Readiness, Stage};

/// The name under which an orchestrator asks whether to restart the process.
const LIVENESS: &str = "liveness";

pub(super) struct Health(Readiness);

pub(super) fn service(readiness: Readiness) -> health_server::HealthServer<Health> {
    health_server::HealthServer::new(Health(readiness))
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match serving_status(&request.get_ref().service, self.0.stage(), self.0.is_alive()) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("no service of that name here")),
            status => Ok(Response::new(answer(status))),
        }
    }

    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let (sender, answers) = mpsc::channel(1);
        tokio::spawn(watch(service, self.0.clone(), sender));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// Tells the status now and at each change. Ends by itself when the server stops: an open Watch would
/// otherwise hold the process for ever.
async fn watch(
    service: String,
    readiness: Readiness,
    answers: mpsc::Sender<Result<HealthCheckResponse, Status>>,
) {
    let (mut told, mut stages) = (None, readiness.subscribe());
    let mut beats = tokio::time::interval(BEAT);
    loop {
        let stage = *stages.borrow_and_update();
        let status = serving_status(&service, stage, readiness.is_alive());
        if told.replace(status) != Some(status) && answers.send(Ok(answer(status))).await.is_err() {
            return;
        }
        if stage == Stage::Stopping {
            let _ = answers.send(Err(status::stopping())).await;
            return;
        }
        tokio::select! {
            changed = stages.changed() => if changed.is_err() { return },
            _ = beats.tick() => {}
            () = answers.closed() => return,
        }
    }
}

fn serving_status(service: &str, stage: Stage, is_alive: bool) -> ServingStatus {
    match service {
        LIVENESS if is_alive => ServingStatus::Serving,
        LIVENESS => ServingStatus::NotServing,
        _ if !service.is_empty() && !SERVICES.contains(&service) => ServingStatus::ServiceUnknown,
        _ if stage == Stage::Ready => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
