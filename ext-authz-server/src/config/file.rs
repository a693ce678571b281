//! The configuration file as it is written: one type a section, unknown keys
//! refused, defaults here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chaperone_inspection::mask::profile::Profile;
use chaperone_inspection::obligations::OnUnmaskable;
use chaperone_inspection::plan::{self, DetectPlan, ProtocolPlan, Upgrades};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::value::Time;
use crate::identity::{FetchSettings, Preset};

/// `chaperone.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Where the server listens.
    pub(super) listen: Listen,
    /// The base of the URLs in answers, such as an approval's status. By default
    /// `http://` and `listen.http`.
    pub(super) public_url: Option<String>,
    /// Where decisions and approvals are kept.
    pub(super) storage: Storage,
    /// Keys shared with the filter.
    pub(super) keys: Keys,
    /// Who signs tokens, by alias.
    pub(super) issuers: BTreeMap<String, Issuer>,
    /// Groups by name: patterns of principals (`<issuer alias>/<subject>`, `*`
    /// stands for anything), besides what claims say.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) groups: BTreeMap<String, Vec<Spanned<String>>>,
    /// How delegation chains are judged.
    #[serde(default)]
    pub(super) chain: ChainRules,
    /// Where it is told whose client certificate a request came with; by default no
    /// certificate counts.
    pub(super) peer: Option<Peer>,
    /// How proofs of possession (DPoP) are judged.
    #[serde(default)]
    pub(super) dpop: Dpop,
    /// API keys, for callers that can do no better.
    #[serde(default)]
    pub(super) api_keys: ApiKeys,
    /// What stands behind Envoy, by name.
    pub(super) services: BTreeMap<String, Service>,
    /// Bounds on what is read of a request body.
    #[serde(default)]
    pub(super) limits: Limits,
    /// What to mask.
    #[serde(default)]
    pub(super) masking: Masking,
    /// What is allowed.
    pub(super) policies: Policies,
    /// Tokens that this server signs: the token endpoint. Off when left out.
    pub(super) exchange: Option<Exchange>,
    /// How the filter reports outcomes.
    #[serde(default)]
    pub(super) outcomes: Outcomes,
}

/// Where the server listens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    /// For Envoy: ext_authz and outcomes.
    pub(super) grpc: SocketAddr,
    /// For people and probes: health and the status of approvals.
    pub(super) http: SocketAddr,
}

/// Where decisions and approvals are kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Storage {
    pub(super) sqlite: Sqlite,
}

/// An SQLite file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sqlite {
    /// The file; made if there is none. Relative to the configuration file.
    pub(super) path: PathBuf,
    /// What a decision survives before it is answered.
    #[serde(default)]
    pub(super) durability: Durability,
}

/// What a decision survives before it is answered.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Durability {
    /// A power failure: the file is synced before every answer.
    #[default]
    Full,
    /// A crash of the server, but perhaps not a power failure.
    Normal,
}

/// Keys shared with the filter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    /// Facts keys: the filter seals with the first, the server opens with any, so
    /// that a key can be rotated.
    #[schemars(with = "Vec<FactsKey>")]
    pub(super) facts: Vec<Spanned<FactsKey>>,
    /// How old facts may be when they reach the server.
    #[serde(default = "defaults::facts_window")]
    pub(super) facts_window: Time,
}

/// Where one facts key is: 32 bytes or more, in base64.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FactsKey {
    /// Its name: letters, digits, `-` and `_`.
    pub(super) id: String,
    /// A file that holds it. Relative to the configuration file.
    pub(super) file: Option<PathBuf>,
    /// An environment variable that holds it.
    pub(super) env: Option<String>,
}

