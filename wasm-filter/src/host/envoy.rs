//! Envoy itself, by proxy-wasm. The SDK's convenience calls unwrap
//! (proxy-wasm-rust-sdk#310), and a panic costs every request of the worker: here
//! only the calls below them are used, whose errors read as nothing. They still
//! panic when a header map does not exist in the phase of the call, so each one is
//! made in its own phase only.

use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType};

use super::{Body, Counter, Flow, Headers, Host, Level, Map};
use crate::exchange::Exchange;
use crate::reply::Reply;
use crate::{Filter, KEYS_VARIABLE};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// How long the server may take to answer a report.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The plugin in one VM.
#[derive(Default)]
struct Root {
    envoy: Envoy,
    filter: Option<Rc<Filter>>,
    ending: bool,
}

impl Context for Root {
    fn on_grpc_call_response(&mut self, token: u32, status: u32, _: usize) {
        if let Some(filter) = &self.filter {
            let mut outcomes = filter.outcomes().borrow_mut();
            outcomes.answered(&self.envoy, token, status);
            if self.ending && outcomes.is_settled() {
                let _unknown_context = hostcalls::done();
            }
        }
    }

    /// The plugin's end waits for what is still to be reported.
    fn on_done(&mut self) -> bool {
        let Some(filter) = &self.filter else { return true };
        let mut outcomes = filter.outcomes().borrow_mut();
        outcomes.send_all(&self.envoy);
        self.ending = true;
        outcomes.is_settled()
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        self.envoy = Envoy::with_counters();
        let configuration = buffer(BufferType::PluginConfiguration, size);
        let keys = std::env::var(KEYS_VARIABLE).ok();
        match Filter::new(&configuration, keys.as_deref()) {
            Ok(filter) => {
                let period = filter.outcomes().borrow().tick();
                let _always_ok = hostcalls::set_tick_period(period);
                self.filter = Some(Rc::new(filter));
                true
            }
            Err(error) => {
                self.envoy.log(Level::Error, &error.to_string());
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(filter) = &self.filter {
            filter.outcomes().borrow_mut().ticked(&self.envoy);
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let exchange = self.filter.as_ref().map(|filter| Exchange::new(Rc::clone(filter)));
        Some(Box::new(Stream { envoy: self.envoy, exchange }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One HTTP stream.
struct Stream {
    envoy: Envoy,
    /// Nothing when the plugin was not configured: then nothing passes.
    exchange: Option<Exchange>,
}

impl Context for Stream {
    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.called_back(&self.envoy, token, status, size);
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Some(exchange) = &mut self.exchange else {
            self.envoy.reply(&Reply::unavailable("The filter is not configured."), false);
            return Action::Pause;
        };
        action(exchange.request_headers(&self.envoy, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.flow(|exchange, envoy| exchange.request_body(envoy, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.flow(Exchange::request_trailers)
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.flow(|exchange, envoy| exchange.response_headers(envoy, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.flow(|exchange, envoy| exchange.response_body(envoy, size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.flow(Exchange::response_trailers)
    }

    fn on_log(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.ended(&self.envoy);
        }
    }
}

impl Stream {
    /// A stream without an exchange was answered at its headers; its answer passes.
    fn flow(&mut self, step: impl FnOnce(&mut Exchange, &Envoy) -> Flow) -> Action {
        let Self { envoy, exchange } = self;
        action(exchange.as_mut().map_or(Flow::Continue, |exchange| step(exchange, envoy)))
    }
}

const fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Hold => Action::Pause,
    }
}

/// Envoy, with the ids of the counters in the order of [`Counter::ALL`].
#[derive(Clone, Copy, Default)]
struct Envoy {
    counters: [Option<u32>; Counter::ALL.len()],
}

impl Envoy {
    fn with_counters() -> Self {
        let define =
            |counter: Counter| hostcalls::define_metric(MetricType::Counter, counter.name()).ok();
        Self { counters: Counter::ALL.map(define) }
    }
}

impl Host for Envoy {
    fn now_ms(&self) -> u64 {
        let since = hostcalls::get_current_time()
            .ok()
            .and_then(|now| now.duration_since(UNIX_EPOCH).ok().map(|since| since.as_millis()));
        since.and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0)
    }

    fn headers(&self, map: Map) -> Headers {
        Headers::new(hostcalls::get_map_bytes(map_type(map)).unwrap_or_default())
    }

    fn set_header(&self, map: Map, name: &str, value: &str) {
        let _always_ok = hostcalls::set_map_value(map_type(map), name, Some(value));
    }

    fn remove_header(&self, map: Map, name: &str) {
        let _always_ok = hostcalls::remove_map_value(map_type(map), name);
    }

    fn body(&self, body: Body, size: usize) -> Vec<u8> {
        buffer(buffer_type(body), size)
    }

    fn replace_body(&self, body: Body, bytes: &[u8]) {
        // A size beyond the end means all of it: with 0 Envoy would prepend.
        let _always_ok = hostcalls::set_buffer(buffer_type(body), 0, usize::MAX, bytes);
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok().flatten()
    }

    fn reply(&self, reply: &Reply, grpc: bool) {
        let (headers, body) = reply.parts(grpc);
        let _always_ok =
            hostcalls::send_http_response(reply.status, headers, Some(body.as_bytes()));
    }

    fn reset(&self) {
        let _always_ok = hostcalls::reset_http_response();
    }

    fn call(&self, cluster: &str, service: &str, method: &str, message: &[u8]) -> Option<u32> {
        hostcalls::dispatch_grpc_call(
            cluster,
            service,
            method,
            Vec::new(),
            Some(message),
            CALL_TIMEOUT,
        )
        .ok()
    }

    fn message(&self, size: usize) -> Vec<u8> {
        buffer(BufferType::GrpcReceiveBuffer, size)
    }

    fn resume(&self) {
        let _always_ok = hostcalls::resume_http_response();
    }

    fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        let _always_ok = hostcalls::log(level, text);
    }

    fn count(&self, counter: Counter, by: u64) {
        let places = Counter::ALL.iter().zip(self.counters);
        let id = places.filter(|(known, _)| **known == counter).find_map(|(_, id)| id);
        if let (Some(id), Ok(by)) = (id, i64::try_from(by)) {
            let _unknown_metric = hostcalls::increment_metric(id, by);
        }
    }
}

fn buffer(of: BufferType, size: usize) -> Vec<u8> {
    hostcalls::get_buffer(of, 0, size).ok().flatten().unwrap_or_default()
}

const fn map_type(map: Map) -> MapType {
    match map {
        Map::RequestHeaders => MapType::HttpRequestHeaders,
        Map::RequestTrailers => MapType::HttpRequestTrailers,
        Map::ResponseHeaders => MapType::HttpResponseHeaders,
        Map::ResponseTrailers => MapType::HttpResponseTrailers,
    }
}

const fn buffer_type(body: Body) -> BufferType {
    match body {
        Body::Request => BufferType::HttpRequestBody,
        Body::Response => BufferType::HttpResponseBody,
    }
}
