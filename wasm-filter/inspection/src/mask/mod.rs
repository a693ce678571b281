//! stub: streaming masking.
pub mod profile;
use self::profile::Profile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A profile made ready for use: paths parsed, detectors built. Shared by all streams.
#[derive(Debug)]
pub struct CompiledProfile {}

impl CompiledProfile {
    /// Compiles `profile`; refuses a path that cannot be read or can never match.
    pub fn new(_profile: &Profile) -> Result<Self, ProfileError> {
        todo!()
    }
}

/// A profile cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProfileError(pub String);

/// Masks one response body, chunk by chunk.
#[derive(Debug)]
pub struct Masker {}

impl Masker {
    /// A masker for one response; refuses content types and codings that it cannot read.
    pub fn new(
        _profile: Arc<CompiledProfile>,
        _content_type: Option<&str>,
        _content_encoding: Option<&str>,
    ) -> Result<Self, Unmaskable> {
        todo!()
    }
    /// Takes the next chunk and appends to `out` what is safe to send.
    pub fn push(&mut self, _chunk: &[u8], _out: &mut Vec<u8>) -> Result<(), Unmaskable> {
        todo!()
    }
    /// Ends the body and appends the rest to `out`.
    pub fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), Unmaskable> {
        todo!()
    }
    /// How often each rule or detector masked something so far, by its id.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        todo!()
    }
}

/// Why a response cannot be masked. The text never quotes the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unmaskable(pub String);