/// One issuer of tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "operators know it as `issuer` (RFC 8414)")]
pub(super) struct Issuer {
    /// What it is, if it is well known; fills in everything but `audiences` that is
    /// not written here.
    #[schemars(schema_with = "preset_names")]
    pub(super) preset: Option<Spanned<String>>,
    /// The `iss` of its tokens; some presets know it.
    #[schemars(with = "Option<String>")]
    pub(super) issuer: Option<Spanned<String>>,
    /// The `aud` values that are for us: at least one, unless it signs no tokens.
    #[serde(default)]
    pub(super) audiences: BTreeSet<String>,
    /// The signature algorithms that it uses; by default those of the preset, or
    /// RS256, ES256 and EdDSA.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) algorithms: Option<Vec<Spanned<String>>>,
    /// Where its keys are; by default at the URL that its discovery document names.
    #[serde(default)]
    pub(super) keys: IssuerKeys,
    /// Whom it names.
    #[serde(default)]
    pub(super) principals: Principals,
    /// Claims whose values are groups, in place of those of the preset.
    pub(super) groups: Option<Vec<GroupClaim>>,
    /// Attributes by name, and the claim that each is read from: a name, or a JSON
    /// Pointer. They join those of the preset; null takes one of them away.
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, Option<String>>,
    /// Issuers, by alias, whose principals its tokens may name in a chain.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) may_attest: Vec<Spanned<String>>,
    /// The SPIFFE trust domain, such as `cluster.local`, whose workloads are its
    /// principals: a client certificate of one is a credential (see `peer`).
    #[schemars(with = "Option<String>")]
    pub(super) trust_domain: Option<Spanned<String>>,
    /// Whether a token is refused whose sender does not prove to have the key that it
    /// is bound to.
    #[serde(default)]
    pub(super) require_proof: bool,
    /// Which peer a token must come from: `same` (its subject is the peer's SPIFFE ID),
    /// or a SPIFFE ID with attributes of its subject in braces, such as
    /// `spiffe://cluster.local/ns/{namespace}/sa/{service_account}`.
    #[schemars(with = "Option<String>")]
    pub(super) peer_binding: Option<Spanned<String>>,
    /// How far clocks may be apart.
    #[serde(default = "defaults::leeway")]
    pub(super) leeway: Time,
    /// The longest life of a token, `exp` - `iat`; by default that of the preset, or an
    /// hour.
    pub(super) max_lifetime: Option<Time>,
    /// How often keys are fetched.
    #[serde(default = "defaults::key_refresh")]
    pub(super) refresh: Time,
    /// How long fetched keys are used when they can no longer be fetched.
    #[serde(default = "defaults::key_max_stale")]
    pub(super) max_stale: Time,
    /// How keys are fetched, where they are.
    #[serde(default)]
    pub(super) fetch: Fetch,
    /// Where it is asked about opaque tokens (RFC 7662). With this and without `keys`,
    /// it signs none.
    pub(super) introspection: Option<Introspection>,
}

/// How the keys of an issuer are fetched. Redirects are never followed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fetch {
    /// The longest that one document may take.
    pub(super) timeout: Time,
    /// The biggest document that is read, in bytes.
    pub(super) max_bytes: usize,
    /// The most keys in a document.
    pub(super) max_keys: usize,
    /// Whether keys may be fetched from private addresses; by default not, unless they
    /// are those of the cluster that the server runs in. A host that is written as an
    /// address or as `localhost` is allowed in any case.
    pub(super) private_addresses: Option<PrivateAddresses>,
    /// The certificate authorities of its hosts, PEM, in place of the system's. Read
    /// at each fetch. Relative to the configuration file.
    pub(super) ca_file: Option<PathBuf>,
    /// A bearer token that its hosts want to see, such as a Kubernetes API server.
    /// Read at each fetch. Relative to the configuration file.
    pub(super) token_file: Option<PathBuf>,
}

impl Default for Fetch {
    fn default() -> Self {
        let default = FetchSettings::default();
        Self {
            timeout: Time(default.timeout),
            max_bytes: default.max_bytes,
            max_keys: default.max_keys,
            private_addresses: None,
            ca_file: None,
            token_file: None,
        }
    }
}

/// Whether keys may be fetched from private addresses.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PrivateAddresses {
    /// From public addresses only, whatever names resolve to.
    Deny,
    /// From this machine and private networks as well, never from link-local addresses.
    Allow,
}

