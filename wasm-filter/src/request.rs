//! The request side: hold what is inspected, read it, and state its facts under a
//! seal in a header that only the server will open.

use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::{Facts, Protocol, Unparsed, UnparsedCode};
use chaperone_inspection::protocol::{self, RequestHead, Route, RoutePlace};
use chaperone_inspection::seal::{self, Binding, FACTS_HEADER, SealedFacts};

use crate::Filter;
use crate::host::{Body, Counter, Flow, Headers, Host, Map};
use crate::reply::Reply;

/// The headers that are ours: a client or an upstream has no say in them.
const OUR_HEADERS: &str = "x-chaperone-";

/// The request side of one exchange.
#[derive(Debug, Default)]
pub struct RequestSide {
    caller: Caller,
    stage: Stage,
}

/// What of the request matters to the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// It speaks gRPC.
    pub grpc: bool,
    /// The filter itself answered it.
    pub answered: bool,
}

#[derive(Debug, Default)]
enum Stage {
    /// No headers yet: Envoy refused the request before it came here.
    #[default]
    Before,
    /// Held until its body is complete. `body` once a part of it has come.
    Held { head: Head, place: RoutePlace, limit: usize, body: usize },
    /// On its way, with or without facts.
    Passed,
}

impl RequestSide {
    /// What of the request matters to the answer.
    pub const fn caller(&self) -> Caller {
        self.caller
    }

    /// Whether the request went on to be decided upon.
    pub const fn awaits_decision(&self) -> bool {
        matches!(self.stage, Stage::Passed) && !self.caller.answered
    }

    /// Takes the headers: removes what is ours, and holds them on an inspected route.
    pub fn headers(&mut self, host: &impl Host, filter: &Filter, end_of_stream: bool) -> Flow {
        let headers = host.headers(Map::RequestHeaders);
        remove_ours(host, Map::RequestHeaders, &headers);
        let head = match Head::read(&headers) {
            Ok(head) => head,
            Err(detail) => return self.answer(host, &Reply::malformed(detail)),
        };
        self.caller.grpc = head.grpc;
        self.stage = Stage::Passed;
        let Some(found) = head.with(|head| found(filter, head)) else { return Flow::Continue };
        let Found { place, limit, tunnel } = match found {
            Ok(found) => found,
            Err(unparsed) => {
                return self.unparsed(host, filter, &head, Protocol::Http, unparsed);
            }
        };
        // What goes through a tunnel has no end to wait for.
        if end_of_stream || tunnel {
            return self.inspect(host, filter, &head, place, &[]);
        }
        let declared = headers.value("content-length").and_then(|value| value.parse().ok());
        if declared.is_some_and(|declared: usize| declared > limit) {
            return self.too_large(host, filter, &head, place);
        }
        self.stage = Stage::Held { head, place, limit, body: 0 };
        Flow::Hold
    }

    /// Takes note that `size` bytes of the body are there, and reads them when they
    /// are all.
    pub fn body(
        &mut self,
        host: &impl Host,
        filter: &Filter,
        size: usize,
        end_of_stream: bool,
    ) -> Flow {
        let Stage::Held { body, limit, .. } = &mut self.stage else {
            return self.passing();
        };
        *body = size;
        if end_of_stream || size > *limit { self.complete(host, filter) } else { Flow::Hold }
    }

    /// Takes the trailers, which end the body.
    pub fn trailers(&mut self, host: &impl Host, filter: &Filter) -> Flow {
        remove_ours(host, Map::RequestTrailers, &host.headers(Map::RequestTrailers));
        if matches!(self.stage, Stage::Held { .. }) {
            self.complete(host, filter)
        } else {
            self.passing()
        }
    }

    /// What was answered here must not go on.
    const fn passing(&self) -> Flow {
        if self.caller.answered { Flow::Hold } else { Flow::Continue }
    }

    fn complete(&mut self, host: &impl Host, filter: &Filter) -> Flow {
        let stage = std::mem::replace(&mut self.stage, Stage::Passed);
        let Stage::Held { head, place, limit, body: size } = stage else {
            return self.passing();
        };
        if size > limit {
            return self.too_large(host, filter, &head, place);
        }
        // A buffer exists only once a part of the body has come.
        let body = if size == 0 { Vec::new() } else { host.body(Body::Request, size) };
        if body.len() != size {
            return self.answer(host, &Reply::unavailable("The request's body could not be read."));
        }
        self.inspect(host, filter, &head, place, &body)
    }

