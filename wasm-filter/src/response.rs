//! The response side: mask what the decision orders, chunk by chunk, and withhold
//! what it does not allow or what cannot be masked.

use std::collections::BTreeMap;
use std::sync::Arc;

use chaperone_inspection::Masker;
use chaperone_inspection::mask::CompiledProfile;
use chaperone_inspection::obligations::{
    METADATA_KEY, METADATA_NAMESPACE, MaskOrder, Obligations, OnUnmaskable,
};
use sha2::{Digest as _, Sha256};

use crate::Filter;
use crate::host::{Body, Counter, Flow, Headers, Host, Level, Map};
use crate::mcp::{McpSide, Step};
use crate::reply::{DECISION_HEADER, Reply};
use crate::request::{Caller, remove_ours};

/// Envoy's response code details, as far as they matter here.
mod details {
    pub(super) const UPSTREAM: &str = "via_upstream";
    pub(super) const CHECK_FAILED: &str = "ext_authz_error";
}

/// Headers that tell of the body as the upstream sent it and that masking makes
/// untrue (RFC 9110 sections 8.6, 8.8.3 and 14.3, RFC 9530).
const STALE_HEADERS: [&str; 7] = [
    "content-length",
    "etag",
    "accept-ranges",
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
];

/// A body that is not masked is hashed up to this size. Hashing costs about as much
/// as everything else that the filter does to a byte, and long bodies are downloads.
const UNMASKED_HASH_BYTES: usize = 256 * 1024;

/// The response side of one exchange.
#[derive(Debug, Default)]
pub struct ResponseSide {
    decision: Option<String>,
    replaced: String,
    mcp: McpSide,
    stage: Stage,
    /// The caller has the headers, or gets them without waiting for the body.
    begun: bool,
    digest: BodyDigest,
    masked: BTreeMap<String, u64>,
    withheld: String,
}

#[derive(Debug, Default)]
enum Stage {
    /// The body passes as it is.
    #[default]
    Passing,
    Masking(Box<Masking>),
    /// Nothing more leaves.
    Withheld,
}

#[derive(Debug)]
struct Masking {
    masker: Masker,
    on_unmaskable: OnUnmaskable,
    /// A chunk went into the masker.
    touched: bool,
}

impl ResponseSide {
    /// The decision that the exchange goes by; `None` when none was made.
    pub fn decision(&self, host: &impl Host) -> Option<String> {
        // A caller that left before the answer has a decision nevertheless.
        self.decision.clone().or_else(|| obligations(host).map(|ordered| ordered.decision))
    }

    /// Envoy's response code details of the answer that was replaced here: what replaces
    /// it has none. Empty where none was.
    pub fn replaced(&self) -> &str {
        &self.replaced
    }

    /// How often each rule masked something.
    pub fn masked(&self) -> &BTreeMap<String, u64> {
        match &self.stage {
            Stage::Masking(masking) => masking.masker.counts(),
            Stage::Passing | Stage::Withheld => &self.masked,
        }
    }

    /// What of an MCP server's answer was left out, by its kind.
    pub fn removed(&self) -> &BTreeMap<String, u64> {
        self.mcp.removed()
    }

    /// Why the answer was withheld; empty when it was not.
    pub fn withheld(&self) -> &str {
        &self.withheld
    }

    /// SHA-256 of the body as the caller got it; `None` when that is not known.
    pub fn body_sha256(&self) -> Option<[u8; 32]> {
        self.digest.value()
    }