/// Where an issuer is asked about its opaque tokens, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Introspection {
    /// The introspection endpoint (https, or http on a loopback address).
    #[schemars(with = "String")]
    pub(super) url: Spanned<String>,
    /// The name that we are registered under there.
    pub(super) client_id: String,
    /// A file that holds our secret there. Relative to the configuration file.
    pub(super) client_secret_file: Option<PathBuf>,
    /// An environment variable that holds it.
    pub(super) client_secret_env: Option<String>,
    /// What its opaque tokens begin with. Of several issuers with opaque tokens, one
    /// may be without: it is asked about those with no other one's prefix.
    pub(super) prefix: Option<String>,
    /// How long it may take to answer; less than Envoy waits for a decision.
    #[serde(default = "defaults::introspection_timeout")]
    pub(super) timeout: Time,
    /// How long a good token is believed to be good, at most; never past its `exp`.
    #[serde(default = "defaults::remember_active")]
    pub(super) remember_active: Time,
    /// How long a bad one is believed to be bad.
    #[serde(default = "defaults::remember_inactive")]
    pub(super) remember_inactive: Time,
}

/// Where an issuer's keys are: one of these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerKeys {
    /// A JWK Set at this URL (https, or http on a loopback address).
    pub(super) jwks_url: Option<String>,
    /// A JWK Set in this file. Relative to the configuration file.
    pub(super) jwks_file: Option<PathBuf>,
    /// A JWK Set, written here.
    pub(super) jwks: Option<serde_json::Value>,
    /// There are none: it signs no tokens, only the certificates of its `trust_domain`.
    #[serde(default)]
    pub(super) certificates_only: bool,
    /// No keys: a Kubernetes API server is asked who each token is.
    pub(super) token_review: Option<TokenReview>,
}

/// A Kubernetes API server that is asked who a token is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenReview {
    /// Its base URL; with `preset: kubernetes` by default that of the cluster that the
    /// server runs in, with the files that its pod has for it.
    pub(super) url: Option<String>,
    /// Who signed its certificate, in PEM; by default whom the system trusts. Relative
    /// to the configuration file.
    pub(super) ca_file: Option<PathBuf>,
    /// Our own token, which may create `tokenreviews` (the cluster role
    /// `system:auth-delegator`); read anew each time. Relative to the configuration
    /// file.
    pub(super) token_file: Option<PathBuf>,
    /// The audiences that tokens may be for; by default those of the issuer. The
    /// `audiences` of services that accept it are added, and with `exchange` the server's
    /// `public_url`.
    pub(super) audiences: Option<BTreeSet<String>>,
    /// How long an answer is good; never past the token's `exp`.
    #[serde(default = "defaults::review_cache")]
    pub(super) cache: Time,
}

/// Where it is told who the peer of a request is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Peer {
    /// Who tells it.
    pub(super) from: PeerFrom,
    /// How many of your own proxies add an element to `x-forwarded-client-cert` after
    /// that of the caller; only with `from: xfcc`.
    #[serde(default)]
    pub(super) proxies: usize,
}

/// Who tells whose client certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PeerFrom {
    /// Envoy, of the connection to it. ext_authz must have `include_peer_certificate`.
    Tls,
    /// The header `x-forwarded-client-cert`. Every listener must be configured to make
    /// it or to remove it; whoever can send it past Envoy can be anybody.
    Xfcc,
}

/// How proofs of possession (DPoP, RFC 9449) are judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Dpop {
    /// How old a proof may be.
    pub(super) max_age: Time,
    /// How far its time may be ahead of ours.
    pub(super) max_ahead: Time,
    /// Whether a proof must have a nonce of ours, which shows that it was made just now.
    pub(super) nonce: Nonce,
    /// How many used proofs are remembered at most, about 100 bytes each. Were there
    /// more within `max_age`, further ones would be answered with 503.
    pub(super) remembered: usize,
}

/// Whether proofs must have a nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Nonce {
    /// They need none.
    #[default]
    Off,
    /// They must have one.
    Required,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            max_age: Time(Duration::from_mins(1)),
            max_ahead: Time(Duration::from_secs(5)),
            nonce: Nonce::Off,
            remembered: 1 << 19,
        }
    }
}

