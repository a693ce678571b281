//! Fetching published keys over HTTP: bounded in time and size, without redirects
//! or proxies.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Deserialize;

use super::issuer::IssuerUrl;
use super::jwks::{JwkSet, JwkSetError};

/// The longest that one document may take.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The biggest document that is read.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// A URL that keys may be fetched from: `https`, or `http` on a loopback address,
/// where nobody is in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUrl(Url);

impl JwksUrl {
    /// The URL `text` is.
    ///
    /// # Example
    ///
    /// ```
    /// use chaperone::identity::JwksUrl;
    ///
    /// assert!(JwksUrl::parse("https://idp.example/jwks").is_ok());
    /// assert!(JwksUrl::parse("http://127.0.0.1:8080/jwks").is_ok());
    /// assert!(JwksUrl::parse("http://idp.example/jwks").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, JwksUrlError> {
        let url = Url::parse(text).map_err(|_| JwksUrlError::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(JwksUrlError::Userinfo);
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err(JwksUrlError::Plain),
            _ => Err(JwksUrlError::Scheme),
        }
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Keys may not be fetched from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksUrlError {
    /// It is no URL.
    #[error("not a URL")]
    NotAUrl,
    /// Another scheme.
    #[error("keys are fetched by https only")]
    Scheme,
    /// Whoever is in between could replace the keys.
    #[error("keys are fetched by https; plain http is for loopback addresses only")]
    Plain,
    /// It holds a user name or a password.
    #[error("the URL of keys holds no user name and no password")]
    Userinfo,
    /// An issuer that is discovered is named by a URL.
    #[error("the issuer has a query or a fragment; name its keys' URL instead of discovering it")]
    NotDiscoverable,
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug)]
pub(super) enum Location {
    /// At this URL.
    Keys(JwksUrl),
    /// At the URL that its OpenID Connect discovery document names.
    Discovery { issuer: IssuerUrl, document: JwksUrl },
}

impl Location {
    /// Where OpenID Connect Discovery 1.0 section 4 puts the document.
    pub(super) fn discovery(issuer: &IssuerUrl) -> Result<Self, JwksUrlError> {
        if issuer.as_str().contains(['?', '#']) {
            return Err(JwksUrlError::NotDiscoverable);
        }
        let base = issuer.as_str().trim_end_matches('/');
        let document = JwksUrl::parse(&format!("{base}/.well-known/openid-configuration"))?;
        Ok(Self::Discovery { issuer: issuer.clone(), document })
    }

    fn is_https(&self) -> bool {
        match self {
            Self::Keys(url) | Self::Discovery { document: url, .. } => url.is_https(),
        }
    }
}

/// Keys could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {} s", FETCH_TIMEOUT.as_secs())]
    Timeout,
    #[error("no connection")]
    Connect,
    #[error("the connection broke")]
    Broken,
    #[error("the answer is a redirect ({0}), which is not followed")]
    Redirect(u16),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the document is longer than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("the document is not UTF-8 text")]
    NotText,
    #[error("{0}")]
    Keys(#[from] JwkSetError),
    #[error("the discovery document has no `issuer` or no `jwks_uri`")]
    NotDiscovery,
    #[error("the discovery document is of another issuer")]
    OtherIssuer,
    #[error("the `jwks_uri` of the discovery document is refused: {0}")]
    JwksUri(JwksUrlError),
}

/// Fetches keys.
#[derive(Clone, Debug)]
pub(super) struct KeyFetcher(Client);