    /// Takes the headers.
    pub fn headers(
        &mut self,
        host: &impl Host,
        filter: &Filter,
        caller: Caller,
        end_of_stream: bool,
    ) -> Flow {
        let headers = host.headers(Map::ResponseHeaders);
        remove_ours(host, Map::ResponseHeaders, &headers);
        let Some(Obligations { decision, mask, mcp }) = obligations(host) else {
            return self.undecided(host, caller);
        };
        host.set_header(Map::ResponseHeaders, DECISION_HEADER, &decision);
        let listed = match mcp.filter(|_| !end_of_stream) {
            Some(order) => self.mcp.begin(filter, &headers, order, &decision),
            None => Step::Untouched,
        };
        self.decision = Some(decision);
        if let Step::Refuse(reason) = listed {
            return self.refuse(host, caller, reason);
        }
        if self.mcp.is_active() {
            remove_stale(host);
        }
        let flow = match mask {
            Some(order) => self.mask(host, filter, caller, &headers, &order, end_of_stream),
            None => Flow::Continue,
        };
        // Events come when they come, so their headers cannot wait for the first. All
        // others wait: a first chunk that may not pass is then a 502 and not a broken
        // answer.
        let waits = self.mcp.is_active() && !self.mcp.is_stream();
        self.begun = flow == Flow::Continue && !waits;
        if self.begun { Flow::Continue } else { Flow::Hold }
    }

    /// Takes a chunk of the body, `size` bytes long.
    pub fn body(
        &mut self,
        host: &impl Host,
        caller: Caller,
        size: usize,
        end_of_stream: bool,
    ) -> Flow {
        match &self.stage {
            Stage::Withheld => {
                host.replace_body(Body::Response, &[]);
                return Flow::Hold;
            }
            Stage::Passing if !self.mcp.is_active() => {
                if self.digest.wants(size) {
                    self.digest.update(&host.body(Body::Response, size));
                }
                return Flow::Continue;
            }
            Stage::Passing | Stage::Masking(_) => {}
        }
        let chunk = if size == 0 { Vec::new() } else { host.body(Body::Response, size) };
        if chunk.len() != size {
            let reason = "the proxy did not give the body".to_owned();
            return self.cut(host, caller, reason);
        }
        match self.mcp.take(host, &chunk, end_of_stream) {
            Step::Untouched => self.pass_on(host, caller, &chunk, None, end_of_stream),
            Step::Pass(out, end) => self.pass_on(host, caller, &out, Some(&chunk), end),
            Step::Hold => {
                // It is kept here until it is let go.
                host.replace_body(Body::Response, &[]);
                Flow::Hold
            }
            Step::Refuse(reason) => {
                host.replace_body(Body::Response, &[]);
                self.refuse(host, caller, reason)
            }
        }
    }

    /// Takes the answer to the call `token`, which may let go what is held.
    pub fn called_back(
        &mut self,
        host: &impl Host,
        caller: Caller,
        token: u32,
        status: u32,
        size: usize,
    ) {
        let flow = match self.mcp.called_back(host, token, status, size) {
            Some(Step::Pass(out, end)) => self.pass_on(host, caller, &out, Some(&[]), end),
            Some(Step::Refuse(reason)) => self.refuse(host, caller, reason),
            Some(Step::Untouched | Step::Hold) | None => return,
        };
        if flow == Flow::Continue {
            host.resume();
        }
    }

    /// Masks what may pass, where that is ordered. `was` is what the proxy holds in its
    /// place, if that is something else.
    fn pass_on(
        &mut self,
        host: &impl Host,
        caller: Caller,
        chunk: &[u8],
        was: Option<&[u8]>,
        end_of_stream: bool,
    ) -> Flow {
        let was = was.unwrap_or(chunk);
        match &mut self.stage {
            Stage::Passing => {
                self.begun = true;
                if chunk != was {
                    host.replace_body(Body::Response, chunk);
                }
                if self.digest.wants(chunk.len()) {
                    self.digest.update(chunk);
                }
                Flow::Continue
            }
            Stage::Masking(masking) => {
                let whole = !masking.touched;
                match masking.step(chunk, end_of_stream) {
                    Ok(out) => self.release(host, was, &out),
                    Err(reason) => {
                        if chunk != was {
                            host.replace_body(Body::Response, chunk);
                        }
                        self.unmaskable(host, caller, reason, chunk, whole)
                    }
                }
            }
            Stage::Withheld => Flow::Hold,
        }
    }