/// Whom an issuer names.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Principals {
    /// Automations: they call services.
    #[default]
    Agents,
    /// People: they approve.
    Humans,
}

/// A claim whose values are groups.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupClaim {
    /// The claim: a name, or a JSON Pointer.
    pub(super) claim: String,
    /// What is put before each value.
    pub(super) prefix: Option<String>,
}

/// How delegation chains are judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ChainRules {
    /// Which hops must be permitted.
    pub(super) enforce: EnforceHops,
    /// The most hops in a chain.
    pub(super) max_depth: usize,
    /// Where requests may carry a second credential, beside `Authorization`.
    pub(super) second_credential: Option<SecondCredential>,
}

/// Where requests may carry a second credential.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondCredential {
    /// The header, such as `Txn-Token`. It holds the token and nothing else.
    #[schemars(with = "String")]
    pub(super) header: Spanned<String>,
    /// What it holds.
    pub(super) holds: Holds,
}

/// What a second credential says.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holds {
    /// On whose behalf, through whom (a transaction token); `Authorization` says who
    /// calls.
    Subject,
    /// Who calls; `Authorization` says on whose behalf.
    Actor,
}

impl Default for ChainRules {
    fn default() -> Self {
        Self { enforce: EnforceHops::EveryHop, max_depth: 8, second_credential: None }
    }
}

/// Which hops must be permitted.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EnforceHops {
    /// Everyone in the chain.
    EveryHop,
    /// The one who calls.
    CurrentActor,
}

/// API keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApiKeys {
    /// A header that they may be in, such as `X-Api-Key`, besides `Authorization:
    /// Bearer`.
    #[schemars(with = "Option<String>")]
    pub(super) header: Option<Spanned<String>>,
}

/// Whether a service takes API keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ApiKeyUse {
    /// No.
    #[default]
    Refuse,
    /// Yes, as far as policies permit.
    Accept,
}

/// One service behind Envoy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// The hosts it answers to, without a port; `*.example.com` and `*` are allowed.
    pub(super) hosts: Vec<String>,
    /// The issuers, by alias, whose agents may call it; by default all of them.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) issuers: Option<Vec<Spanned<String>>>,
    /// The audiences that it accepts; by default those of the issuer.
    pub(super) audiences: Option<BTreeSet<String>>,
    /// Whether callers with API keys may call it, which are of no issuer.
    #[serde(default)]
    pub(super) api_keys: ApiKeyUse,
    /// What to read on which paths; other paths are plain HTTP.
    #[serde(default)]
    pub(super) routes: Vec<Route>,
    /// Paths with named segments, such as `/customers/{id}`: the resource of a request
    /// is the path as written here, and its segments are attributes.
    #[serde(default)]
    pub(super) paths: Vec<plan::PathTemplate>,
    /// What becomes of credentials on the way to the service: `remove`, `keep`,
    /// `own: {…}` or `token: {…}`.
    #[serde(default)]
    pub(super) upstream_credentials: UpstreamCredentials,
    /// How much a denial tells.
    #[serde(default)]
    pub(super) deny_details: DenyDetails,
    /// What to do with a response that should be masked and cannot be.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) on_unmaskable: OnUnmaskable,
    /// How long a request is held for its approval before it is told to come back.
    #[serde(default = "defaults::zero")]
    pub(super) approval_wait: Time,
    /// The URL at which callers know it, where Envoy sees another one: the DPoP proofs
    /// of callers name it.
    #[schemars(with = "Option<String>")]
    pub(super) external_url: Option<Spanned<String>>,
    /// What it is as an OAuth protected resource (RFC 9728): callers without a good
    /// token are told where to get one.
    pub(super) resource: Option<Resource>,
}

