//! A real identity provider: npm's `oidc-provider`, run by Node.
//!
//! Its clients and resources are in `server.mjs`. A resource is written
//! `<audience>/<what>`: `customers/ES256` is a JWT access token (RFC 9068) for the
//! audience `customers` signed with ES256, `customers/opaque` one that must be
//! introspected, `customers/RS256?ttl=2` one that lives two seconds.

mod obtain;
mod proof;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;
use uuid::Uuid;

pub use self::proof::ProofKey;
use crate::artifacts::Progress;
use crate::failure::{Failure, Result};
use crate::ports::HeldPort;
use crate::process::Process;
use crate::workdir::Workdir;

/// How long it may take to get ready: it makes RSA keys, on a machine that may be busy
/// with other tests.
const START: Duration = Duration::from_secs(30);

/// The longest that it may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The signature algorithms of its access tokens.
pub const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// Installs it, where it is not installed.
pub fn obtain(progress: Progress) -> Result<PathBuf> {
    obtain::obtain(progress)
}

/// A running identity provider.
pub struct IdentityProvider {
    url: String,
    secret: String,
    process: Process,
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProvider").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a person gets who signs in.
#[derive(Clone)]
pub struct SignedIn {
    /// Tells the client who signed in; for nobody else.
    pub id_token: String,
    /// Calls services.
    pub access_token: String,
    /// Gets the next access token.
    pub refresh_token: String,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedIn(..)")
    }
}

/// The file beside the server's configuration that holds the secret of all clients.
pub const SECRET_FILE: &str = "identity-provider.secret";

impl IdentityProvider {
    /// Starts `program`, which [`obtain`] gives, and waits until it answers.
    pub async fn start(program: PathBuf, workdir: &Workdir) -> Result<Self> {
        let port = HeldPort::free()?.release();
        let secret = Uuid::new_v4().to_string();
        workdir.write(SECRET_FILE, &secret)?;
        let mut command = Command::new("node");
        command.arg(program).arg(port.to_string()).env("CLIENT_SECRET", &secret);
        let log = workdir.path().join("identity-provider.log");
        let process = Process::start("the identity provider", command, &log, &workdir.leash())?;
        let mut provider = Self { url: format!("http://127.0.0.1:{port}"), secret, process };
        let discovery = format!("{}/.well-known/openid-configuration", provider.url);
        provider.process.ready(&discovery, START).await?;
        Ok(provider)
    }

    /// The `iss` of its tokens, from which everything else is discovered.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The secret of all of its clients; `chaperone` is the one that introspects.
    pub fn client_secret(&self) -> &str {
        &self.secret
    }

    /// An access token of a client that acts for itself, with the scope
    /// `customers:read`.
    pub async fn token(&self, client: &str, resource: &str) -> Result<String> {
        access_token(&self.client_credentials(client, resource, None).await?)
    }

    /// The same of the client `bound-job`, bound to a key that only its holder has.
    pub async fn bound_token(&self, key: &ProofKey, resource: &str) -> Result<String> {
        access_token(&self.client_credentials("bound-job", resource, Some(key)).await?)
    }

    async fn client_credentials(
        &self,
        client: &str,
        resource: &str,
        key: Option<&ProofKey>,
    ) -> Result<Value> {
        let resource = resource_url(resource)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "customers:read"),
            ("resource", &resource),
        ];
        self.asked("/token", client, &form, key).await
    }

    /// The tokens of a person who signs in with the client `console`.
    pub async fn sign_in(&self, person: &str) -> Result<SignedIn> {
        let scope = "openid offline_access customers:read";
        let resource = resource_url("customers/RS256")?;
        let form = [("scope", scope), ("login_hint", person), ("resource", &resource)];
        let asked = self.asked("/backchannel", "console", &form, None).await?;
        let id = member(&asked, "auth_req_id")?;
        let grant = "urn:openid:params:grant-type:ciba";
        let form = [("grant_type", grant), ("auth_req_id", id.as_str())];
        let tokens = self.asked("/token", "console", &form, None).await?;
        Ok(SignedIn {
            id_token: member(&tokens, "id_token")?,
            access_token: access_token(&tokens)?,
            refresh_token: member(&tokens, "refresh_token")?,
        })
    }

    /// What it tells of a token to those who may ask (RFC 7662).
    pub async fn introspect(&self, token: &str) -> Result<Value> {
        self.asked("/token/introspection", "chaperone", &[("token", token)], None).await
    }

    /// Takes back a token of a client (RFC 7009).
    pub async fn revoke(&self, client: &str, token: &str) -> Result<()> {
        self.asked("/token/revocation", client, &[("token", token)], None).await.map(|_| ())
    }

    /// Signs with new keys from now on; the earlier ones stay published.
    pub async fn rotate(&self) -> Result<()> {
        self.control("rotate").await
    }

    /// Publishes only the keys that sign now.
    pub async fn forget_earlier_keys(&self) -> Result<()> {
        self.control("forget").await
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    async fn control(&self, what: &str) -> Result<()> {
        let url = format!("{}/control/{what}", self.url);
        answered(&url, client()?.post(&url)).await.map(|_| ())
    }

    /// The answer to a form that `client` sends.
    async fn asked(
        &self,
        path: &str,
        client_id: &str,
        form: &[(&str, &str)],
        key: Option<&ProofKey>,
    ) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let known = [("client_id", client_id), ("client_secret", &self.secret)];
        let form = encoded(known.iter().chain(form))?;
        let mut request = client()?
            .post(&url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        if let Some(key) = key {
            request = request.header("dpop", key.proof("POST", &url, None));
        }
        answered(&url, request).await
    }
}

