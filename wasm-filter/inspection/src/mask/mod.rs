//! Responses: what the caller may not see is masked while the body streams.
//!
//! [`Masker`] takes chunks and gives masked chunks. No byte leaves before it was
//! judged, and the result does not depend on how the body was cut.

pub(crate) mod content_type;
mod fields;
mod json;
pub mod profile;
mod sse;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::content_type::Carrier;
use self::fields::{Fields, RuleId};
use self::json::JsonMasker;
use self::profile::Profile;
use self::sse::SseMasker;
use self::text::SniffingMasker;
use crate::detect::{DetectorId, Detectors};
use crate::json::escape::EscapeError;
use crate::json::path::{Path, PathError};
use crate::json::tokenizer::JsonError;

/// What stands in the place of a string that is masked whole.
const MASKED: &str = "[masked]";

/// A profile made ready for use: paths parsed, detectors built. Shared by all streams.
#[derive(Debug)]
pub struct CompiledProfile {
    fields: Fields,
    detectors: Detectors,
}

impl CompiledProfile {
    /// Compiles `profile`; refuses a path that cannot be read or can never match.
    pub fn new(profile: &Profile) -> Result<Self, ProfileError> {
        let parse = |path: &String| {
            Path::parse(path).map_err(|error| ProfileError::Path { path: path.clone(), error })
        };
        let paths = profile.fields.iter().map(parse).collect::<Result<_, _>>()?;
        let detectors = Detectors::new(&profile.detectors);
        Ok(Self { fields: Fields::new(paths), detectors })
    }
}

/// A profile cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// A field rule cannot be read or can never match.
    #[error("field `{path}`: {error}")]
    Path {
        /// The rule as configured.
        path: String,
        /// What is wrong with it.
        error: PathError,
    },
}

impl ProfileError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Path { error: PathError::Syntax { .. }, .. } => "path_malformed",
            Self::Path { error: PathError::Unsupported { .. }, .. } => "path_unsupported",
            Self::Path { error: PathError::TooDeep, .. } => "path_never_matches",
        }
    }
}

/// Masks one response body, chunk by chunk.
///
/// ```
/// # use std::sync::Arc;
/// # use chaperone_inspection::mask::{CompiledProfile, Masker, profile::Profile};
/// let profile = CompiledProfile::new(&Profile::built_in("pii").unwrap()).unwrap();
/// let mut masker = Masker::new(Arc::new(profile), Some("application/json"), None).unwrap();
/// let mut out = Vec::new();
/// masker.push(br#"{"note": "write to ada@exam"#, &mut out).unwrap();
/// masker.push(br#"ple.com", "id": 7}"#, &mut out).unwrap();
/// masker.finish(&mut out).unwrap();
/// assert_eq!(out, br#"{"note": "write to [masked:email]", "id": 7}"#);
/// assert_eq!(masker.counts().get("email"), Some(&1));
/// ```
#[derive(Debug)]
pub struct Masker {
    profile: Arc<CompiledProfile>,
    body: Body,
    counts: Counts,
    begun: bool,
    failed: Option<Unmaskable>,
}

#[derive(Debug)]
enum Body {
    Json(JsonMasker),
    Events(SseMasker),
    Text(SniffingMasker),
}

impl Masker {
    /// A masker for one response; refuses content types and codings that it cannot
    /// read. It is made from the headers, so that a response that would have to be
    /// blocked is blocked before anything of it was sent.
    pub fn new(
        profile: Arc<CompiledProfile>,
        content_type: Option<&str>,
        content_encoding: Option<&str>,
    ) -> Result<Self, Unmaskable> {
        content_type::require_identity(content_encoding)?;
        let body = match Carrier::of(content_type)? {
            Carrier::Json => Body::Json(JsonMasker::document()),
            Carrier::JsonLines => Body::Json(JsonMasker::sequence()),
            Carrier::Events => Body::Events(SseMasker::new()),
            Carrier::Text => Body::Text(SniffingMasker::new()),
        };
        Ok(Self { profile, body, counts: Counts::default(), begun: false, failed: None })
    }

