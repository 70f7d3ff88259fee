//! `QuoteService`.

use tonic::{Request, Response, Status};

use super::{convert, pb};
use crate::api::Current;

pub(super) struct Quotes(pub(super) Current);

#[tonic::async_trait]
impl pb::quote_service_server::QuoteService for Quotes {
    async fn get_quotes(
        &self,
        request: Request<pb::GetQuotesRequest>,
    ) -> Result<Response<pb::GetQuotesResponse>, Status> {
        let request = convert::quotes_request(request.into_inner())?;
        let quotes = self.0.get().quotes(request).await?;
        Ok(Response::new(quotes.into()))
    }
}