    /// Takes the trailers, which end the body.
    pub fn trailers(&mut self, host: &impl Host, caller: Caller) -> Flow {
        remove_ours(host, Map::ResponseTrailers, &host.headers(Map::ResponseTrailers));
        if matches!(self.stage, Stage::Withheld) {
            return Flow::Hold;
        }
        let rest = match self.mcp.take(host, &[], true) {
            Step::Untouched => Vec::new(),
            Step::Pass(out, _) => out,
            Step::Hold => return Flow::Hold,
            Step::Refuse(reason) => return self.refuse(host, caller, reason),
        };
        let rest = match &mut self.stage {
            Stage::Masking(masking) => match masking.step(&rest, true) {
                Ok(out) => out,
                Err(reason) => return self.withhold(host, caller, reason),
            },
            Stage::Passing | Stage::Withheld => rest,
        };
        if rest.is_empty() {
            return Flow::Continue;
        }
        // Envoy takes no more of a body once it shows the trailers.
        self.withhold(host, caller, "trailers after an open value".to_owned())
    }

    /// An answer without a decision. Envoy's own answers pass: a caller must learn
    /// that its request was too large, or that there is no such host.
    fn undecided(&mut self, host: &impl Host, caller: Caller) -> Flow {
        if caller.answered {
            return Flow::Continue;
        }
        match code_details(host).as_str() {
            details::UPSTREAM | "" => {
                host.count(Counter::ResponsesWithheld, 1);
                self.replace(host, caller, &Reply::undecided())
            }
            // Envoy itself answers gRPC callers with status 14.
            details::CHECK_FAILED if !caller.grpc => {
                let detail = "No decision could be made; the request was not forwarded.";
                self.replace(host, caller, &Reply::unavailable(detail))
            }
            _ => Flow::Continue,
        }
    }

    fn mask(
        &mut self,
        host: &impl Host,
        filter: &Filter,
        caller: Caller,
        headers: &Headers,
        order: &MaskOrder,
        end_of_stream: bool,
    ) -> Flow {
        host.count(Counter::ResponsesMasked, 1);
        // A profile that does not compile says nothing about the answer: whatever the
        // order says of unmaskable ones, this one is withheld.
        let profile = match filter.profiles().borrow_mut().compiled(order) {
            Ok(profile) => profile,
            Err(error) => return self.withhold(host, caller, error.to_string()),
        };
        if end_of_stream {
            remove_stale(host);
            return Flow::Continue;
        }
        match masker(profile, headers) {
            Ok(masker) => {
                remove_stale(host);
                self.digest = BodyDigest::unbounded();
                let on_unmaskable = order.on_unmaskable;
                let masking = Masking { masker, on_unmaskable, touched: false };
                self.stage = Stage::Masking(Box::new(masking));
                if is_event_stream(headers) { Flow::Continue } else { Flow::Hold }
            }
            Err(reason) if order.on_unmaskable == OnUnmaskable::Pass => {
                self.pass(host, &reason);
                Flow::Continue
            }
            Err(reason) => self.withhold(host, caller, reason),
        }
    }

    fn release(&mut self, host: &impl Host, chunk: &[u8], out: &[u8]) -> Flow {
        self.begun = true;
        if out != chunk {
            host.replace_body(Body::Response, out);
        }
        self.digest.update(out);
        Flow::Continue
    }

    /// What cannot be masked passes only where the service says so, and only whole:
    /// once the masker has held something back, the rest alone would be another body.
    fn unmaskable(
        &mut self,
        host: &impl Host,
        caller: Caller,
        reason: String,
        chunk: &[u8],
        whole: bool,
    ) -> Flow {
        let may_pass = matches!(&self.stage,
            Stage::Masking(masking) if masking.on_unmaskable == OnUnmaskable::Pass);
        if whole && may_pass {
            self.pass(host, &reason);
            self.digest.update(chunk);
            return Flow::Continue;
        }
        self.cut(host, caller, reason)
    }

    fn pass(&mut self, host: &impl Host, reason: &str) {
        let decision = self.decision.as_deref().unwrap_or_default();
        host.log(Level::Warn, &format!("{decision}: not masked, as configured: {reason}"));
        self.stage = Stage::Passing;
    }

