//! `ServerService`.

use tonic::{Request, Response, Status};

use super::pb;
use crate::api::Api;

pub(super) struct ServerInfo(pub(super) Api);

#[tonic::async_trait]
impl pb::server_service_server::ServerService for ServerInfo {
    async fn get_server_info(
        &self,
        _request: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::GetServerInfoResponse>, Status> {
        Ok(Response::new(self.0.server_info().into()))
    }
}
