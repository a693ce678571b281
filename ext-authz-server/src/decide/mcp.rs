//! What is particular to MCP: pinned tools, and what a server may answer.

use std::collections::BTreeSet;

use chaperone_inspection::facts::{Action, Attributes, Command, Facts, Protocol};
use chaperone_inspection::mcp_answer::SERVER_REQUESTS;
use chaperone_inspection::obligations::McpOrder;
use chaperone_inspection::protocol::Route;

use super::{Decider, Passed, ReadRequest, denied, unavailable};
use crate::ledger::Ledger;
use crate::policy::{Decision, Grant, PolicySet, Question, RequestContext, TokenContext};
use crate::tools::{Ticket, TicketOrder, ToolRoute};
use crate::verdict::Refusal;

/// The action of calls of MCP tools.
const TOOL_CALL: &str = "mcp:tools/call";

/// The actions whose answers list tools.
const TOOL_LISTS: [&str; 2] = ["mcp:tools/list", "mcp:server/discover"];

/// The action whose answer no client reads.
const SESSION_END: &str = "mcp:session/end";

impl Decider {
    /// Refuses calls of tools that are not as they were pinned.
    pub(super) async fn as_pinned(
        &self,
        route: &ToolRoute<'_>,
        facts: &Facts,
    ) -> Result<(), Refusal> {
        for command in &facts.commands {
            if command.action.name() != TOOL_CALL {
                continue;
            }
            let state =
                self.rules.tools.state(route, &command.resource).await.map_err(|error| {
                    tracing::error!(%error, "a tool could not be looked up");
                    unavailable("tools_unavailable", "The tool could not be looked up.")
                })?;
            if let Some(code) = state.code() {
                return Err(denied(code, state.told(&command.resource)));
            }
        }
        Ok(())
    }

    /// What the filter lets through of the answer of an MCP server. What is to be masked
    /// in what the server may ask of the agent adds to `grant`.
    pub(super) fn mcp_order(
        &self,
        passed: &Passed<'_>,
        route: &Route<'_>,
        read: &ReadRequest,
        policies: &PolicySet,
        grant: &mut Grant,
        ledger: &mut Ledger<'_>,
    ) -> Option<McpOrder> {
        let ends = |command: &Command| command.action.name() == SESSION_END;
        if read.facts.protocol != Protocol::Mcp || read.facts.commands.iter().all(ends) {
            return None;
        }
        let token = TokenContext::of(passed.credential, passed.now);
        let server_requests = self.server_requests(passed, policies, &token, grant);
        ledger.server_requests(&server_requests, grant);
        let lists = |command: &Command| TOOL_LISTS.contains(&command.action.name());
        let lists = read.facts.commands.iter().any(lists);
        let ticket = lists.then(|| self.list_ticket(passed, route, &token, ledger.decision_id()));
        Some(McpOrder { server_requests, list_ticket: ticket.flatten() })
    }

    /// The requests of the server that may reach the caller. Nobody can be asked for an
    /// approval while the answer is under way.
    fn server_requests(
        &self,
        passed: &Passed<'_>,
        policies: &PolicySet,
        token: &TokenContext,
        grant: &mut Grant,
    ) -> BTreeSet<String> {
        let Passed { request, service, credential, .. } = passed;
        let mut allowed = BTreeSet::new();
        for method in SERVER_REQUESTS {
            // Most policies have nothing to say of them, and each request would pay.
            let action = Action::named(&format!("mcp:{method}"));
            let Some(action) = action.filter(|action| policies.grants(*action)) else { continue };
            let attributes = Attributes::from_iter([("method".to_owned(), method.into())]);
            let answer = policies.decide(&Question {
                chain: &credential.chain,
                enforce: self.rules.enforce,
                service: &service.name,
                request: RequestContext {
                    method: &request.method,
                    host: &request.authority,
                    path: request.path_only(),
                    contains: &BTreeSet::new(),
                },
                token,
                commands: &[Command { action, resource: String::new(), attributes }],
            });
            if let Decision::Allow(more) = answer.decision {
                allowed.insert(method.to_owned());
                grant.mask.extend(more.mask);
            }
        }
        allowed
    }

    /// What the filter hands back with the tools that are listed.
    fn list_ticket(
        &self,
        passed: &Passed<'_>,
        route: &Route<'_>,
        token: &TokenContext,
        decision: &str,
    ) -> Option<String> {
        let Passed { request, service, credential, now } = passed;
        let order = TicketOrder {
            decision,
            service: &service.name,
            route: &route.plan.path,
            host: &request.authority,
            path: request.path_only(),
            token,
            chain: &credential.chain,
        };
        self.rules.facts_keys.first().map(|key| Ticket::new(&order, *now).seal(key))
    }
}