    /// Withholds a chunk of the body and all that follows.
    fn cut(&mut self, host: &impl Host, caller: Caller, reason: String) -> Flow {
        host.replace_body(Body::Response, &[]);
        self.withhold(host, caller, reason)
    }

    /// Withholds the answer: whole as long as the caller has nothing of it, else from
    /// here on, by a reset, so that the caller cannot take what it has for all.
    fn withhold(&mut self, host: &impl Host, caller: Caller, reason: String) -> Flow {
        host.count(Counter::ResponsesWithheld, 1);
        self.masked = self.masked().clone();
        let reply = Reply::withheld(self.decision.clone(), &reason);
        self.withheld = reason;
        self.stop(host, caller, &reply)
    }

    /// Withholds an answer of an MCP server, or the rest of it.
    fn refuse(&mut self, host: &impl Host, caller: Caller, reason: String) -> Flow {
        host.count(Counter::ResponsesWithheld, 1);
        self.masked = self.masked().clone();
        let reply = Reply::refused(self.decision.clone(), &reason);
        self.withheld = reason;
        self.stop(host, caller, &reply)
    }

    fn stop(&mut self, host: &impl Host, caller: Caller, reply: &Reply) -> Flow {
        if self.begun {
            host.reset();
            self.stage = Stage::Withheld;
            return Flow::Hold;
        }
        self.replace(host, caller, reply)
    }

    fn replace(&mut self, host: &impl Host, caller: Caller, reply: &Reply) -> Flow {
        self.replaced = code_details(host);
        host.reply(reply, caller.grpc);
        self.digest = BodyDigest::unknown();
        self.stage = Stage::Withheld;
        Flow::Hold
    }
}

impl Masking {
    /// What of the body may leave once `chunk` is in.
    fn step(&mut self, chunk: &[u8], end_of_stream: bool) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(chunk.len());
        self.touched = true;
        self.masker.push(chunk, &mut out).map_err(|error| error.to_string())?;
        if end_of_stream {
            self.masker.finish(&mut out).map_err(|error| error.to_string())?;
        }
        Ok(out)
    }
}

/// SHA-256 of a body as it leaves.
#[derive(Debug)]
struct BodyDigest {
    hasher: Option<Sha256>,
    budget: usize,
}

impl Default for BodyDigest {
    fn default() -> Self {
        Self { hasher: Some(Sha256::new()), budget: UNMASKED_HASH_BYTES }
    }
}

impl BodyDigest {
    fn unbounded() -> Self {
        Self { budget: usize::MAX, ..Self::default() }
    }

    const fn unknown() -> Self {
        Self { hasher: None, budget: 0 }
    }

    /// Whether `size` more bytes are to be hashed.
    fn wants(&mut self, size: usize) -> bool {
        match self.budget.checked_sub(size) {
            Some(rest) => self.budget = rest,
            None => self.hasher = None,
        }
        size > 0 && self.hasher.is_some()
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
    }

    fn value(&self) -> Option<[u8; 32]> {
        self.hasher.clone().map(|hasher| hasher.finalize().into())
    }
}

fn masker(profile: Arc<CompiledProfile>, headers: &Headers) -> Result<Masker, String> {
    match headers.value(":status").as_deref() {
        Some("101") => return Err("what goes through a tunnel is not read".to_owned()),
        Some("206") => return Err("it is a part of a document".to_owned()),
        _ if headers.value("content-range").is_some() => {
            return Err("it is a part of a document".to_owned());
        }
        _ => {}
    }
    let content_type = headers.value("content-type");
    let content_encoding = headers.value("content-encoding");
    Masker::new(profile, content_type.as_deref(), content_encoding.as_deref())
        .map_err(|error| error.to_string())
}

fn code_details(host: &impl Host) -> String {
    host.text(&["response", "code_details"])
}

fn is_event_stream(headers: &Headers) -> bool {
    headers
        .value("content-type")
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("text/event-stream"))
}