    fn inspect(
        &mut self,
        host: &impl Host,
        filter: &Filter,
        head: &Head,
        place: RoutePlace,
        body: &[u8],
    ) -> Flow {
        let Some(route) = filter.inspector().at(place) else { return self.no_route(host) };
        let facts = head.with(|head| filter.inspector().inspect(route, head, body));
        self.state(host, filter, head, facts, Digest::of(body))
    }

    fn too_large(
        &mut self,
        host: &impl Host,
        filter: &Filter,
        head: &Head,
        place: RoutePlace,
    ) -> Flow {
        let Some(route) = filter.inspector().at(place) else { return self.no_route(host) };
        let protocol = route.plan.inspect.protocol();
        self.unparsed(host, filter, head, protocol, protocol::too_large(route.limits))
    }

    /// A place is of the plan that it was found in, and a filter has one plan.
    fn no_route(&mut self, host: &impl Host) -> Flow {
        self.answer(host, &Reply::unavailable("The plan has no such route."))
    }

    /// Facts about a body that was not read: its digest is that of nothing, because
    /// nothing of it may go upstream.
    fn unparsed(
        &mut self,
        host: &impl Host,
        filter: &Filter,
        head: &Head,
        protocol: Protocol,
        unparsed: Unparsed,
    ) -> Flow {
        self.state(host, filter, head, Facts::unparsed(protocol, unparsed), Digest::of(&[]))
    }

    fn state(
        &mut self,
        host: &impl Host,
        filter: &Filter,
        head: &Head,
        facts: Facts,
        body_sha256: Digest,
    ) -> Flow {
        host.count(Counter::RequestsInspected, 1);
        let protocol = facts.protocol;
        let seal = |facts: Facts| {
            if facts.unparsed.is_some() {
                host.count(Counter::RequestsUnparsed, 1);
            }
            let sealed = SealedFacts {
                facts,
                body_sha256,
                plan: filter.plan(),
                sealed_at_ms: host.now_ms(),
            };
            seal::seal(filter.key(), &head.binding(), &sealed)
        };
        let too_large = || {
            let detail = "the commands do not fit the facts header";
            Facts::unparsed(protocol, Unparsed::new(UnparsedCode::FactsTooLarge, detail))
        };
        match seal(facts).or_else(|_| seal(too_large())) {
            Ok(header) => {
                host.set_header(Map::RequestHeaders, FACTS_HEADER, &header);
                Flow::Continue
            }
            Err(_) => self.answer(host, &Reply::unavailable("The facts could not be sealed.")),
        }
    }

    fn answer(&mut self, host: &impl Host, reply: &Reply) -> Flow {
        self.caller.answered = true;
        host.reply(reply, self.caller.grpc);
        Flow::Hold
    }
}

/// Removes every header or trailer that is ours and that somebody else set.
pub(crate) fn remove_ours(host: &impl Host, map: Map, headers: &Headers) {
    for name in headers.names_starting(OUR_HEADERS) {
        host.remove_header(map, name);
    }
}

/// What of an inspected route matters before the body is there.
struct Found {
    place: RoutePlace,
    /// The largest body, in bytes.
    limit: usize,
    /// The request asks for a tunnel.
    tunnel: bool,
}

/// The inspected route of a request; `None` where it has none.
fn found(filter: &Filter, head: &RequestHead<'_>) -> Option<Result<Found, Unparsed>> {
    let place = match filter.inspector().find(head)? {
        Ok(place) => place,
        Err(unparsed) => return Some(Err(unparsed)),
    };
    let route = filter.inspector().at(place).filter(Route::is_inspected)?;
    let limit = route.limits.body_bytes;
    Some(Ok(Found { place, limit, tunnel: head.asks_for_tunnel() }))
}

/// What is kept of the headers while the body comes.
#[derive(Debug)]
struct Head {
    method: String,
    authority: String,
    path: String,
    request_id: String,
    grpc: bool,
    /// Those that inspection reads.
    read: Vec<(String, String)>,
}

