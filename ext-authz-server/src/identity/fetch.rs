//! Fetching published keys over HTTP: bounded in time, size and reach, without
//! redirects or proxies.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::issuer::IssuerUrl;
use super::jwks::{JwkSet, JwkSetError};
use super::reach::{BoundedResolver, OutOfReach, PrivateAddresses, Reach};

/// How the keys of one issuer are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSettings {
    /// The longest that one document may take, from the name's resolution to its last
    /// byte.
    pub timeout: Duration,
    /// The biggest document that is read.
    pub max_bytes: usize,
    /// The most keys in a document.
    pub max_keys: usize,
    /// Whether keys may be fetched from private addresses.
    pub private_addresses: PrivateAddresses,
    /// The certificate authorities, in PEM, that its hosts' certificates are of;
    /// `None` for those of the system.
    pub ca_file: Option<PathBuf>,
    /// A bearer token that its hosts want to see. It is read anew at each fetch.
    pub token_file: Option<PathBuf>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            max_bytes: 256 * 1024,
            max_keys: 1000,
            private_addresses: PrivateAddresses::Deny,
            ca_file: None,
            token_file: None,
        }
    }
}

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

    /// The URL that the operator wrote.
    const fn written(&self) -> &JwksUrl {
        match self {
            Self::Keys(url) | Self::Discovery { document: url, .. } => url,
        }
    }
}

/// Keys could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("no connection")]
    Connect,
    #[error("the connection broke")]
    Broken,
    #[error(
        "the host's address is not a public one; if that is as it should be, set \
         `fetch: {{private_addresses: allow}}`"
    )]
    OutOfReach,
    #[error("the answer is a redirect ({0}), which is not followed")]
    Redirect(u16),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the document is longer than {0} bytes")]
    TooLarge(usize),
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
    #[error("the CA file cannot be used: {0}")]
    CaFile(String),
    #[error("the token file cannot be used: {0}")]
    TokenFile(String),
}

/// Keys cannot be fetched at all, whatever an issuer answers.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetcherError {
    #[error("no usable certificates on this system")]
    Client(#[from] reqwest::Error),
    #[error("{0}")]
    CaFile(String),
}

/// What fetchers share: making an HTTP client reads the system's certificates.
#[derive(Debug, Default)]
pub(super) struct Clients(BTreeMap<(Reach, bool), Client>);

impl Clients {
    /// A client that reaches so far; `https` or only plain http.
    fn client(&mut self, reach: Reach, https: bool) -> Result<Client, reqwest::Error> {
        if let Some(client) = self.0.get(&(reach, https)) {
            return Ok(client.clone());
        }
        // Without https there is nobody to verify, and a container without
        // certificates still works.
        let client = if https { builder(reach) } else { builder(reach).tls_certs_only([]) };
        let client = client.build()?;
        self.0.insert((reach, https), client.clone());
        Ok(client)
    }
}

fn builder(reach: Reach) -> reqwest::ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .dns_resolver(Arc::new(BoundedResolver(reach)))
        .user_agent(concat!("chaperone/", env!("CARGO_PKG_VERSION")))
}

/// The document that keys came in: SHA-256 of it.
pub(super) type DocumentDigest = [u8; 32];

/// What a fetch found.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The document that was known already.
    Same,
    /// Another one, and its keys.
    Keys(JwkSet, DocumentDigest),
}

/// Fetches the keys of one issuer.
#[derive(Debug)]
pub(super) struct KeyFetcher {
    location: Location,
    settings: FetchSettings,
    reach: Reach,
    /// `None` where a CA file is named: it is read at each fetch, so that a new CA
    /// needs no restart.
    client: Option<Client>,
}

impl KeyFetcher {
    /// A fetcher of the keys at `location`; an error when no client can be made for
    /// that on this system.
    pub(super) fn new(
        location: Location,
        settings: FetchSettings,
        clients: &mut Clients,
    ) -> Result<Self, FetcherError> {
        let written = location.written();
        let reach = Reach::new(settings.private_addresses, &written.0);
        let client = match &settings.ca_file {
            Some(file) => {
                client_of(file, reach).map_err(FetcherError::CaFile)?;
                None
            }
            None => Some(clients.client(reach, written.is_https())?),
        };
        Ok(Self { location, settings, reach, client })
    }