/// What becomes of credentials on the way to a service.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UpstreamCredentials {
    /// The caller's are kept from the service.
    #[default]
    Remove,
    /// The caller's go on as they are.
    Keep,
    /// The service gets its own in their place, which agents never hold.
    Own(OwnCredential),
    /// The service gets a short-lived token in their place that this server signs with
    /// the keys of `exchange`: who calls, for whom, and the decision.
    Token(UpstreamToken),
}

/// A token for a service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamToken {
    /// Its `aud`; by default the service's name.
    pub(super) audience: Option<String>,
    /// The header that it is sent in, without a scheme; by default `Txn-Token`.
    pub(super) header: Option<String>,
    /// How long it lives.
    #[serde(default = "defaults::upstream_token_lifetime")]
    pub(super) lifetime: Time,
}

/// A service's own credential: a file, or an environment variable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnCredential {
    /// A file that holds it; read again when it changes. Relative to the configuration
    /// file.
    pub(super) file: Option<PathBuf>,
    /// An environment variable that holds it.
    pub(super) env: Option<String>,
    /// The header that it is sent in; by default `Authorization`.
    pub(super) header: Option<String>,
    /// What stands before it in that header; by default `Bearer` in `Authorization`,
    /// and nothing elsewhere.
    pub(super) scheme: Option<String>,
}

/// An OAuth protected resource.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    /// The URL that its callers know it by.
    pub(super) url: String,
    /// The scopes that tokens for it may have.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    /// Its name, for people.
    pub(super) name: Option<String>,
    /// A page about it, for developers.
    pub(super) documentation: Option<String>,
}

/// One route of a service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// A path prefix that ends at a segment. Routes of one path are told apart by
    /// `methods` and `content_types`; a request that none of them takes does not pass.
    pub(super) path: String,
    /// The methods that it takes; by default every one.
    #[serde(default)]
    pub(super) methods: BTreeSet<String>,
    /// The media types that it takes, without parameters; by default every one.
    #[serde(default)]
    pub(super) content_types: BTreeSet<String>,
    /// How requests are read: the name of a protocol (`mcp`), or one with its settings
    /// (`sql: {dialect: …, statement: …}`).
    pub(super) inspect: ProtocolPlan,
    /// Sensitive data to look for in requests: `context.request.contains` in policies.
    pub(super) detect: Option<DetectPlan>,
    /// What becomes of requests for an upgrade, such as to WebSocket: `deny` or `allow`.
    #[serde(default)]
    pub(super) upgrades: Upgrades,
    /// Bounds of its own, over the general ones.
    pub(super) limits: Option<Limits>,
}

/// Bounds on what is read of a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// The largest body, in bytes, as it is sent; 64 KiB by default.
    body_bytes: Option<usize>,
    /// The largest body once it is decompressed, in bytes; 256 KiB by default, and not
    /// less than `body_bytes`.
    decoded_bytes: Option<usize>,
    /// The deepest nesting, 1 to 112; 64 by default.
    depth: Option<usize>,
    /// The most commands in one request; 64 by default.
    commands: Option<usize>,
}

impl Limits {
    /// These bounds, and `others` where there is none.
    pub(super) fn over(self, others: plan::Limits) -> plan::Limits {
        let body_bytes = self.body_bytes.unwrap_or(others.body_bytes);
        plan::Limits {
            body_bytes,
            decoded_bytes: self.decoded_bytes.unwrap_or(others.decoded_bytes.max(body_bytes)),
            depth: self.depth.unwrap_or(others.depth),
            commands: self.commands.unwrap_or(others.commands),
        }
    }
}

/// How much a denial tells the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DenyDetails {
    /// That it was denied.
    #[default]
    None,
    /// The ids of the policies that denied it as well.
    Policies,
}

/// What to mask.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Masking {
    /// Profiles by name, besides the built-in `pii`, `secrets` and `all`.
    #[schemars(with = "BTreeMap<String, ProfileSchema>")]
    pub(super) profiles: BTreeMap<String, Profile>,
}

/// Where the policies are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Policies {
    /// Files, and folders of `*.cedar` files. Relative to the configuration file.
    pub(super) paths: Vec<PathBuf>,
    /// How often they are looked at for changes.
    #[serde(default = "defaults::policy_reload")]
    pub(super) reload: Time,
}

