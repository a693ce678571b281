//! `chaperone.v1.Tools`: which tools of a list a caller is shown, asked by the filter.

use std::sync::Arc;

use chaperone_inspection::digest::Digest;
use chaperone_inspection::seal::FactsKey;
use chaperone_proto::v1::tools_server::Tools;
use chaperone_proto::v1::{ToolsQuestion, VisibleRequest, VisibleResponse};
use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::time::Clock;
use crate::tools::{ListError, ListedTool, ToolLists};

/// Keeps this MAC apart from others with the same key.
const DOMAIN: &[u8] = b"chaperone.v1.Tools/Visible\0";

/// The tools service.
pub struct ToolsService {
    keys: Arc<[FactsKey]>,
    lists: ToolLists,
    clock: Arc<dyn Clock>,
}

impl ToolsService {
    /// A service that answers a filter with one of `keys`.
    pub fn new(keys: Arc<[FactsKey]>, lists: ToolLists, clock: Arc<dyn Clock>) -> Self {
        Self { keys, lists, clock }
    }
}

#[tonic::async_trait]
impl Tools for ToolsService {
    async fn visible(
        &self,
        request: Request<VisibleRequest>,
    ) -> Result<Response<VisibleResponse>, Status> {
        let VisibleRequest { key_id, question, mac } = request.into_inner();
        let key = self.keys.iter().find(|key| key.id() == key_id);
        let signed = [DOMAIN, &question].concat();
        if !key.is_some_and(|key| key.verify(&signed, &mac)) {
            return Err(Status::unauthenticated("the question is not sealed with a facts key"));
        }
        let malformed = || Status::invalid_argument("the question is not a ToolsQuestion");
        let question = ToolsQuestion::decode(question.as_slice()).map_err(|_| malformed())?;
        let listed = question.tools.into_iter().map(|tool| {
            let digest = <[u8; 32]>::try_from(tool.sha256).ok().map(Digest::from_bytes)?;
            Some(ListedTool { name: tool.name, digest })
        });
        let listed: Vec<_> = listed.collect::<Option<_>>().ok_or_else(malformed)?;
        let (ticket, decision) = (&question.ticket, &question.decision_id);
        let visible = self.lists.visible(ticket, decision, &listed, self.clock.now()).await;
        let visible = visible.map_err(|error| status(&error))?;
        let visible = visible.into_iter().filter_map(|place| u32::try_from(place).ok()).collect();
        Ok(Response::new(VisibleResponse { visible }))
    }
}

fn status(error: &ListError) -> Status {
    tracing::error!(%error, "which tools are shown could not be said");
    match error {
        ListError::Ticket(_) => Status::permission_denied(error.to_string()),
        ListError::ServiceUnknown | ListError::TooMany => {
            Status::failed_precondition(error.to_string())
        }
        ListError::Store(_) | ListError::Audit(_) => {
            Status::unavailable("which tools are shown could not be recorded")
        }
    }
}
