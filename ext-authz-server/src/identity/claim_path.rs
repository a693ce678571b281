//! Where in a token a claim is.

use serde_json::{Map, Value};

/// The place of a claim: its name, or a JSON Pointer (RFC 6901) to it when it begins
/// with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClaimPath {
    written: String,
    /// The member of the claims.
    member: String,
    /// The JSON Pointer from there on.
    pointer: String,
}

/// The text is the place of no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoClaimPath;

impl ClaimPath {
    /// The place that `text` names.
    pub(super) fn parse(text: &str) -> Result<Self, NoClaimPath> {
        let (member, pointer) = match text.strip_prefix('/') {
            None if text.is_empty() => return Err(NoClaimPath),
            None => (text.to_owned(), String::new()),
            Some(pointer) => {
                let mut escapes = pointer.split('~').skip(1);
                if !escapes.all(|rest| rest.starts_with(['0', '1'])) {
                    return Err(NoClaimPath);
                }
                let (first, rest) = match pointer.find('/') {
                    Some(slash) => pointer.split_at(slash),
                    None => (pointer, ""),
                };
                (first.replace("~1", "/").replace("~0", "~"), rest.to_owned())
            }
        };
        Ok(Self { written: text.to_owned(), member, pointer })
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.written
    }

    /// What `claims` have there; a null is nothing.
    pub(super) fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let value = claims.get(&self.member)?.pointer(&self.pointer)?;
        Some(value).filter(|value| !value.is_null())
    }
}
