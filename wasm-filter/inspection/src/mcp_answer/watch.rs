//! One message, or a batch of them, as its JSON comes: what it would have the agent do.

use super::{Refused, Rules, SERVER_REQUESTS};
use crate::json::document::fold;
use crate::json::escape;
use crate::json::tokenizer::{Kind, Token, Tokenizer};

/// Any other request of a server.
const OTHER: &str = "other_request";

/// Reads a message chunk by chunk.
#[derive(Debug)]
pub(super) struct Watch {
    tokenizer: Tokenizer,
    /// What each open container is, the innermost last; at most the tokenizer's depth.
    open: Vec<Place>,
    key: Key,
    blank: bool,
    lists: bool,
    answers: bool,
}

/// What a container is to the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Batch,
    Message,
    Result,
    Params,
    /// `inputRequests` (MCP 2026-07-28, Multi Round-Trip Requests): requests by name.
    Requests,
    Request,
    Other,
}

/// A key that means something, wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Method,
    Result,
    Params,
    Error,
    Tools,
    InputRequests,
    Other,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            tokenizer: Tokenizer::document(),
            open: Vec::new(),
            key: Key::Other,
            blank: true,
            lists: false,
            answers: false,
        }
    }
}

impl Watch {
    /// Takes the next chunk; an error as soon as the message may not pass.
    pub(super) fn push(&mut self, rules: &Rules, chunk: &[u8]) -> Result<(), Refused> {
        self.blank &= chunk.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        let mut at = 0;
        while let Some(token) = self.tokenizer.next(chunk, at).map_err(Refused::Json)? {
            at = token.end;
            self.token(rules, &token, chunk)?;
        }
        Ok(())
    }

    /// Ends the message.
    pub(super) fn finish(&mut self) -> Result<(), Refused> {
        self.tokenizer.finish().map(drop).map_err(Refused::Json)
    }

    /// Whether nothing but white space has come.
    pub(super) const fn is_blank(&self) -> bool {
        self.blank
    }

    /// Whether it lists tools.
    pub(super) const fn lists_tools(&self) -> bool {
        self.lists
    }

    /// Whether it answers a request.
    pub(super) const fn is_answer(&self) -> bool {
        self.answers
    }

    fn token(&mut self, rules: &Rules, token: &Token, chunk: &[u8]) -> Result<(), Refused> {
        let place = self.open.last().copied();
        match token.kind {
            Kind::Key => {
                self.key = self.key_of(token, chunk);
                let answers = matches!(self.key, Key::Result | Key::Error);
                self.answers |= place == Some(Place::Message) && answers;
                return Ok(());
            }
            Kind::EndObject | Kind::EndArray => {
                self.open.pop();
            }
            _ => {
                let key = std::mem::replace(&mut self.key, Key::Other);
                let asks = matches!(place, Some(Place::Message | Place::Request));
                if asks && key == Key::Method {
                    self.method(rules, token, chunk, place == Some(Place::Request))?;
                }
                if place == Some(Place::Result) && key == Key::Tools {
                    self.lists = true;
                    if !rules.lists {
                        return Err(Refused::ToolList);
                    }
                }
                if matches!(token.kind, Kind::BeginObject | Kind::BeginArray) {
                    self.open.push(inner(place, key, token.kind == Kind::BeginArray));
                }
            }
        }
        Ok(())
    }

    /// Readers of some languages take a key in another case for the same one.
    fn key_of(&self, token: &Token, chunk: &[u8]) -> Key {
        let mut decoded = Vec::new();
        let written = self.tokenizer.text(token, chunk);
        if token.long || written.len() > 256 || escape::decode(written, &mut decoded).is_err() {
            return Key::Other;
        }
        let Ok(text) = std::str::from_utf8(&decoded) else { return Key::Other };
        match fold(text).as_str() {
            "method" => Key::Method,
            "result" => Key::Result,
            "params" => Key::Params,
            "error" => Key::Error,
            "tools" => Key::Tools,
            "inputrequests" => Key::InputRequests,
            _ => Key::Other,
        }
    }

    fn method(
        &self,
        rules: &Rules,
        token: &Token,
        chunk: &[u8],
        embedded: bool,
    ) -> Result<(), Refused> {
        let mut decoded = Vec::new();
        if token.kind != Kind::String
            || token.long
            || escape::decode(self.tokenizer.text(token, chunk), &mut decoded).is_err()
        {
            return Err(Refused::Request(OTHER));
        }
        let method = decoded.as_slice();
        let known = SERVER_REQUESTS.into_iter().find(|known| known.as_bytes() == method);
        let passes = match known {
            Some(known) => rules.allowed.contains(known),
            // Of a task that the agent made for the server, so where it may make any.
            None if method.starts_with(b"tasks/") => !embedded && !rules.allowed.is_empty(),
            None => !embedded && (method == b"ping" || method.starts_with(b"notifications/")),
        };
        if passes { Ok(()) } else { Err(Refused::Request(known.unwrap_or(OTHER))) }
    }
}

/// What a container is that opens in `place` under `key`.
const fn inner(place: Option<Place>, key: Key, is_array: bool) -> Place {
    match (place, key) {
        (None | Some(Place::Batch), _) if is_array => Place::Batch,
        (None | Some(Place::Batch), _) => Place::Message,
        (Some(Place::Message), Key::Result) => Place::Result,
        (Some(Place::Message), Key::Params) => Place::Params,
        (Some(Place::Result | Place::Params), Key::InputRequests) => Place::Requests,
        (Some(Place::Requests), _) if is_array => Place::Requests,
        (Some(Place::Requests), _) => Place::Request,
        _ => Place::Other,
    }
}
