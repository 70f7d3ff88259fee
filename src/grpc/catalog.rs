//! `CatalogService`.

use tonic::{Request, Response, Status};

use super::{convert, pb};
use crate::api::Api;

pub(super) struct Catalog(pub(super) Api);

#[tonic::async_trait]
impl pb::catalog_service_server::CatalogService for Catalog {
    async fn get_token(
        &self,
        request: Request<pb::GetTokenRequest>,
    ) -> Result<Response<pb::GetTokenResponse>, Status> {
        let selector = convert::token_selector(request.into_inner())?;
        let token = self.0.token(&selector)?;
        let catalog_version = self.0.catalog_version().to_owned();
        Ok(Response::new(pb::GetTokenResponse { catalog_version, token: Some(token.into()) }))
    }

    async fn list_tokens(
        &self,
        request: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let request = convert::list_tokens(request.into_inner())?;
        Ok(Response::new(self.0.tokens(&request)?.into()))
    }
}