impl Head {
    /// Envoy hands what is not UTF-8 to the server and to the upstream in different
    /// forms, so the request is refused where they would differ.
    fn read(headers: &Headers) -> Result<Self, &'static str> {
        let exact = |name| headers.exact(name);
        Ok(Self {
            method: exact(":method").ok_or("The method is missing or is not text.")?,
            authority: exact(":authority").ok_or("The host is missing or is not text.")?,
            path: exact(":path").ok_or("The path is missing or is not text.")?,
            request_id: headers.value("x-request-id").unwrap_or_default(),
            grpc: headers
                .value("content-type")
                .is_some_and(|value| value.starts_with("application/grpc")),
            read: headers.all_texts(protocol::is_read),
        })
    }

    /// Hands the head to `read` as inspection takes it.
    fn with<T>(&self, read: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let headers: Vec<_> =
            self.read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        read(&RequestHead {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            headers: &headers,
        })
    }

    fn binding(&self) -> Binding<'_> {
        Binding {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            request_id: &self.request_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use chaperone_inspection::seal::open;

    use super::*;
    use crate::host::fake::Fake;
    use crate::tests::{BODY_LIMIT, filter, key};

    const LINE: [(&str, &str); 4] = [
        (":method", "POST"),
        (":authority", "customers.example"),
        (":path", "/api/customers?x"),
        ("x-request-id", "r1"),
    ];

    fn request(more: &[(&str, &str)]) -> Fake {
        Fake::default().with_headers(Map::RequestHeaders, &[&LINE, more].concat())
    }

    /// The facts that the server would believe.
    fn stated(host: &Fake) -> SealedFacts {
        let header = host.header(Map::RequestHeaders, FACTS_HEADER).expect("facts");
        let [method, authority, path, request_id] = LINE.map(|(_, value)| value);
        let binding = Binding { method, authority, path, request_id };
        open(&[key()], &binding, &header, host.now_ms(), 0).unwrap()
    }

    fn code(host: &Fake) -> UnparsedCode {
        stated(host).facts.unparsed.expect("unparsed").code
    }

    #[test]
    fn an_inspected_request_is_held_until_its_facts_are_stated() {
        let (host, filter) = (request(&[("content-type", "application/json")]), filter());
        let mut side = RequestSide::default();
        assert_eq!(side.headers(&host, &filter, false), Flow::Hold);
        *host.body.borrow_mut() = br#"{"a""#.to_vec();
        assert_eq!(side.body(&host, &filter, 4, false), Flow::Hold);
        assert_eq!(host.header(Map::RequestHeaders, FACTS_HEADER), None);
        *host.body.borrow_mut() = br#"{"a":1}"#.to_vec();
        assert_eq!(side.body(&host, &filter, 7, true), Flow::Continue);
        let sealed = stated(&host);
        assert_eq!(sealed.facts.unparsed, None);
        assert_eq!(sealed.body_sha256, Digest::of(br#"{"a":1}"#));
        assert_eq!(sealed.plan, filter.plan());
        assert!(side.awaits_decision());
    }

    #[test]
    fn a_body_that_ends_in_trailers_is_read_all_the_same() {
        let (host, filter) = (request(&[("content-type", "application/json")]), filter());
        let trailers = [("x-chaperone-x", "1"), ("x-t", "1")];
        let host = host.with_headers(Map::RequestTrailers, &trailers);
        *host.body.borrow_mut() = b"{}".to_vec();
        let mut side = RequestSide::default();
        side.headers(&host, &filter, false);
        side.body(&host, &filter, 2, false);
        assert_eq!(side.trailers(&host, &filter), Flow::Continue);
        assert_eq!(stated(&host).body_sha256, Digest::of(b"{}"));
        assert_eq!(host.header(Map::RequestTrailers, "x-chaperone-x"), None);
        assert!(host.header(Map::RequestTrailers, "x-t").is_some());
    }

    #[test]
    fn a_clients_own_chaperone_headers_are_removed_everywhere() {
        for path in ["/api", "/plain", "/elsewhere"] {
            let ours = [("x-chaperone-facts", "v1.forged"), ("x-chaperone-decision", "dec_1")];
            let host = request(&ours);
            host.set_header(Map::RequestHeaders, ":path", path);
            RequestSide::default().headers(&host, &filter(), false);
            assert_eq!(host.headers(Map::RequestHeaders).names_starting(OUR_HEADERS).count(), 0);
        }
    }

    #[test]
    fn what_is_not_inspected_passes_without_facts() {
        for (host_name, path) in [("customers.example", "/plain"), ("other.example", "/api")] {
            let host = request(&[]);
            host.set_header(Map::RequestHeaders, ":path", path);
            host.set_header(Map::RequestHeaders, ":authority", host_name);
            let mut side = RequestSide::default();
            assert_eq!(side.headers(&host, &filter(), false), Flow::Continue);
            assert_eq!(side.body(&host, &filter(), 1_000, true), Flow::Continue);
            assert_eq!(host.header(Map::RequestHeaders, FACTS_HEADER), None);
        }
    }

    #[test]
    fn a_body_over_the_limit_is_not_read_further() {
        let (host, filter) = (request(&[]), filter());
        let mut side = RequestSide::default();
        assert_eq!(side.headers(&host, &filter, false), Flow::Hold);
        assert_eq!(side.body(&host, &filter, BODY_LIMIT, false), Flow::Hold);
        assert_eq!(side.body(&host, &filter, BODY_LIMIT + 1, false), Flow::Continue);
        assert_eq!(code(&host), UnparsedCode::BodyTooLarge);
        assert_eq!(side.body(&host, &filter, 9, true), Flow::Continue);
    }

    #[test]
    fn a_body_that_is_announced_over_the_limit_is_not_waited_for() {
        let host = request(&[("content-length", "65")]);
        assert_eq!(RequestSide::default().headers(&host, &filter(), false), Flow::Continue);
        assert_eq!(code(&host), UnparsedCode::BodyTooLarge);
    }

    #[test]
    fn a_tunnel_is_stated_as_unread() {
        let host = request(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        assert_eq!(RequestSide::default().headers(&host, &filter(), false), Flow::Continue);
        assert_eq!(code(&host), UnparsedCode::MethodUnexpected);
    }

    #[test]
    fn a_body_that_the_proxy_does_not_give_lets_nothing_pass() {
        let (host, filter) = (request(&[]), filter());
        let mut side = RequestSide::default();
        side.headers(&host, &filter, false);
        assert_eq!(side.body(&host, &filter, 5, true), Flow::Hold);
        assert_eq!(host.replies.borrow()[0].status, 503);
        assert_eq!(side.body(&host, &filter, 5, true), Flow::Hold);
        assert!(!side.awaits_decision());
    }

    #[test]
    fn a_request_line_that_is_not_text_is_refused() {
        let host = request(&[]);
        let path = (":path".to_owned(), b"/api/\xff".to_vec());
        let mut maps = host.maps.borrow_mut();
        maps.get_mut(&Map::RequestHeaders).unwrap()[2] = path;
        drop(maps);
        assert_eq!(RequestSide::default().headers(&host, &filter(), true), Flow::Hold);
        assert_eq!(host.replies.borrow()[0].status, 400);
        let empty = Fake::default();
        assert_eq!(RequestSide::default().headers(&empty, &filter(), true), Flow::Hold);
        assert_eq!(empty.replies.borrow()[0].status, 400);
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod cut {
        use proptest::prelude::*;

        use super::*;

        /// How the last bytes come.
        #[derive(Clone, Copy, Debug)]
        enum End {
            /// With the end of the stream.
            WithBody,
            /// Before an empty last part.
            EmptyBody,
            /// Before trailers.
            Trailers,
        }

        /// What is stated of a body that comes in parts which end where `ends` says, and
        /// how the last callback ended.
        fn stated_in_parts(body: &[u8], ends: &[usize], end: End) -> (Flow, SealedFacts) {
            let host = request(&[("content-type", "application/json")]);
            let host = host.with_headers(Map::RequestTrailers, &[("x-t", "1")]);
            let (filter, mut side) = (filter(), RequestSide::default());
            assert_eq!(side.headers(&host, &filter, false), Flow::Hold);
            // Envoy holds the parts back and hands over the whole of what it has.
            let mut arrive = |size: usize, last: bool| {
                *host.body.borrow_mut() = body[..size].to_vec();
                side.body(&host, &filter, size, last)
            };
            for size in ends {
                let flow = arrive(*size, false);
                if flow != Flow::Hold {
                    return (flow, stated(&host));
                }
            }
            let flow = match end {
                End::WithBody => arrive(body.len(), true),
                End::EmptyBody => match arrive(body.len(), false) {
                    Flow::Hold => arrive(body.len(), true),
                    flow @ Flow::Continue => flow,
                },
                End::Trailers => match arrive(body.len(), false) {
                    Flow::Hold => side.trailers(&host, &filter),
                    flow @ Flow::Continue => flow,
                },
            };
            (flow, stated(&host))
        }

        fn bodies() -> impl Strategy<Value = Vec<u8>> {
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..BODY_LIMIT + 20),
                "[a-z]{0,70}".prop_map(|text| format!("{{\"email\":\"{text}\"}}").into_bytes()),
            ]
        }

        proptest! {
            #[test]
            fn a_body_states_the_same_facts_however_it_is_cut(
                body in bodies(),
                mut ends in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)
                    .prop_map(|ends| ends.into_iter().map(|end| end.index(4096)).collect::<Vec<_>>()),
                end in prop::sample::select(vec![End::WithBody, End::EmptyBody, End::Trailers]),
            ) {
                for end in &mut ends {
                    *end %= body.len() + 1;
                }
                ends.sort_unstable();
                let whole = stated_in_parts(&body, &[], End::WithBody);
                prop_assert_eq!(stated_in_parts(&body, &ends, end), whole);
            }
        }
    }
}
