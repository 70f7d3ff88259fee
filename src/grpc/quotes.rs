//! `QuoteService`.

use tonic::{Request, Response, Status};

use super::{convert, deadline, pb};
use crate::api::Api;

pub(super) struct Quotes(pub(super) Api);

#[tonic::async_trait]
impl pb::quote_service_server::QuoteService for Quotes {
    async fn get_quotes(
        &self,
        request: Request<pb::GetQuotesRequest>,
    ) -> Result<Response<pb::GetQuotesResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let request = convert::quotes_request(request)?;
        let quotes = deadline::within(&metadata, self.0.quotes(request)).await?;
        Ok(Response::new(quotes.into()))
    }
}
