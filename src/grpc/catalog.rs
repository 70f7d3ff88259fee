//! `CatalogService`.

use tonic::{Request, Response, Status};

use super::{convert, pb};
use crate::api::Current;

pub(super) struct Catalog(pub(super) Current);

#[tonic::async_trait]
impl pb::catalog_service_server::CatalogService for Catalog {
    async fn get_token(
        &self,
        request: Request<pb::GetTokenRequest>,
    ) -> Result<Response<pb::GetTokenResponse>, Status> {
        let selector = convert::token_selector(request.into_inner())?;
        let api = self.0.get();
        let token = api.token(&selector)?;
        let catalog_version = api.catalog_version().to_owned();
        Ok(Response::new(pb::GetTokenResponse { catalog_version, token: Some(token.into()) }))
    }

    async fn list_tokens(
        &self,
        request: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let request = convert::list_tokens(request.into_inner())?;
        Ok(Response::new(self.0.get().tokens(&request)?.into()))
    }

    async fn diff_catalog(
        &self,
        request: Request<pb::DiffCatalogRequest>,
    ) -> Result<Response<pb::DiffCatalogResponse>, Status> {
        let request = convert::diff_catalog(request.into_inner());
        Ok(Response::new(self.0.get().diff_catalog(&request)?.into()))
    }
}
