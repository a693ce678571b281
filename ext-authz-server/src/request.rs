//! A request as it is judged: what Envoy, or the token endpoint, tells of it.

use std::collections::HashMap;

use chaperone_inspection::protocol::{self, RequestHead};

/// A request as Envoy asks about it.
#[derive(Debug)]
pub struct GuardedRequest {
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`, query included.
    pub path: String,
    /// `x-request-id`, empty when there is none.
    pub request_id: String,
    /// `:scheme`, as far as Envoy knows it.
    pub scheme: String,
    /// The headers, credentials among them.
    pub headers: RequestHeaders,
    /// Whether the caller speaks gRPC.
    pub grpc: bool,
    /// Where the request came from.
    pub source_address: Option<String>,
    /// The client certificate of the connection, as far as Envoy tells it.
    pub peer: TlsPeer,
}

impl GuardedRequest {
    /// The path without its query.
    pub fn path_only(&self) -> &str {
        self.path.split('?').next().unwrap_or(&self.path)
    }

    /// Hands the head to `read` as inspection takes it.
    pub fn with_head<T>(&self, read: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let headers: Vec<_> =
            self.headers.iter().filter(|(name, _)| protocol::is_read(name)).collect();
        read(&RequestHead {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            headers: &headers,
        })
    }
}

/// What Envoy tells of a client certificate; empty where it tells nothing.
#[derive(Clone, Debug, Default)]
pub struct TlsPeer {
    /// The name in it, `source.principal`.
    pub principal: String,
    /// The certificate in URL-encoded PEM, `source.certificate`.
    pub certificate: String,
}

/// The headers of a request, by their names in lower case. Values do not print: some
/// of them are secrets.
#[derive(Clone, Default)]
pub struct RequestHeaders(HashMap<String, String>);

impl RequestHeaders {
    /// Headers as Envoy tells them: names in lower case, repeated ones joined by a
    /// comma.
    pub const fn new(headers: HashMap<String, String>) -> Self {
        Self(headers)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of the header `name`, which is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl std::fmt::Debug for RequestHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
