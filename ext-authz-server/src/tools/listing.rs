//! Which tools of a list a chain is shown: those that it might call, as far as policies
//! and pins say. It is a courtesy, and the same rules decide each call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::{Action, Attributes, Command};
use chaperone_inspection::seal::FactsKey;

use super::pins::ToolState;
use super::ticket::{Ticket, TicketError};
use super::{ToolRoute, Tools};
use crate::audit::{AuditError, HiddenTool, Record, ToolListRecord};
use crate::identity::Chain;
use crate::policy::{Enforce, Policies, PolicySet, Question, RequestContext};
use crate::service::Service;
use crate::store::{Batch, SeenTool, StoreError};
use crate::time::UnixMillis;

/// More tools than any server lists on a page.
const MAX_TOOLS: usize = 5_000;

/// How many of the tools that are not shown the record names.
const MAX_NAMED: usize = 200;

/// How many characters of a tool's name the record has.
const MAX_NAME: usize = 200;

/// Says which tools are shown.
pub struct ToolLists {
    keys: Arc<[FactsKey]>,
    services: BTreeMap<String, Service>,
    enforce: Enforce,
    policies: Arc<Policies>,
    tools: Arc<Tools>,
}

impl std::fmt::Debug for ToolLists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToolLists")
    }
}

/// A tool that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTool {
    /// Its name.
    pub name: String,
    /// The digest of its definition.
    pub digest: Digest,
}

/// Which tools are shown cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Nobody is known to have asked.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The service that was asked is not configured any more.
    #[error("the service is not configured")]
    ServiceUnknown,
    /// There are too many.
    #[error("more than {MAX_TOOLS} tools are listed")]
    TooMany,
    /// What was seen cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl ToolLists {
    /// Lists of the tools of `services`, for tickets that one of `keys` sealed.
    pub fn new(
        keys: Arc<[FactsKey]>,
        services: BTreeMap<String, Service>,
        enforce: Enforce,
        policies: Arc<Policies>,
        tools: Arc<Tools>,
    ) -> Self {
        Self { keys, services, enforce, policies, tools }
    }

    /// The places of the tools that are shown to whoever `ticket`, which came with
    /// `decision`, was made for. What the server says of its tools now is what counts
    /// for calls from here on.
    pub async fn visible(
        &self,
        ticket: &str,
        decision: &str,
        listed: &[ListedTool],
        now: UnixMillis,
    ) -> Result<Vec<usize>, ListError> {
        if listed.len() > MAX_TOOLS {
            return Err(ListError::TooMany);
        }
        let ticket = Ticket::open(&self.keys, ticket, decision, now)?;
        let chain = ticket.chain()?;
        let service = self.services.get(&ticket.service).ok_or(ListError::ServiceUnknown)?;
        let route = ToolRoute { service, path: &ticket.route };
        let pins = route.pins();
        let policies = self.policies.current();
        let mut visible = Vec::new();
        let mut hidden = Vec::new();
        let mut seen: BTreeMap<&str, Digest> = BTreeMap::new();
        for (place, tool) in listed.iter().enumerate() {
            let state = match &pins {
                Some(pins) => pins.state(&tool.name, Some(tool.digest)),
                None => ToolState::Pinned,
            };
            // Of two definitions under one name, the one that was not reviewed counts.
            if state == ToolState::Pinned {
                seen.entry(&tool.name).or_insert(tool.digest);
            } else {
                seen.insert(&tool.name, tool.digest);
            }
            let why = state.code().or_else(|| {
                let may_call = self.may_call(&policies, &ticket, &chain, &tool.name);
                (!may_call).then_some("not_permitted")
            });
            match why {
                None => visible.push(place),
                Some(why) => hidden.push(HiddenTool {
                    tool: tool.name.chars().take(MAX_NAME).collect(),
                    definition: tool.digest,
                    why: why.to_owned(),
                }),
            }
        }
        let seen = seen.into_iter().filter(|_| pins.is_some()).map(|(tool, digest)| {
            let key = route.key(tool);
            SeenTool { key, digest, at: now }
        });
        let record = ToolListRecord {
            decision_id: ticket.decision.clone(),
            at: now,
            service: ticket.service.clone(),
            route: ticket.route.clone(),
            listed: listed.len(),
            hidden: hidden.len(),
            tools: {
                hidden.truncate(MAX_NAMED);
                hidden
            },
        };
        self.tools.saw(seen.collect(), record, now).await?;
        Ok(visible)
    }

    fn may_call(&self, policies: &PolicySet, ticket: &Ticket, chain: &Chain, tool: &str) -> bool {
        let method = ("method".to_owned(), "tools/call".into());
        let Some(action) = Action::named("mcp:tools/call") else { return false };
        let attributes = Attributes::from_iter([method]);
        policies.may_permit(&Question {
            chain,
            enforce: self.enforce,
            service: &ticket.service,
            request: RequestContext {
                method: "POST",
                host: &ticket.host,
                path: &ticket.path,
                contains: &BTreeSet::new(),
            },
            token: &ticket.token,
            commands: &[Command { action, resource: tool.to_owned(), attributes }],
        })
    }
}

impl Tools {
    /// Keeps what was seen, with the record of what was not shown.
    async fn saw(
        &self,
        tools: Vec<SeenTool>,
        record: ToolListRecord,
        now: UnixMillis,
    ) -> Result<(), ListError> {
        let mut entries = Vec::new();
        if record.hidden > 0 {
            entries.push(Record::ToolList(record).draft(now)?);
        }
        if !tools.is_empty() || !entries.is_empty() {
            self.store.commit(Batch { tools, entries, ..Batch::default() }).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
