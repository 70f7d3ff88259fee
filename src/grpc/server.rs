//! `ServerService`.

use tonic::{Request, Response, Status};

use super::pb;
use crate::api::Current;

pub(super) struct ServerInfo(pub(super) Current);

#[tonic::async_trait]
impl pb::server_service_server::ServerService for ServerInfo {
    async fn get_server_info(
        &self,
        _request: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::GetServerInfoResponse>, Status> {
        Ok(Response::new(self.0.get().server_info().into()))
    }
}
