//! The facts header: facts on their way from the filter to the server, sealed
//! with an HMAC that binds them to one request.
//!
//! `v1.<key id>.<base64url(payload)>.<base64url(mac)>`, where the payload is the
//! JSON of [`SealedFacts`] and the MAC is HMAC-SHA-256 over the version, the
//! [`Binding`] and the payload, each part preceded by its length.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::facts::Facts;

/// The request header that carries sealed facts.
pub const FACTS_HEADER: &str = "x-chaperone-facts";

/// The longest facts header that is made or opened, in bytes: below Envoy's
/// default of 60 KiB for all request headers.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;

const VERSION: &str = "v1";

/// What the payload is written into grows from this many bytes.
const USUAL_PAYLOAD_BYTES: usize = 2048;

/// What the filter says of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedFacts {
    /// What the request would do.
    pub facts: Facts,
    /// The digest of exactly the bytes that go upstream.
    pub body_sha256: Digest,
    /// The plan under which it was read: [`crate::plan::Plan::digest`].
    pub plan: Digest,
    /// When, in milliseconds since the Unix epoch.
    pub sealed_at_ms: u64,
}

/// The request that facts are bound to, as Envoy's headers name it.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:authority`.
    pub authority: &'a str,
    /// `:path`, query included.
    pub path: &'a str,
    /// `x-request-id`, empty when there is none.
    pub request_id: &'a str,
}

/// A key shared by filter and server. It does not print.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "FactsKeyText", into = "FactsKeyText")]
pub struct FactsKey {
    id: String,
    secret: Zeroizing<Vec<u8>>,
    /// Begun with the secret: that is half of the work for a short text.
    begun: Hmac<Sha256>,
}

impl FactsKey {
    /// The least secret, in bytes: as long as the hash (RFC 2104 section 3).
    pub const MIN_BYTES: usize = 32;

    /// A key from its id (letters, digits, `-`, `_`) and its secret.
    pub fn new(id: impl Into<String>, secret: Vec<u8>) -> Result<Self, FactsKeyError> {
        let id = id.into();
        let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || !id.chars().all(named) {
            return Err(FactsKeyError::Id);
        }
        if secret.len() < Self::MIN_BYTES {
            return Err(FactsKeyError::Short);
        }
        // A key longer than a block is hashed first, so every length is good; the type
        // says otherwise.
        let begun = Hmac::new_from_slice(&secret).map_err(|_| FactsKeyError::Short)?;
        Ok(Self { id, secret: Zeroizing::new(secret), begun })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA-256 of `bytes`, for reports other than facts.
    pub fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.begun.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }

    /// Whether `mac` is that of `bytes`, in constant time.
    pub fn verify(&self, bytes: &[u8], mac: &[u8]) -> bool {
        let mut expected = self.begun.clone();
        expected.update(bytes);
        expected.verify_slice(mac).is_ok()
    }
}

impl fmt::Debug for FactsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactsKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A facts key cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsKeyError {
    /// The id has other characters, or none.
    #[error("a key id is made of letters, digits, `-` and `_`")]
    Id,
    /// The secret is too short.
    #[error("the secret is shorter than 32 bytes")]
    Short,
    /// The secret is not base64.
    #[error("the secret is not base64")]
    Base64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsKeyText {
    id: String,
    secret: String,
}

impl TryFrom<FactsKeyText> for FactsKey {
    type Error = FactsKeyError;

    fn try_from(text: FactsKeyText) -> Result<Self, Self::Error> {
        let secret = STANDARD.decode(text.secret.trim()).map_err(|_| FactsKeyError::Base64)?;
        Self::new(text.id, secret)
    }
}

impl From<FactsKey> for FactsKeyText {
    fn from(key: FactsKey) -> Self {
        Self { secret: STANDARD.encode(&key.secret), id: key.id }
    }
}

/// Facts cannot be sealed: their header would be longer than
/// [`MAX_HEADER_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the facts do not fit a header of 32 KiB")]
pub struct FactsTooLarge;

/// Why a facts header is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is not of the form that [`seal`] writes.
    #[error("the facts header is malformed")]
    Malformed,
    /// It names a key that is not configured.
    #[error("the facts header names an unknown key")]
    KeyUnknown,
    /// The MAC does not cover this request.
    #[error("the facts header was not made for this request")]
    MacInvalid,
    /// It was sealed too long ago, or in the future.
    #[error("the facts header is outside its time window")]
    Stale,
}

/// Seals `sealed` for the request `binding` into the value of [`FACTS_HEADER`].
pub fn seal(
    key: &FactsKey,
    binding: &Binding<'_>,
    sealed: &SealedFacts,
) -> Result<String, FactsTooLarge> {
    let mut payload = Vec::with_capacity(USUAL_PAYLOAD_BYTES);
    serde_json::to_writer(&mut payload, sealed).map_err(|_| FactsTooLarge)?;
    let mac = request_mac(key, binding, &payload).finalize().into_bytes();
    // Base64 has four characters for three bytes.
    let mut header = String::with_capacity(payload.len().saturating_mul(2));
    for part in [VERSION, ".", &key.id, "."] {
        header.push_str(part);
    }
    URL_SAFE_NO_PAD.encode_string(&payload, &mut header);
    header.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut header);
    if header.len() > MAX_HEADER_BYTES { Err(FactsTooLarge) } else { Ok(header) }
}

