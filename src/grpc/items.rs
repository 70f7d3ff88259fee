//! Messages of many items to and from the types of [`crate::api`]. Nothing is decided here, only renamed.

use super::{convert, pb};
use crate::api::{BatchTag, BatchTagRequest, Error, LimitsInfo, TagResult};

pub(super) fn batch_request(request: pb::BatchTagRequest) -> Result<BatchTagRequest, Error> {
    let options = request.options.map(convert::tag_options).transpose()?.unwrap_or_default();
    let documents = request.documents.into_iter().map(convert::document_fields).collect();
    Ok(BatchTagRequest { documents, options })
}

impl From<BatchTag> for pb::BatchTagResponse {
    fn from(batch: BatchTag) -> Self {
        Self { results: batch.results.into_iter().map(pb::TagResult::from).collect() }
    }
}

impl From<TagResult> for pb::TagResult {
    fn from(result: TagResult) -> Self {
        let result = match result {
            TagResult::Response(record) => pb::tag_result::Result::Response((*record).into()),
            TagResult::Error(error) => pb::tag_result::Result::Error(error.into()),
        };
        Self { result: Some(result) }
    }
}

impl From<LimitsInfo> for pb::Limits {
    fn from(limits: LimitsInfo) -> Self {
        Self {
            document_bytes_max: limits.document_bytes_max,
            quote_wait_max_ms: limits.quote_wait_max_ms,
            quote_tokens_max: limits.quote_tokens_max,
            page_size_max: limits.page_size_max,
            batch_documents_max: limits.batch_documents_max,
            batch_bytes_max: limits.batch_bytes_max,
            requests_in_flight_max: limits.requests_in_flight_max,
            bytes_in_flight_max: limits.bytes_in_flight_max,
            queue_wait_max_ms: limits.queue_wait_max_ms,
            deadline_max_ms: limits.deadline_max_ms,
            streams_per_connection_max: limits.streams_per_connection_max,
            connections_max: limits.connections_max,
            header_bytes_max: limits.header_bytes_max,
            requests_per_second: limits.requests_per_second,
            requests_burst: limits.requests_burst,
        }
    }
}
