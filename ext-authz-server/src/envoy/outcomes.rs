//! `chaperone.v1.Outcomes`: how decided requests ended, from the filter.

use std::sync::Arc;

use chaperone_inspection::digest::Digest;
use chaperone_inspection::seal::FactsKey;
use chaperone_proto::v1::outcomes_server::Outcomes;
use chaperone_proto::v1::{Outcome, OutcomeBatch, ReportRequest, ReportResponse};
use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::audit::{AuditLog, OutcomeRecord, Record};
use crate::time::{Clock, UnixMillis};

/// The outcomes service.
pub struct OutcomesService {
    keys: Arc<[FactsKey]>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
}

impl OutcomesService {
    /// A service that records what a filter with one of `keys` reports.
    pub fn new(keys: Arc<[FactsKey]>, audit: Arc<AuditLog>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, audit, clock }
    }
}

#[tonic::async_trait]
impl Outcomes for OutcomesService {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        let ReportRequest { key_id, outcomes, mac } = request.into_inner();
        let key = self.keys.iter().find(|key| key.id() == key_id);
        if !key.is_some_and(|key| key.verify(&outcomes, &mac)) {
            return Err(Status::unauthenticated("the report is not sealed with a facts key"));
        }
        let batch = OutcomeBatch::decode(outcomes.as_slice())
            .map_err(|_| Status::invalid_argument("the report is not an OutcomeBatch"))?;
        let records: Vec<_> =
            batch.outcomes.into_iter().map(|outcome| record(outcome, &key_id)).collect();
        // All or none: refused as a whole, the filter sends the batch again, and an
        // outcome told twice is better than one never told.
        self.audit.append_all(&records, self.clock.now()).await.map_err(|error| {
            tracing::error!(%error, "outcomes could not be recorded");
            Status::unavailable("the outcomes could not be recorded")
        })?;
        Ok(Response::new(ReportResponse {}))
    }
}

fn record(outcome: Outcome, key_id: &str) -> Record {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Record::Outcome(OutcomeRecord {
        decision_id: outcome.decision_id,
        at: UnixMillis::new(i64::try_from(outcome.ended_at_ms).unwrap_or(i64::MAX)),
        status: outcome.status,
        code_details: outcome.code_details,
        request_bytes: outcome.request_bytes,
        response_bytes: outcome.response_bytes,
        masked: outcome.masked,
        withheld: some(outcome.withheld),
        upstream: some(outcome.upstream_address),
        response_sha256: <[u8; 32]>::try_from(outcome.response_sha256).ok().map(Digest::from_bytes),
        duration_ms: outcome.duration_ms,
        removed: outcome.removed,
        reporter_key: key_id.to_owned(),
    })
}