fn client() -> Result<Client> {
    // Without kept connections: tests have a runtime each, and a connection dies with
    // the runtime that it was made on.
    let client = Client::builder().timeout(TIMEOUT).pool_max_idle_per_host(0).no_proxy().build();
    client.map_err(|error| Failure::unexpected("an HTTP client", error))
}

/// The JSON that answers a request, null when the answer is empty; a failure unless
/// its status is one of success.
async fn answered(what: &str, request: RequestBuilder) -> Result<Value> {
    let failed = |error: reqwest::Error| Failure::unexpected(what, error);
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let body = response.bytes().await.map_err(failed)?;
    if !status.is_success() {
        let told = format!("{status}: {}", String::from_utf8_lossy(&body));
        return Err(Failure::unexpected(what, told));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| Failure::unexpected(what, error))
}

fn encoded<'a>(form: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Result<String> {
    let url = Url::parse_with_params("form:", form)
        .map_err(|error| Failure::unexpected("writing a form", error))?;
    Ok(url.query().unwrap_or_default().to_owned())
}

/// `customers/RS256` as the resource indicator (RFC 8707) that it is short for.
fn resource_url(resource: &str) -> Result<String> {
    let (audience, what) = resource.split_once('/').ok_or_else(|| {
        Failure::unexpected("naming a resource", format!("`{resource}` has no `/`"))
    })?;
    Ok(format!("https://{audience}.example/{what}"))
}

fn access_token(answer: &Value) -> Result<String> {
    member(answer, "access_token")
}

fn member(answer: &Value, name: &str) -> Result<String> {
    let text = answer[name].as_str().map(str::to_owned);
    text.ok_or_else(|| Failure::unexpected("asking the identity provider", format!("no `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn started() -> (IdentityProvider, Workdir) {
        let workdir = Workdir::create().unwrap();
        let program = obtain(Progress::Quiet).unwrap_or_else(|failure| panic!("{failure}"));
        let provider = IdentityProvider::start(program, &workdir).await;
        (provider.unwrap_or_else(|failure| panic!("{failure}")), workdir)
    }

    /// The key ids that it publishes.
    async fn published(provider: &IdentityProvider) -> Vec<String> {
        let url = format!("{}/jwks", provider.url());
        let keys = answered(&url, client().unwrap().get(&url)).await.unwrap();
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn it_rotates_its_keys_and_forgets_the_earlier_ones() {
        let (provider, _workdir) = started().await;
        let first = published(&provider).await;
        assert_eq!(first.len(), ALGORITHMS.len());
        let kid = async || {
            let token = provider.token("deploy-job", "customers/ES256").await.unwrap();
            jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
        };
        assert!(first.contains(&kid().await));
        provider.rotate().await.unwrap();
        let both = published(&provider).await;
        assert!(first.iter().all(|key| both.contains(key)) && both.len() == 2 * first.len());
        assert!(!first.contains(&kid().await), "it signs with the new key");
        provider.forget_earlier_keys().await.unwrap();
        let second = published(&provider).await;
        assert!(second.len() == first.len() && second.contains(&kid().await));
        assert!(first.iter().all(|key| !second.contains(key)));
    }

    #[tokio::test]
    async fn it_tells_of_opaque_tokens_until_they_are_revoked() {
        let (provider, _workdir) = started().await;
        let token = provider.token("deploy-job", "customers/opaque").await.unwrap();
        assert!(!token.contains('.'));
        let told = provider.introspect(&token).await.unwrap();
        assert_eq!(told["active"], true);
        assert_eq!(told["client_id"], "deploy-job");
        assert_eq!(told["aud"], "customers");
        assert_eq!(told["scope"], "customers:read");
        provider.revoke("deploy-job", &token).await.unwrap();
        assert_eq!(provider.introspect(&token).await.unwrap()["active"], false);
    }

    #[tokio::test]
    async fn it_binds_a_token_to_the_key_that_was_proven() {
        let (provider, _workdir) = started().await;
        let key = ProofKey::generate().unwrap();
        let token = provider.bound_token(&key, "customers/opaque").await.unwrap();
        let told = provider.introspect(&token).await.unwrap();
        assert_eq!(told["token_type"], "DPoP");
        assert_eq!(told["cnf"]["jkt"].as_str().map(str::len), Some(43), "{told}");
        let unbound = provider.token("bound-job", "customers/ES256").await;
        assert!(unbound.unwrap_err().to_string().contains("invalid_grant"));
    }
}
