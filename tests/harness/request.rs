//! A request through Envoy, built up and sent.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HOST};
use reqwest::{Client, ClientBuilder, Method, Response};
use serde_json::Value;

use crate::answer::Answer;
use crate::certificates::ClientCertificate;
use crate::failure::{Failure, Result};

/// The host that the example configuration guards.
pub const HOST_NAME: &str = "customers.example";

/// Longer than anything that a story waits for.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A request that was not sent yet.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    target: SocketAddr,
    method: Method,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    certificate: Option<ClientCertificate>,
}

impl Request {
    /// A request for `path` to whoever listens on `target`.
    pub fn new(target: SocketAddr, method: Method, path: impl Into<String>) -> Self {
        let (path, host) = (path.into(), HOST_NAME.to_owned());
        Self { target, method, path, host, headers: Vec::new(), body: None, certificate: None }
    }

    /// With a bearer token. A second one is a second header.
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a token that is bound to a key, and the proof of it (RFC 9449).
    pub fn bound_token(self, token: &str, proof: &str) -> Self {
        self.header("authorization", &format!("DPoP {token}")).header("dpop", proof)
    }

    /// Over TLS, with that certificate.
    pub fn certificate(mut self, certificate: &ClientCertificate) -> Self {
        self.certificate = Some(certificate.clone());
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For another host.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string()).header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// With these bytes as the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Result<Answer> {
        let what = format!("{} {}", self.method, self.path);
        let failed = |error: reqwest::Error| Failure::unexpected(&what, with_causes(&error));
        let response = self.open().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?.to_vec();
        Ok(Answer { status, headers, body })
    }

    /// Sends it and gives the answer as soon as its headers are there, to read the
    /// body as it comes with [`Response::chunk`].
    pub async fn open(self) -> Result<Response> {
        let what = format!("{} {}", self.method, self.path);
        let failed = |error: reqwest::Error| Failure::unexpected(&what, with_causes(&error));
        // A client of its own, without kept connections: tests have a runtime each,
        // and a connection dies with the runtime that it was made on.
        // It speaks plain http: to read the system's certificates would take it longer
        // than the request does.
        let client = Client::builder().timeout(TIMEOUT).pool_max_idle_per_host(0).no_proxy();
        let (client, url) = match &self.certificate {
            None => (client.tls_certs_only([]), format!("http://{}{}", self.target, self.path)),
            Some(certificate) => {
                let client = client
                    .resolve(HOST_NAME, self.target)
                    .tls_certs_only([certificate.authority()?]);
                let identity = certificate.identity()?;
                let url = format!("https://{HOST_NAME}:{}{}", self.target.port(), self.path);
                (identity.into_iter().fold(client, ClientBuilder::identity), url)
            }
        };
        let client = client.build().map_err(failed)?;
        let mut request = client.request(self.method, url).header(HOST, self.host);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        request.send().await.map_err(failed)
    }

    /// How a person would send it: a curl command, to paste. Header values that hold
    /// a `$` are quoted so that the shell puts the variable in.
    pub fn curl(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let url = format!("http://{}{}", self.target, self.path);
        let plain = !self.path.contains(['?', '&', '*', ' ']);
        let mut words = vec![format!("curl -s {}", if plain { url } else { quoted(&url) })];
        words.push(format!("-H {}", quoted(&format!("host: {}", self.host))));
        let usual = if self.body.is_some() { Method::POST } else { Method::GET };
        if self.method != usual {
            words.push(format!("-X {}", self.method));
        }
        for (name, value) in &self.headers {
            let header = format!("{name}: {value}");
            let variable = value.contains('$');
            words.push(format!(
                "-H {}",
                if variable { format!("\"{header}\"") } else { quoted(&header) }
            ));
        }
        if let Some(body) = &self.body {
            words.push(format!("-d {}", quoted(&String::from_utf8_lossy(body))));
        }
        words.join(" ")
    }

    /// The method and path, for people.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The body as text, for people.
    pub fn body_text(&self) -> Option<String> {
        self.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned())
    }
}

/// An error with its causes: reqwest's own text leaves them out.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_can_be_pasted_into_a_shell() {
        let target = SocketAddr::from(([127, 0, 0, 1], 10_000));
        let request = Request::new(target, Method::POST, "/sql")
            .token("$CI_TOKEN")
            .json(&json!({ "query": "SELECT 'x'" }));
        assert_eq!(
            request.curl(),
            r#"curl -s http://127.0.0.1:10000/sql -H 'host: customers.example' -H "authorization: Bearer $CI_TOKEN" -H 'content-type: application/json' -d '{"query":"SELECT '\''x'\''"}'"#
        );
    }
}