impl KeyFetcher {
    /// A fetcher for those locations; an error when it needs https and the system has
    /// no certificates.
    pub(super) fn new<'a>(
        locations: impl IntoIterator<Item = &'a Location>,
    ) -> Result<Self, reqwest::Error> {
        Self::with_timeout(locations, FETCH_TIMEOUT)
    }

    fn with_timeout<'a>(
        locations: impl IntoIterator<Item = &'a Location>,
        timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("chaperone/", env!("CARGO_PKG_VERSION")));
        // Without https there is nobody to verify, and a container without
        // certificates still works.
        let client = if locations.into_iter().any(Location::is_https) {
            client
        } else {
            client.tls_certs_only([])
        };
        client.build().map(Self)
    }

    /// The keys that are published there now.
    pub(super) async fn fetch(&self, location: &Location) -> Result<JwkSet, FetchError> {
        match location {
            Location::Keys(url) => self.keys(url).await,
            Location::Discovery { issuer, document } => {
                let url = self.discover(issuer, document).await?;
                self.keys(&url).await
            }
        }
    }

    async fn keys(&self, url: &JwksUrl) -> Result<JwkSet, FetchError> {
        Ok(JwkSet::published(&self.document(url).await?)?)
    }

    async fn discover(
        &self,
        issuer: &IssuerUrl,
        document: &JwksUrl,
    ) -> Result<JwksUrl, FetchError> {
        let text = self.document(document).await?;
        let found: Discovered =
            serde_json::from_str(&text).map_err(|_| FetchError::NotDiscovery)?;
        // Section 4.3: they are the same, or somebody answers for another.
        if found.issuer != issuer.as_str() {
            return Err(FetchError::OtherIssuer);
        }
        let url = JwksUrl::parse(&found.jwks_uri).map_err(FetchError::JwksUri)?;
        // A document that came by https does not lead back to plain http.
        if document.is_https() && !url.is_https() {
            return Err(FetchError::JwksUri(JwksUrlError::Plain));
        }
        Ok(url)
    }

    async fn document(&self, url: &JwksUrl) -> Result<String, FetchError> {
        let mut response =
            self.0.get(url.0.clone()).send().await.map_err(|error| failed(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect(status.as_u16()));
        }
        if !status.is_success() {
            return Err(FetchError::Status(status.as_u16()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(FetchError::TooLarge);
            }
            document.extend_from_slice(&chunk);
        }
        String::from_utf8(document).map_err(|_| FetchError::NotText)
    }
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

fn failed(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        FetchError::Timeout
    } else if error.is_connect() {
        FetchError::Connect
    } else {
        FetchError::Broken
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::Algorithm;
    use crate::identity::test_issuer::{Answer, Publisher, TestKey};

    async fn fetched(publisher: &Publisher) -> Result<usize, FetchError> {
        let location = Location::Keys(publisher.jwks_url());
        let fetcher = KeyFetcher::with_timeout([&location], Duration::from_millis(300)).unwrap();
        fetcher.fetch(&location).await.map(|keys| keys.len())
    }

    #[tokio::test]
    async fn keys_are_fetched_over_http() {
        let key = TestKey::new("k1", Algorithm::Es256);
        let publisher = Publisher::start(Answer::keys(&[&key])).await;
        assert_eq!(fetched(&publisher).await, Ok(1));
    }

    #[tokio::test]
    async fn what_is_no_timely_small_direct_answer_is_an_error() {
        let key = TestKey::new("k1", Algorithm::Es256);
        let publisher = Publisher::start(Answer::Status(500)).await;
        assert_eq!(fetched(&publisher).await, Err(FetchError::Status(500)));
        publisher.answer(Answer::Redirect);
        assert_eq!(fetched(&publisher).await, Err(FetchError::Redirect(302)));
        assert_eq!(publisher.hits(), 2, "a redirect was followed");
        publisher.answer(Answer::Never);
        assert_eq!(fetched(&publisher).await, Err(FetchError::Timeout));
        let padded = json!({ "keys": [key.jwk()], "padding": "x".repeat(MAX_DOCUMENT_BYTES) });
        publisher.answer(Answer::Text(padded.to_string()));
        assert_eq!(fetched(&publisher).await, Err(FetchError::TooLarge));
        publisher.answer(Answer::Text("<html>".into()));
        assert_eq!(fetched(&publisher).await, Err(FetchError::Keys(JwkSetError::NotASet)));
        publisher.answer(Answer::Text(r#"{"keys":[]}"#.into()));
        assert_eq!(fetched(&publisher).await, Err(FetchError::Keys(JwkSetError::Empty)));
        publisher.stop().await;
        assert_eq!(fetched(&publisher).await, Err(FetchError::Connect));
    }

    async fn discovered(publisher: &Publisher, document: &str) -> Result<usize, FetchError> {
        publisher.discovery(document);
        let issuer = IssuerUrl::parse(&publisher.issuer()).unwrap();
        let location = Location::discovery(&issuer).unwrap();
        KeyFetcher::new([&location]).unwrap().fetch(&location).await.map(|keys| keys.len())
    }

    #[tokio::test]
    async fn discovery_leads_to_the_keys_of_the_same_issuer_only() {
        let key = TestKey::new("k1", Algorithm::EdDsa);
        let publisher = Publisher::start(Answer::keys(&[&key])).await;
        let issuer = publisher.issuer();
        let jwks_uri = publisher.jwks_url().to_string();
        let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
        assert_eq!(discovered(&publisher, &document).await, Ok(1));
        let document = json!({ "issuer": format!("{issuer}/"), "jwks_uri": jwks_uri }).to_string();
        assert_eq!(discovered(&publisher, &document).await, Err(FetchError::OtherIssuer));
        let document = json!({ "issuer": issuer, "jwks_uri": "http://idp.example/k" }).to_string();
        let refused = Err(FetchError::JwksUri(JwksUrlError::Plain));
        assert_eq!(discovered(&publisher, &document).await, refused);
        assert_eq!(discovered(&publisher, "{}").await, Err(FetchError::NotDiscovery));
    }

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for url in ["https://idp.example/k", "http://localhost:1/k", "http://[::1]/k"] {
            assert!(JwksUrl::parse(url).is_ok(), "{url}");
        }
        for (url, error) in [
            ("http://idp.example/k", JwksUrlError::Plain),
            ("http://localhost.evil.example/k", JwksUrlError::Plain),
            ("http://127.0.0.1.evil.example/k", JwksUrlError::Plain),
            ("http://10.0.0.1/k", JwksUrlError::Plain),
            ("file:///etc/keys", JwksUrlError::Scheme),
            ("https://a:b@idp.example/k", JwksUrlError::Userinfo),
            ("http://localhost@idp.example/k", JwksUrlError::Userinfo),
            ("/keys", JwksUrlError::NotAUrl),
        ] {
            assert_eq!(JwksUrl::parse(url), Err(error), "{url}");
        }
        let issuer = IssuerUrl::parse("https://idp.example/?tenant=a").unwrap();
        assert_eq!(Location::discovery(&issuer).unwrap_err(), JwksUrlError::NotDiscoverable);
    }
}