/// How the filter reports outcomes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Outcomes {
    /// The Envoy cluster of `listen.grpc`.
    pub(super) cluster: String,
    /// How often a batch is sent.
    pub(super) interval: Time,
    /// How many outcomes send a batch early.
    pub(super) batch: usize,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self { cluster: "chaperone".into(), interval: Time(Duration::from_millis(500)), batch: 100 }
    }
}

/// Tokens that this server signs, in exchange for others (RFC 8693). Their issuer has
/// the alias `chaperone`; their `iss` is `public_url`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    /// The keys that sign them.
    pub(super) keys: SigningKeys,
    /// The audiences that tokens may be for: each is the name of a service, or one of
    /// its `audiences`.
    #[schemars(with = "Vec<String>")]
    pub(super) audiences: Vec<Spanned<String>>,
    /// Scopes that a token may get whose parent says nothing of scopes; by default
    /// none.
    #[serde(default)]
    pub(super) scopes: BTreeSet<String>,
    /// How long a token lives when nobody asks for less.
    #[serde(default = "defaults::token_lifetime")]
    pub(super) lifetime: Time,
    /// How long a token lives at most; by default `lifetime`.
    pub(super) max_lifetime: Option<Time>,
}

/// Where the keys are that sign tokens: one of `folder` and `file`. Files are PKCS#8
/// PEM, P-256 or Ed25519, readable by their owner only.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SigningKeys {
    /// A folder of `*.pem`; the newest signs. The first one is made when there is none.
    /// Relative to the configuration file.
    pub(super) folder: Option<PathBuf>,
    /// One file. Relative to the configuration file.
    pub(super) file: Option<PathBuf>,
    /// What new keys sign with: `ES256` or `EdDSA`.
    #[serde(default = "defaults::signing_algorithm")]
    #[schemars(with = "String")]
    pub(super) algorithm: Spanned<String>,
    /// How long a new key is published before it signs, which is how long others may
    /// keep the published keys.
    #[serde(default = "defaults::publish_ahead")]
    pub(super) publish_ahead: Time,
    /// How often the files are looked at for changes.
    #[serde(default = "defaults::policy_reload")]
    pub(super) reload: Time,
}

mod defaults {
    use super::{Duration, Spanned, Time};

    pub(super) fn facts_window() -> Time {
        Time(Duration::from_secs(5))
    }

    pub(super) fn leeway() -> Time {
        Time(Duration::from_secs(30))
    }

    pub(super) fn key_refresh() -> Time {
        Time(Duration::from_mins(5))
    }

    pub(super) fn key_max_stale() -> Time {
        Time(Duration::from_hours(24))
    }

    pub(super) fn introspection_timeout() -> Time {
        Time(Duration::from_millis(1500))
    }

    pub(super) fn remember_active() -> Time {
        Time(Duration::from_mins(1))
    }

    pub(super) fn remember_inactive() -> Time {
        Time(Duration::from_secs(5))
    }

    pub(super) fn review_cache() -> Time {
        Time(Duration::from_secs(30))
    }

    pub(super) fn upstream_token_lifetime() -> Time {
        Time(Duration::from_mins(1))
    }

    pub(super) fn token_lifetime() -> Time {
        Time(Duration::from_secs(90))
    }

    pub(super) fn publish_ahead() -> Time {
        Time(Duration::from_mins(5))
    }

    pub(super) fn signing_algorithm() -> Spanned<String> {
        let nowhere = serde_saphyr::Location::UNKNOWN;
        Spanned::new("ES256".to_owned(), nowhere, nowhere)
    }

    pub(super) fn policy_reload() -> Time {
        Time(Duration::from_secs(1))
    }

    pub(super) fn zero() -> Time {
        Time(Duration::ZERO)
    }
}

/// How a preset is written: its name.
fn preset_names(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": Preset::ALL.map(Preset::name) })
}

/// How [`Profile`] is written.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ProfileSchema {
    fields: Option<Vec<String>>,
    detectors: Option<Vec<String>>,
}