fn remove_stale(host: &impl Host) {
    for name in STALE_HEADERS {
        host.remove_header(Map::ResponseHeaders, name);
    }
}

/// What the server ordered; `None` when it ordered nothing or cannot be understood.
fn obligations(host: &impl Host) -> Option<Obligations> {
    let text = host.property(&["metadata", "filter_metadata", METADATA_NAMESPACE, METADATA_KEY])?;
    let ordered = serde_json::from_slice::<Obligations>(&text).ok();
    let ordered = ordered.filter(|ordered| ordered.decision.bytes().all(|b| b.is_ascii_graphic()));
    if ordered.is_none() {
        host.log(Level::Error, "a decision cannot be read: are filter and server of one version?");
    }
    ordered
}

#[cfg(test)]
mod tests {
    use chaperone_inspection::mask::profile::Profile;
    use serde_json::json;

    use super::*;
    use crate::host::fake::Fake;
    use crate::tests::filter;

    const JSON: (&str, &str) = ("content-type", "application/json");

    fn answer(status: &str, more: &[(&str, &str)]) -> Fake {
        let headers = [&[(":status", status)], more].concat();
        Fake::default()
            .with_headers(Map::ResponseHeaders, &headers)
            .with_property(&["response", "code_details"], details::UPSTREAM)
    }

    fn decided(host: Fake, mask: Option<OnUnmaskable>) -> Fake {
        let profile = Profile::built_in("pii").unwrap();
        let order = |on_unmaskable| {
            let digest = profile.digest();
            MaskOrder { digest, profile, on_unmaskable }
        };
        let ordered = Obligations { decision: "dec_1".into(), mask: mask.map(order), mcp: None };
        let path = ["metadata", "filter_metadata", METADATA_NAMESPACE, METADATA_KEY];
        host.with_property(&path, json!(ordered).to_string())
    }

    fn headers(side: &mut ResponseSide, host: &Fake, end_of_stream: bool) -> Flow {
        side.headers(host, &filter(), Caller::default(), end_of_stream)
    }

    fn chunk(side: &mut ResponseSide, host: &Fake, chunk: &[u8], end_of_stream: bool) -> Flow {
        *host.body.borrow_mut() = chunk.to_vec();
        side.body(host, Caller::default(), chunk.len(), end_of_stream)
    }

    fn sent(host: &Fake) -> String {
        String::from_utf8(host.body.borrow().clone()).unwrap()
    }