/// Opens a facts header: gives the facts if one of `keys` sealed them for this
/// very request, not more than `window_ms` before or after `now_ms`.
pub fn open(
    keys: &[FactsKey],
    binding: &Binding<'_>,
    header: &str,
    now_ms: u64,
    window_ms: u64,
) -> Result<SealedFacts, SealError> {
    if header.len() > MAX_HEADER_BYTES {
        return Err(SealError::Malformed);
    }
    let mut parts = header.split('.');
    let (Some(VERSION), Some(key_id), Some(payload), Some(mac), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SealError::Malformed);
    };
    let key = keys.iter().find(|key| key.id == key_id).ok_or(SealError::KeyUnknown)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| SealError::Malformed)?;
    let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| SealError::Malformed)?;
    request_mac(key, binding, &payload).verify_slice(&mac).map_err(|_| SealError::MacInvalid)?;
    let sealed: SealedFacts = serde_json::from_slice(&payload).map_err(|_| SealError::Malformed)?;
    if sealed.sealed_at_ms.abs_diff(now_ms) > window_ms {
        return Err(SealError::Stale);
    }
    Ok(sealed)
}

fn request_mac(key: &FactsKey, binding: &Binding<'_>, payload: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.begun.clone();
    let parts = [
        VERSION.as_bytes(),
        binding.method.as_bytes(),
        binding.authority.as_bytes(),
        binding.path.as_bytes(),
        binding.request_id.as_bytes(),
        payload,
    ];
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::facts::Protocol;
    use crate::json::document;
    use crate::plan::{Limits, ProtocolPlan};
    use crate::protocol::{RequestHead, inspect_body};

    const NOW: u64 = 1_800_000_000_000;
    const WINDOW: u64 = 5_000;

    fn key(id: &str) -> FactsKey {
        FactsKey::new(id, id.repeat(32).into_bytes()).unwrap()
    }

    fn binding() -> Binding<'static> {
        Binding { method: "POST", authority: "a.example", path: "/sql?x", request_id: "r1" }
    }

    fn sealed() -> SealedFacts {
        SealedFacts {
            facts: Facts::parsed(Protocol::Sql, Vec::new()),
            body_sha256: Digest::of(b"body"),
            plan: Digest::of(b"plan"),
            sealed_at_ms: NOW,
        }
    }

    #[test]
    fn sealed_facts_open_under_any_configured_key() {
        let header = seal(&key("k1"), &binding(), &sealed()).unwrap();
        let keys = [key("k2"), key("k1")];
        assert_eq!(open(&keys, &binding(), &header, NOW, WINDOW), Ok(sealed()));
        assert_eq!(
            open(&[key("k2")], &binding(), &header, NOW, WINDOW),
            Err(SealError::KeyUnknown)
        );
    }

    #[test]
    fn the_deepest_field_of_the_deepest_document_crosses_the_header() {
        let depth = document::MAX_DEPTH;
        let body = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let plan = serde_json::json!({ "json": { "fields": { "all": "", "each": "$[*]" } } });
        let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
        let limits = Limits { depth, ..Limits::default() };
        let headers = [("content-type", "application/json")];
        let head = RequestHead { method: "POST", authority: "a", path: "/", headers: &headers };
        let facts = inspect_body(&plan, &limits, &head, body.as_bytes());
        assert_eq!(facts.unparsed, None);
        let sealed = SealedFacts { facts, ..sealed() };
        let header = seal(&key("k1"), &binding(), &sealed).unwrap();
        assert_eq!(open(&[key("k1")], &binding(), &header, NOW, WINDOW), Ok(sealed));
    }

    #[test]
    fn facts_of_one_request_do_not_open_on_another() {
        let header = seal(&key("k1"), &binding(), &sealed()).unwrap();
        let others = [
            Binding { method: "GET", ..binding() },
            Binding { authority: "b.example", ..binding() },
            Binding { path: "/sql", ..binding() },
            Binding { request_id: "r2", ..binding() },
            // The same bytes, cut elsewhere.
            Binding { authority: "a.example/", path: "sql?x", ..binding() },
        ];
        for other in others {
            assert_eq!(
                open(&[key("k1")], &other, &header, NOW, WINDOW),
                Err(SealError::MacInvalid)
            );
        }
    }

    #[test]
    fn facts_open_only_within_their_window() {
        let header = seal(&key("k1"), &binding(), &sealed()).unwrap();
        for now in [NOW - WINDOW, NOW + WINDOW] {
            assert!(open(&[key("k1")], &binding(), &header, now, WINDOW).is_ok());
        }
        for now in [NOW - WINDOW - 1, NOW + WINDOW + 1] {
            assert_eq!(open(&[key("k1")], &binding(), &header, now, WINDOW), Err(SealError::Stale));
        }
    }

    #[test]
    fn no_changed_byte_of_the_header_opens() {
        let header = seal(&key("k1"), &binding(), &sealed()).unwrap();
        for at in 0..header.len() {
            let mut changed = header.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(open(&[key("k1")], &binding(), &changed, NOW, WINDOW).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        assert_eq!(format!("{:?}", key("k1")), "FactsKey { id: \"k1\", .. }");
    }
}
