//! `TaggerService`.

use tonic::{Request, Response, Status};

use super::{convert, pb};
use crate::api::Api;

pub(super) struct Tagger(pub(super) Api);

#[tonic::async_trait]
impl pb::tagger_service_server::TaggerService for Tagger {
    async fn tag(&self, request: Request<pb::TagRequest>) -> Result<Response<pb::TagResponse>, Status> {
        let request = convert::tag_request(request.into_inner())?;
        let record = self.0.tag(request).await?;
        Ok(Response::new(record.into()))
    }
}