    #[test]
    fn an_answer_is_masked_as_it_streams() {
        let stale = [JSON, ("content-length", "9"), ("etag", "x"), ("x-other", "1")];
        let host = decided(answer("200", &stale), Some(OnUnmaskable::Block));
        let mut side = ResponseSide::default();
        assert_eq!(headers(&mut side, &host, false), Flow::Hold);
        assert_eq!(host.header(Map::ResponseHeaders, "content-length"), None);
        assert_eq!(host.header(Map::ResponseHeaders, "etag"), None);
        assert!(host.header(Map::ResponseHeaders, "x-other").is_some());
        assert_eq!(chunk(&mut side, &host, br#"{"a":"ada@exam"#, false), Flow::Continue);
        let first = sent(&host);
        assert!(!first.contains("ada"), "{first}");
        assert_eq!(chunk(&mut side, &host, br#"ple.com"}"#, true), Flow::Continue);
        let whole = first + &sent(&host);
        assert_eq!(whole, r#"{"a":"[masked:email]"}"#);
        assert_eq!(side.masked().get("email"), Some(&1));
        assert_eq!(side.body_sha256(), Some(Sha256::digest(&whole).into()));
    }

    #[test]
    fn an_answer_without_an_order_passes_as_it_is() {
        let forged = [JSON, ("content-length", "9"), ("x-chaperone-decision", "forged")];
        let host = decided(answer("200", &forged), None);
        let mut side = ResponseSide::default();
        assert_eq!(headers(&mut side, &host, false), Flow::Continue);
        assert!(host.header(Map::ResponseHeaders, "content-length").is_some());
        assert_eq!(host.header(Map::ResponseHeaders, DECISION_HEADER).unwrap(), "dec_1");
        assert_eq!(chunk(&mut side, &host, b"ada@example.com", true), Flow::Continue);
        assert_eq!(sent(&host), "ada@example.com");
        assert_eq!(side.body_sha256(), Some(Sha256::digest(b"ada@example.com").into()));
    }

    #[test]
    fn an_answer_of_the_upstream_without_a_decision_is_replaced() {
        let path = ["metadata", "filter_metadata", METADATA_NAMESPACE, METADATA_KEY];
        let unreadable = answer("200", &[JSON]).with_property(&path, "{}");
        let split = json!({"decision": "d\r\nx: y", "mask": null}).to_string();
        let split = answer("200", &[JSON]).with_property(&path, split);
        for host in [answer("200", &[JSON]), unreadable, split] {
            let mut side = ResponseSide::default();
            assert_eq!(headers(&mut side, &host, false), Flow::Hold);
            assert_eq!(host.replies.borrow()[0], Reply::undecided());
            assert_eq!(chunk(&mut side, &host, b"ada", true), Flow::Hold);
            assert_eq!(sent(&host), "");
        }
    }

    #[test]
    fn a_failed_check_is_told_as_a_problem() {
        let failed = ["response", "code_details"];
        let host = answer("503", &[]).with_property(&failed, details::CHECK_FAILED);
        assert_eq!(headers(&mut ResponseSide::default(), &host, true), Flow::Hold);
        assert_eq!(host.replies.borrow()[0].code, "decision_unavailable");
        assert_eq!(host.replies.borrow()[0].status, 503);
    }

    #[test]
    fn envoys_own_answers_pass_without_a_decision() {
        for own in ["request_payload_too_large", "route_not_found", "ext_authz_denied"] {
            let host = answer("413", &[]).with_property(&["response", "code_details"], own);
            assert_eq!(headers(&mut ResponseSide::default(), &host, true), Flow::Continue);
        }
    }

    #[test]
    fn what_cannot_be_masked_is_withheld_at_its_headers() {
        let unmaskable = [
            answer("200", &[("content-type", "image/png")]),
            answer("200", &[JSON, ("content-type", "image/png")]),
            answer("200", &[JSON, ("content-encoding", "gzip")]),
            answer("206", &[JSON]),
            answer("200", &[JSON, ("content-range", "bytes 0-1/2")]),
            answer("101", &[("upgrade", "websocket")]),
        ];
        for host in unmaskable.map(|host| decided(host, Some(OnUnmaskable::Block))) {
            let mut side = ResponseSide::default();
            assert_eq!(headers(&mut side, &host, false), Flow::Hold);
            assert_eq!(host.replies.borrow()[0].status, 502);
            assert_eq!(host.replies.borrow()[0].decision.as_deref(), Some("dec_1"));
            assert_ne!(side.withheld(), "");
            assert_eq!(side.body_sha256(), None);
        }
    }

    #[test]
    fn what_cannot_be_masked_passes_whole_where_the_service_says_so() {
        let image = [("content-type", "image/png"), ("content-length", "3")];
        let host = decided(answer("200", &image), Some(OnUnmaskable::Pass));
        let mut side = ResponseSide::default();
        assert_eq!(headers(&mut side, &host, false), Flow::Continue);
        assert!(host.header(Map::ResponseHeaders, "content-length").is_some());
        assert_eq!(chunk(&mut side, &host, b"PNG", true), Flow::Continue);
        assert_eq!(sent(&host), "PNG");

        let host = decided(answer("200", &[JSON]), Some(OnUnmaskable::Pass));
        let mut side = ResponseSide::default();
        headers(&mut side, &host, false);
        assert_eq!(chunk(&mut side, &host, b"{,", false), Flow::Continue);
        assert_eq!(sent(&host), "{,");
        assert_eq!(chunk(&mut side, &host, b"}", true), Flow::Continue);
        assert_eq!(sent(&host), "}");
    }

    #[test]
    fn a_first_chunk_that_cannot_be_masked_is_a_502() {
        let host = decided(answer("200", &[JSON]), Some(OnUnmaskable::Block));
        let mut side = ResponseSide::default();
        headers(&mut side, &host, false);
        assert_eq!(chunk(&mut side, &host, b"{,", false), Flow::Hold);
        assert_eq!(sent(&host), "");
        assert_eq!(host.replies.borrow()[0].code, "response_unmaskable");
        assert_eq!(host.resets.get(), 0);
    }

    #[test]
    fn a_later_chunk_that_cannot_be_masked_resets_the_stream() {
        for order in [OnUnmaskable::Block, OnUnmaskable::Pass] {
            let host = decided(answer("200", &[JSON]), Some(order));
            let mut side = ResponseSide::default();
            headers(&mut side, &host, false);
            chunk(&mut side, &host, br#"{"a":"ada@example.com","#, false);
            assert_eq!(chunk(&mut side, &host, b",", false), Flow::Hold);
            assert_eq!(sent(&host), "");
            assert_eq!(host.resets.get(), 1);
            assert!(host.replies.borrow().is_empty());
            assert_eq!(side.masked().get("email"), Some(&1));
            assert_eq!(chunk(&mut side, &host, b"rest", true), Flow::Hold);
            assert_eq!(sent(&host), "");
        }
    }

    #[test]
    fn a_document_cut_short_does_not_end_well() {
        let host = decided(answer("200", &[JSON]), Some(OnUnmaskable::Block));
        let mut side = ResponseSide::default();
        headers(&mut side, &host, false);
        chunk(&mut side, &host, br#"{"a":1,"#, false);
        assert_eq!(chunk(&mut side, &host, b"", true), Flow::Hold);
        assert_eq!(host.resets.get(), 1);
    }

    #[test]
    fn trailers_end_a_body_that_is_complete_and_no_other() {
        for (body, flow) in [(r#"{"a":1}"#, Flow::Continue), (r#"{"a":1"#, Flow::Hold)] {
            let host = decided(answer("200", &[JSON]), Some(OnUnmaskable::Block));
            let host = host.with_headers(Map::ResponseTrailers, &[("x-chaperone-decision", "f")]);
            let mut side = ResponseSide::default();
            headers(&mut side, &host, false);
            chunk(&mut side, &host, body.as_bytes(), false);
            assert_eq!(side.trailers(&host, Caller::default()), flow, "{body}");
            assert_eq!(host.header(Map::ResponseTrailers, DECISION_HEADER), None);
        }
    }

    #[test]
    fn the_headers_of_an_event_stream_do_not_wait_for_the_first_event() {
        let events = [("content-type", "Text/Event-Stream; charset=utf-8")];
        let host = decided(answer("200", &events), Some(OnUnmaskable::Block));
        let mut side = ResponseSide::default();
        assert_eq!(headers(&mut side, &host, false), Flow::Continue);
        assert_eq!(chunk(&mut side, &host, b"data: ada@example.com\n\n", false), Flow::Continue);
        assert_eq!(sent(&host), "data: [masked:email]\n\n");
    }

    #[test]
    fn an_answer_without_a_body_needs_no_masking() {
        let image = [("content-type", "image/png"), ("content-length", "9")];
        let host = decided(answer("200", &image), Some(OnUnmaskable::Block));
        assert_eq!(headers(&mut ResponseSide::default(), &host, true), Flow::Continue);
        assert_eq!(host.header(Map::ResponseHeaders, "content-length"), None);
    }

    #[test]
    fn a_long_body_that_is_not_masked_is_not_hashed() {
        let host = decided(answer("200", &[JSON]), None);
        let mut side = ResponseSide::default();
        headers(&mut side, &host, false);
        chunk(&mut side, &host, &vec![b'x'; UNMASKED_HASH_BYTES], false);
        assert!(side.body_sha256().is_some());
        chunk(&mut side, &host, b"x", true);
        assert_eq!(side.body_sha256(), None);
    }
}
