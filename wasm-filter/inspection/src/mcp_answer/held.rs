//! The answer to `tools/list`, held until it is known which tools may be shown.

use super::events::{Found, escape_into};
use super::watch::Watch;
use super::{Body, Gate, Refused, ToolList};

/// The most that is held: half of what Envoy buffers by default.
const MAX_HELD: usize = 512 * 1024;

/// An answer as far as it has come.
#[derive(Debug)]
pub struct ListAnswer {
    gate: Gate,
    /// What came before the list and may pass.
    out: Vec<u8>,
    /// What came after it, unread; the whole body of a JSON answer.
    rest: Vec<u8>,
    held: usize,
    found: Option<Answered>,
}

#[derive(Debug)]
enum Answered {
    /// The list, and what is written before and after it.
    List { before: Vec<u8>, list: ToolList, after: &'static [u8] },
    /// Something else, an error perhaps.
    Otherwise,
}

impl ListAnswer {
    /// Holds an answer that `gate`, which has seen nothing of it, will pass.
    pub fn new(mut gate: Gate) -> Self {
        gate.rules.lists = true;
        Self { gate, out: Vec::new(), rest: Vec::new(), held: 0, found: None }
    }

    /// Takes the next chunk, and with `end` the end of the answer. After an error nothing
    /// of the answer may be sent.
    pub fn push(&mut self, chunk: &[u8], end: bool) -> Result<(), Refused> {
        self.held = self.held.saturating_add(chunk.len());
        if self.held > MAX_HELD {
            return Err(Refused::TooLong);
        }
        self.gate.begun |= !chunk.is_empty();
        let Gate { rules, body, .. } = &mut self.gate;
        match body {
            Body::Events(events) => {
                if self.found.is_some() {
                    self.rest.extend_from_slice(chunk);
                    return Ok(());
                }
                if let Some((found, taken)) = events.push(rules, chunk, &mut self.out)? {
                    self.found = Some(answered(found)?);
                    self.rest.extend_from_slice(chunk.get(taken..).unwrap_or_default());
                } else if end {
                    let found = events.finish(rules, &mut self.out)?;
                    self.found = Some(found.map_or(Ok(Answered::Otherwise), answered)?);
                }
            }
            Body::Json(watch) => {
                watch.push(rules, chunk).inspect_err(|refused| rules.remove(*refused))?;
                self.rest.extend_from_slice(chunk);
                if end {
                    self.found = Some(document(watch, &self.rest)?);
                }
            }
        }
        Ok(())
    }

    /// Whether the answer is there, so that it can be let go.
    pub const fn is_whole(&self) -> bool {
        self.found.is_some()
    }

    /// The list in it, if it is one.
    pub const fn list(&self) -> Option<&ToolList> {
        match &self.found {
            Some(Answered::List { list, .. }) => Some(list),
            _ => None,
        }
    }

    /// What may be sent of it: of the list the tools for which `kept`, asked in their
    /// order, says yes. The gate goes on with what is still to come.
    pub fn release(
        self,
        kept: impl FnMut(usize) -> bool,
        end: bool,
    ) -> Result<(Gate, Vec<u8>), Refused> {
        let Self { mut gate, mut out, rest, found, .. } = self;
        gate.rules.lists = false;
        if let Some(Answered::List { before, mut list, after }) = found {
            let hidden = list.retain(kept);
            if hidden > 0 {
                let hidden = u64::try_from(hidden).unwrap_or(u64::MAX);
                gate.rules.removed.insert("tools".to_owned(), hidden);
            }
            out.extend_from_slice(&before);
            escape_into(list.into_json().as_bytes(), &mut out);
            out.extend_from_slice(after);
            if !gate.is_stream() {
                return Ok((gate, out));
            }
        } else if !gate.is_stream() {
            return Ok((gate, rest));
        }
        gate.push(&rest, &mut out)?;
        if end {
            gate.finish(&mut out)?;
        }
        Ok((gate, out))
    }
}

fn answered(found: Found) -> Result<Answered, Refused> {
    let Found::List { fields, message } = found else { return Ok(Answered::Otherwise) };
    let list = parsed(&message)?;
    let before = [fields.as_slice(), b"data: "].concat();
    Ok(Answered::List { before, list, after: b"\n\n" })
}

fn document(watch: &mut Watch, body: &[u8]) -> Result<Answered, Refused> {
    if watch.is_blank() {
        return Ok(Answered::Otherwise);
    }
    watch.finish()?;
    if !watch.lists_tools() {
        return Ok(Answered::Otherwise);
    }
    Ok(Answered::List { before: Vec::new(), list: parsed(body)?, after: b"" })
}

fn parsed(message: &[u8]) -> Result<ToolList, Refused> {
    let list = ToolList::parse(message);
    list.ok()
        .flatten()
        .ok_or(Refused::Unreadable("the list of tools cannot be read in one way only"))
}