    /// Takes the next chunk and appends to `out` what is safe to send. After an
    /// error every further call gives that error.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unmaskable> {
        self.begun |= !chunk.is_empty();
        self.advance(|body, profile, counts| match body {
            Body::Json(masker) => masker.push(profile, counts, chunk, out),
            Body::Events(masker) => masker.push(profile, counts, chunk, out),
            Body::Text(masker) => masker.push(profile, counts, chunk, out),
        })
    }

    /// Ends the body and appends the rest to `out`. A body of no bytes is fine
    /// whatever its type.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unmaskable> {
        if !self.begun {
            return Ok(());
        }
        self.advance(|body, profile, counts| match body {
            Body::Json(masker) => masker.finish(profile, counts, out),
            Body::Events(masker) => masker.finish(profile, counts, out),
            Body::Text(masker) => masker.finish(profile, counts, out),
        })
    }

    /// How often each rule or detector masked something so far, by its id: the
    /// path of a field rule, the name of a detector, `long_string` for a string
    /// that was too long to be read, `malformed_json` for a string that began like
    /// JSON and was none.
    pub const fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts.0
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    fn held_bytes(&self) -> usize {
        match &self.body {
            Body::Json(masker) => masker.held_bytes(),
            Body::Events(masker) => masker.held_bytes(),
            Body::Text(masker) => masker.held_bytes(),
        }
    }

    fn advance(
        &mut self,
        step: impl FnOnce(&mut Body, &CompiledProfile, &mut Counts) -> Result<(), Unmaskable>,
    ) -> Result<(), Unmaskable> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let done = step(&mut self.body, &self.profile, &mut self.counts);
        self.failed = done.err();
        done
    }
}

/// Why a response cannot be masked. The text never quotes the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmaskable {
    /// There is a body and no content type.
    #[error("the response has no content type")]
    ContentTypeMissing,
    /// The content type is not one that can be read.
    #[error("the content type is not JSON, a text type or an event stream")]
    ContentTypeUnsupported,
    /// The body is compressed or otherwise encoded.
    #[error("the content encoding is not identity")]
    EncodingUnsupported,
    /// The charset is not UTF-8.
    #[error("the charset is not UTF-8")]
    CharsetUnsupported,
    /// The body is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8Invalid,
    /// The body is not the JSON that its type or its beginning promises.
    #[error("{0}")]
    Json(JsonError),
    /// An event of an event stream has too much beside its data.
    #[error("a field of an event is longer than 64 KiB")]
    EventTooLong,
}

impl Unmaskable {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ContentTypeMissing => "content_type_missing",
            Self::ContentTypeUnsupported => "content_type_unsupported",
            Self::EncodingUnsupported => "encoding_unsupported",
            Self::CharsetUnsupported => "charset_unsupported",
            Self::Utf8Invalid | Self::Json(JsonError::Utf8(_)) => "utf8_invalid",
            Self::Json(JsonError::Malformed(_) | JsonError::Escape(_)) => "json_malformed",
            Self::Json(JsonError::Truncated) => "json_truncated",
            Self::Json(JsonError::TooDeep(_)) => "too_deep",
            Self::Json(JsonError::NumberTooLong) => "number_too_long",
            Self::EventTooLong => "event_too_long",
        }
    }
}

impl From<JsonError> for Unmaskable {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<EscapeError> for Unmaskable {
    fn from(error: EscapeError) -> Self {
        Self::Json(error.into())
    }
}

/// How often each rule or detector masked something.
#[derive(Clone, Debug, Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, id: &str) {
        if let Some(count) = self.0.get_mut(id) {
            *count = count.saturating_add(1);
        } else {
            self.0.insert(id.to_owned(), 1);
        }
    }

    fn add_detector(&mut self, id: DetectorId) {
        self.add(id.name());
    }

    fn add_rule(&mut self, fields: &Fields, rule: RuleId) {
        if let Some(path) = fields.path(rule) {
            self.add(path.text());
        }
    }

    fn add_all(&mut self, other: Self) {
        for (id, more) in other.0 {
            let count = self.0.entry(id).or_default();
            *count = count.saturating_add(more);
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod laws;
#[cfg(test)]
mod tests;
