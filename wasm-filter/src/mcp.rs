//! The answers of MCP servers: what a server may not send to an agent is left out, and
//! a list of tools waits until the server of ours has said which the caller is shown.

use std::collections::{BTreeMap, BTreeSet};

use chaperone_inspection::mcp_answer::{Gate, ListAnswer, Refused};
use chaperone_inspection::obligations::McpOrder;
use chaperone_inspection::seal::FactsKey;
use chaperone_proto::v1::{ListedTool, ToolsQuestion, VisibleRequest, VisibleResponse};
use prost::Message as _;

use crate::Filter;
use crate::host::{Headers, Host};

/// Keeps this MAC apart from others with the same key.
const DOMAIN: &[u8] = b"chaperone.v1.Tools/Visible\0";

/// The order that an answer goes by.
#[derive(Debug, Default)]
pub struct McpSide {
    stage: Stage,
    removed: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
enum Stage {
    /// There is no order, or nothing to read.
    #[default]
    Passing,
    Gated(Box<Gate>),
    Listing(Box<Listing>),
}

/// A list on its way.
#[derive(Debug)]
struct Listing {
    answer: ListAnswer,
    question: Question,
    /// The call, once it was made.
    asked: Option<u32>,
    /// Nothing more comes.
    ended: bool,
}

/// What is needed to ask which tools may be shown.
#[derive(Debug)]
struct Question {
    cluster: String,
    key: FactsKey,
    decision: String,
    ticket: String,
}

/// What becomes of the bytes that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// They pass as they are.
    Untouched,
    /// They wait, and with them the answer.
    Hold,
    /// These pass in their place; `true` if they end the answer.
    Pass(Vec<u8>, bool),
    /// Nothing more of the answer may pass, for this reason.
    Refuse(String),
}

impl McpSide {
    /// Begins with the headers of an answer to the request that `decision` is about.
    pub fn begin(
        &mut self,
        filter: &Filter,
        headers: &Headers,
        order: McpOrder,
        decision: &str,
    ) -> Step {
        let content_type = headers.value("content-type");
        let coding = headers.value("content-encoding");
        let allowed = order.server_requests.iter().map(String::as_str);
        let gate = match Gate::new(allowed, content_type.as_deref(), coding.as_deref()) {
            Ok(gate) => gate,
            Err(_) if !carries_messages(headers) => return Step::Untouched,
            Err(error) => return Step::Refuse(error.to_string()),
        };
        let Some(ticket) = order.list_ticket else {
            self.stage = Stage::Gated(Box::new(gate));
            return Step::Untouched;
        };
        let question = Question {
            cluster: filter.outcomes().borrow().cluster().to_owned(),
            key: filter.key().clone(),
            decision: decision.to_owned(),
            ticket,
        };
        let answer = ListAnswer::new(gate);
        self.stage =
            Stage::Listing(Box::new(Listing { answer, question, asked: None, ended: false }));
        Step::Hold
    }

    /// Whether bytes of the answer are read.
    pub const fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Passing)
    }

    /// Whether the answer is a stream of events that come when they come.
    pub fn is_stream(&self) -> bool {
        matches!(&self.stage, Stage::Gated(gate) if gate.is_stream())
    }

    /// What was left out so far.
    pub fn removed(&self) -> &BTreeMap<String, u64> {
        match &self.stage {
            Stage::Gated(gate) => gate.removed(),
            Stage::Passing | Stage::Listing(_) => &self.removed,
        }
    }

    /// Takes a chunk, and with `end` the end of the answer.
    pub fn take(&mut self, host: &impl Host, chunk: &[u8], end: bool) -> Step {
        match &mut self.stage {
            Stage::Passing => Step::Untouched,
            Stage::Gated(gate) => {
                let mut out = Vec::with_capacity(chunk.len());
                let mut taken = gate.push(chunk, &mut out);
                if end {
                    taken = taken.and_then(|()| gate.finish(&mut out));
                }
                match taken {
                    Ok(()) => Step::Pass(out, end),
                    Err(refused) => self.refuse(refused),
                }
            }
            Stage::Listing(listing) => {
                listing.ended |= end;
                if let Err(refused) = listing.answer.push(chunk, end) {
                    return self.refuse(refused);
                }
                if listing.asked.is_some() || !listing.answer.is_whole() {
                    return Step::Hold;
                }
                if listing.answer.list().is_none() {
                    return self.release(&BTreeSet::new());
                }
                listing.asked = listing.question.ask(host, &listing.answer);
                if listing.asked.is_some() {
                    return Step::Hold;
                }
                self.stage = Stage::Passing;
                Step::Refuse("which tools may be shown could not be asked".to_owned())
            }
        }
    }

    /// Takes the answer to the call `token`: a gRPC status and a message of that size.
    /// `None` when it is no call of ours.
    pub fn called_back(
        &mut self,
        host: &impl Host,
        token: u32,
        status: u32,
        size: usize,
    ) -> Option<Step> {
        let Stage::Listing(listing) = &self.stage else { return None };
        if listing.asked != Some(token) {
            return None;
        }
        if status == 0
            && let Ok(answer) = VisibleResponse::decode(host.message(size).as_slice())
        {
            return Some(self.release(&answer.visible.into_iter().collect()));
        }
        self.stage = Stage::Passing;
        let reason = format!("which tools may be shown could not be told (gRPC status {status})");
        Some(Step::Refuse(reason))
    }

    /// Lets the list go with the tools in those places.
    fn release(&mut self, visible: &BTreeSet<u32>) -> Step {
        let Stage::Listing(listing) = std::mem::take(&mut self.stage) else {
            return Step::Untouched;
        };
        let ended = listing.ended;
        let shown = |place| u32::try_from(place).is_ok_and(|place| visible.contains(&place));
        match listing.answer.release(shown, ended) {
            Ok((gate, out)) => {
                self.stage = Stage::Gated(Box::new(gate));
                Step::Pass(out, ended)
            }
            Err(refused) => self.refuse(refused),
        }
    }

    fn refuse(&mut self, refused: Refused) -> Step {
        self.removed = self.removed().clone();
        if self.removed.is_empty() {
            self.removed.insert(refused.name().to_owned(), 1);
        }
        self.stage = Stage::Passing;
        Step::Refuse(refused.to_string())
    }
}

/// Whether clients read messages from an answer of that status: from no bad one, and
/// not from one that only says that a message was taken.
fn carries_messages(headers: &Headers) -> bool {
    let status = headers.value(":status").unwrap_or_default();
    status.starts_with('2') && status != "202"
}

impl Question {
    fn ask(&self, host: &impl Host, answer: &ListAnswer) -> Option<u32> {
        let tools = answer.list()?.tools().map(|tool| ListedTool {
            name: tool.name.to_owned(),
            sha256: tool.digest.as_bytes().to_vec(),
        });
        let question = ToolsQuestion {
            decision_id: self.decision.clone(),
            ticket: self.ticket.clone(),
            tools: tools.collect(),
        };
        let question = question.encode_to_vec();
        let mac = self.key.mac(&[DOMAIN, &question].concat()).to_vec();
        let request = VisibleRequest { key_id: self.key.id().to_owned(), question, mac };
        host.call(&self.cluster, "chaperone.v1.Tools", "Visible", &request.encode_to_vec())
    }
}

#[cfg(test)]
mod tests;