    /// The longest that a fetch can take.
    pub(super) fn longest(&self) -> Duration {
        let documents = match self.location {
            Location::Keys(_) => 1,
            Location::Discovery { .. } => 2,
        };
        self.settings.timeout.saturating_mul(documents)
    }

    /// The keys that are published now, unless they are in the document that is
    /// `known`.
    pub(super) async fn fetch(
        &self,
        known: Option<&DocumentDigest>,
    ) -> Result<Fetched, FetchError> {
        let client = match (&self.client, &self.settings.ca_file) {
            (Some(client), _) => client.clone(),
            (None, Some(file)) => client_of(file, self.reach).map_err(FetchError::CaFile)?,
            (None, None) => return Err(FetchError::Connect),
        };
        let text = match &self.location {
            Location::Keys(url) => self.document(&client, url).await?,
            Location::Discovery { issuer, document } => {
                let url = self.discover(&client, issuer, document).await?;
                self.document(&client, &url).await?
            }
        };
        let digest = Sha256::digest(&text).into();
        if known == Some(&digest) {
            return Ok(Fetched::Same);
        }
        Ok(Fetched::Keys(JwkSet::published(&text, self.settings.max_keys)?, digest))
    }

    async fn discover(
        &self,
        client: &Client,
        issuer: &IssuerUrl,
        document: &JwksUrl,
    ) -> Result<JwksUrl, FetchError> {
        let text = self.document(client, document).await?;
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

    async fn document(&self, client: &Client, url: &JwksUrl) -> Result<String, FetchError> {
        let longest = self.settings.timeout;
        let reading = async { self.read(self.asked(client, url).await?).await };
        timeout(longest, reading).await.unwrap_or(Err(FetchError::Timeout(longest)))
    }

    async fn asked(&self, client: &Client, url: &JwksUrl) -> Result<Response, FetchError> {
        // A host that is an address is not resolved.
        if !self.reach.permits_host(&url.0) {
            return Err(FetchError::OutOfReach);
        }
        let mut request = client.get(url.0.clone());
        if let Some(token) = self.token_for(url).map_err(FetchError::TokenFile)? {
            request = request.bearer_auth(token.as_str());
        }
        let response = request.send().await.map_err(|error| failed(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect(status.as_u16()));
        }
        if !status.is_success() {
            return Err(FetchError::Status(status.as_u16()));
        }
        Ok(response)
    }

    async fn read(&self, mut response: Response) -> Result<String, FetchError> {
        let max = self.settings.max_bytes;
        let too_large = FetchError::TooLarge(max);
        if response.content_length().is_some_and(|bytes| bytes > max as u64) {
            return Err(too_large);
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if document.len() + chunk.len() > max {
                return Err(too_large);
            }
            document.extend_from_slice(&chunk);
        }
        String::from_utf8(document).map_err(|_| FetchError::NotText)
    }

    /// The token for whoever is at `url`: the host that the operator wrote, or one
    /// that the discovery document names and that the named CA vouches for
    /// (Kubernetes names its API server by address there).
    fn token_for(&self, url: &JwksUrl) -> Result<Option<Zeroizing<String>>, String> {
        let Some(file) = &self.settings.token_file else { return Ok(None) };
        let vouched_for = self.settings.ca_file.is_some() && url.is_https();
        if !vouched_for && url.0.origin() != self.location.written().0.origin() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{} does not hold a token", file.display()));
        }
        Ok(Some(Zeroizing::new(token.to_owned())))
    }
}

/// A client that trusts the certificate authorities in `file` and no other.
fn client_of(file: &Path, reach: Reach) -> Result<Client, String> {
    let wrong = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
    let pem = std::fs::read(file).map_err(|error| wrong(&error))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(&error))?;
    if certificates.is_empty() {
        return Err(wrong(&"no certificate is in it"));
    }
    builder(reach).tls_certs_only(certificates).build().map_err(|error| wrong(&error))
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

fn failed(error: &reqwest::Error) -> FetchError {
    let cause = |error: &(dyn std::error::Error + 'static)| error.is::<OutOfReach>();
    let mut causes =
        std::iter::successors(std::error::Error::source(error), |error| error.source());
    if causes.any(cause) {
        FetchError::OutOfReach
    } else if error.is_connect() {
        FetchError::Connect
    } else {
        FetchError::Broken
    }
}

#[cfg(test)]
mod tests;
