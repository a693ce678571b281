//! Who signs tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde_saphyr::Spanned;
use zeroize::Zeroizing;

use super::error::{ConfigError, unknown};
use super::value::Time;
use super::{exchange, file, token_review};
use crate::identity::{
    Algorithm, AttributeClaim, AttributeForm, ClientSecret, FetchSettings, GroupClaim, InCluster,
    IntrospectionSettings, IssuerAlias, IssuerSettings, IssuerUrl, JwkSet, JwksUrl, KeySource,
    Preset, PresetIssuer, PrincipalKind, PrivateAddresses, TokenProfile, TrustDomain,
};

/// What an issuer signs with and how long its tokens live when nothing says otherwise.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
const MAX_LIFETIME: Duration = Duration::from_hours(1);
/// A fetch that may take longer would keep keys from being refreshed.
const MAX_FETCH_TIMEOUT: Duration = Duration::from_mins(1);
/// A document is held in memory, and read by a thread that has other work.
const MAX_FETCH_BYTES: usize = 16 * 1024 * 1024;
/// Longer than any caller waits.
const MAX_INTROSPECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a token may be good here after its issuer has revoked it.
const MAX_REMEMBERED_ACTIVE: Duration = Duration::from_mins(15);
/// How long a new token may be bad here because it was tried too early.
const MAX_REMEMBERED_INACTIVE: Duration = Duration::from_mins(1);

/// Resolves every issuer.
pub(super) fn resolve(
    written: BTreeMap<String, file::Issuer>,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Vec<IssuerSettings> {
    if written.is_empty() {
        errors.push(ConfigError::general("issuers is empty; nobody could call"));
    }
    if written.contains_key(IssuerAlias::API_KEYS) {
        let alias = IssuerAlias::API_KEYS;
        errors.push(ConfigError::general(format!(
            "issuers.{alias}: this alias is that of API keys; take another"
        )));
    }
    let aliases: Vec<String> = written.keys().cloned().collect();
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    if aliases.contains(&exchange::ALIAS) {
        errors.push(ConfigError::general(format!(
            "issuers.{}: this is the server's own alias; take another",
            exchange::ALIAS
        )));
    }
    written
        .into_iter()
        .filter_map(|(alias, issuer)| {
            let name = alias.parse().map_err(|error| {
                errors.push(ConfigError::general(format!("issuers.{alias}: {error}")));
            });
            Resolver { alias: &alias, aliases: &aliases, folder, errors }.issuer(name.ok()?, issuer)
        })
        .collect()
}

/// The issuers that `written` names, which must be among `aliases`.
pub(super) fn configured(
    written: &[Spanned<String>],
    aliases: &[&str],
    errors: &mut Vec<ConfigError>,
) -> BTreeSet<IssuerAlias> {
    let mut configured = BTreeSet::new();
    for alias in written {
        match alias.value.parse() {
            Ok(parsed) if aliases.contains(&alias.value.as_str()) => {
                configured.insert(parsed);
            }
            _ => errors.push(ConfigError::at(alias, unknown("issuer", &alias.value, aliases))),
        }
    }
    configured
}

struct Resolver<'a> {
    alias: &'a str,
    aliases: &'a [&'a str],
    folder: &'a Path,
    errors: &'a mut Vec<ConfigError>,
}

impl Resolver<'_> {
    fn issuer(&mut self, alias: IssuerAlias, written: file::Issuer) -> Option<IssuerSettings> {
        let preset = match &written.preset {
            Some(name) => Some(self.preset(name)?),
            None => None,
        };
        let profile = self.profile(preset, written.trust_domain.as_ref())?;
        let issuer = self.issuer_url(preset, &profile, written.issuer.as_ref());
        let keys = issuer.as_ref().and_then(|issuer| {
            let asked = written.introspection.is_some();
            let keys = match &written.keys {
                file::IssuerKeys {
                    token_review: Some(review),
                    jwks_url: None,
                    jwks_file: None,
                    jwks: None,
                    certificates_only: false,
                } => token_review::source(review, preset, &written.audiences, self.folder),
                keys => key_source(keys, asked, issuer, preset, self.folder),
            };
            keys.map_err(|message| self.error(&format!("keys: {message}"))).ok()
        });
        // Of the cluster that we run in, our pod has what it takes to ask.
        let discovered = matches!(
            &written.keys,
            file::IssuerKeys { jwks_url: None, jwks_file: None, jwks: None, .. }
        );
        let cluster = issuer
            .as_ref()
            .filter(|_| discovered)
            .and_then(|issuer| preset?.in_cluster(issuer.as_str()));
        let leeway = written.leeway.0;
        let settings = IssuerSettings {
            alias,
            audiences: written.audiences,
            algorithms: match &written.algorithms {
                Some(written) => self.algorithms(written),
                None => preset.map_or(&ALGORITHMS[..], |preset| preset.spec().algorithms).to_vec(),
            }
            .into_iter()
            .collect(),
            kind: match written.principals {
                file::Principals::Agents => PrincipalKind::Agent,
                file::Principals::Humans => PrincipalKind::Human,
            },
            groups: match &written.groups {
                Some(written) => self.group_claims(written),
                None if written.keys.token_review.is_some() => token_review::groups(),
                None => preset.map(Preset::groups).unwrap_or_default(),
            },
            attributes: self.attributes(preset, &written.attributes),
            preset,
            may_attest: configured(&written.may_attest, self.aliases, self.errors),
            trust_domain: self.parsed(written.trust_domain.as_ref()),
            require_proof: written.require_proof,
            peer_binding: self.parsed(written.peer_binding.as_ref()),
            leeway,
            max_lifetime: max_lifetime(preset, &profile, written.max_lifetime, leeway),
            profile,
            refresh: written.refresh.0,
            max_stale: written.max_stale.0,
            fetch: self.fetch(written.fetch, cluster),
            introspection: written.introspection.and_then(|written| self.introspection(&written)),
            issuer: issuer?,
            keys: keys?,
        };
        Some(settings)
    }

    fn preset(&mut self, written: &Spanned<String>) -> Option<Preset> {
        let preset = written.value.parse();
        let unknown = || unknown("preset", &written.value, &Preset::ALL.map(Preset::name));
        preset.map_err(|_| self.errors.push(ConfigError::at(written, unknown()))).ok()
    }

    fn profile(
        &mut self,
        preset: Option<Preset>,
        trust_domain: Option<&Spanned<String>>,
    ) -> Option<TokenProfile> {
        match (preset, trust_domain) {
            (Some(Preset::Spiffe), Some(written)) => {
                let domain = written.value.parse::<TrustDomain>();
                let domain = domain.map_err(|error| {
                    self.errors.push(ConfigError::at(written, error.to_string()));
                });
                domain.ok().map(TokenProfile::JwtSvid)
            }
            (Some(Preset::Spiffe), None) => {
                self.error(
                    "trust_domain is missing; it is what comes after spiffe:// in a SPIFFE ID",
                );
                None
            }
            (Some(Preset::Kubernetes), _) => Some(TokenProfile::ServiceAccount),
            (_, _) => Some(TokenProfile::Plain),
        }
    }

    /// The issuer that is written, or the one that the preset knows.
    fn issuer_url(
        &mut self,
        preset: Option<Preset>,
        profile: &TokenProfile,
        written: Option<&Spanned<String>>,
    ) -> Option<IssuerUrl> {
        if let Some(written) = written {
            let issuer = IssuerUrl::parse(&written.value);
            return issuer
                .map_err(|error| self.errors.push(ConfigError::at(written, error.to_string())))
                .ok();
        }
        let known = match (profile, preset.map(|preset| preset.spec().issuer)) {
            (TokenProfile::JwtSvid(domain), _) => format!("spiffe://{domain}"),
            (_, Some(PresetIssuer::Usually(issuer))) => issuer.to_owned(),
            (_, Some(PresetIssuer::Like(example))) => {
                self.error(&format!("issuer is missing; it looks like {example}"));
                return None;
            }
            (_, Some(PresetIssuer::TrustDomain) | None) => {
                self.error("issuer is missing; it is the `iss` of its tokens");
                return None;
            }
        };
        IssuerUrl::parse(&known).map_err(|error| self.error(&format!("issuer: {error}"))).ok()
    }

    /// The preset's attributes and, after them, those that are written.
    fn attributes(
        &mut self,
        preset: Option<Preset>,
        written: &BTreeMap<String, Option<String>>,
    ) -> Vec<AttributeClaim> {
        let mut attributes = preset.map(Preset::attributes).unwrap_or_default();
        attributes.retain(|attribute| !written.contains_key(attribute.name()));
        for (name, claim) in written {
            let Some(claim) = claim else { continue };
            match AttributeClaim::parse(name, claim, AttributeForm::Scalar) {
                Ok(attribute) => attributes.push(attribute),
                Err(error) => self.error(&format!("attributes.{name}: {error}")),
            }
        }
        attributes
    }

    fn algorithms(&mut self, written: &[Spanned<String>]) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for name in written {
            match name.value.parse() {
                Ok(algorithm) => algorithms.push(algorithm),
                Err(error) => self.errors.push(ConfigError::at(name, format!("{error}"))),
            }
        }
        algorithms
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, written: Option<&Spanned<String>>) -> Option<T> {
        let written = written?;
        let parsed = written.value.parse().map_err(|error| {
            self.errors.push(ConfigError::at(written, format!("`{}`: {error}", written.value)));
        });
        parsed.ok()
    }

    fn fetch(&mut self, written: file::Fetch, cluster: Option<InCluster>) -> FetchSettings {
        let file::Fetch { timeout, max_bytes, max_keys, private_addresses, .. } = written;
        if timeout.0.is_zero() || timeout.0 > MAX_FETCH_TIMEOUT {
            self.error("fetch.timeout is not from 1ms to 1m");
        }
        if !(1..=MAX_FETCH_BYTES).contains(&max_bytes) {
            self.error(&format!("fetch.max_bytes is not from 1 to {MAX_FETCH_BYTES}"));
        }
        if max_keys == 0 {
            self.error("fetch.max_keys is 0; no key would be fetched");
        }
        FetchSettings {
            timeout: timeout.0,
            max_bytes,
            max_keys,
            private_addresses: match (private_addresses, cluster) {
                (Some(file::PrivateAddresses::Allow), _) | (None, Some(_)) => {
                    PrivateAddresses::Allow
                }
                (Some(file::PrivateAddresses::Deny) | None, _) => PrivateAddresses::Deny,
            },
            ca_file: written
                .ca_file
                .map(|file| self.folder.join(file))
                .or_else(|| pod_file(cluster?.ca_file)),
            token_file: written
                .token_file
                .map(|file| self.folder.join(file))
                .or_else(|| pod_file(cluster?.token_file)),
        }
    }

    fn group_claims(&mut self, written: &[file::GroupClaim]) -> Vec<GroupClaim> {
        let parse = |group: &file::GroupClaim| {
            GroupClaim::parse(&group.claim, group.prefix.as_deref())
                .map_err(|error| self.error(&format!("groups: {error}")))
                .ok()
        };
        written.iter().filter_map(parse).collect()
    }

    fn introspection(&mut self, written: &file::Introspection) -> Option<IntrospectionSettings> {
        let url = JwksUrl::parse(&written.url.value).map_err(|_| {
            let message = "introspection is asked by https, or by http on a loopback address, \
                           with no user name in the URL";
            self.errors.push(ConfigError::at(&written.url, message));
        });
        let secret = client_secret(written, self.folder)
            .map_err(|message| self.error(&format!("introspection: {message}")));
        if let Some(prefix) = &written.prefix
            && let Err(message) = check_prefix(prefix)
        {
            self.error(&format!("introspection.prefix: {message}"));
        }
        for (name, time, most) in [
            ("timeout", written.timeout, MAX_INTROSPECTION_TIMEOUT),
            ("remember_active", written.remember_active, MAX_REMEMBERED_ACTIVE),
            ("remember_inactive", written.remember_inactive, MAX_REMEMBERED_INACTIVE),
        ] {
            if time.0 > most || (name == "timeout" && time.0.is_zero()) {
                self.error(&format!("introspection.{name} is at most {} s", most.as_secs()));
            }
        }
        Some(IntrospectionSettings {
            url: url.ok()?,
            client_id: written.client_id.clone(),
            client_secret: secret.ok()?,
            prefix: written.prefix.clone(),
            timeout: written.timeout.0,
            remember_active: written.remember_active.0,
            remember_inactive: written.remember_inactive.0,
        })
    }

    fn error(&mut self, message: &str) {
        self.errors.push(ConfigError::general(format!("issuers.{}.{message}", self.alias)));
    }
}

/// What the kubelet asks for, an issuer's clock may stretch by the leeway.
fn max_lifetime(
    preset: Option<Preset>,
    profile: &TokenProfile,
    written: Option<Time>,
    leeway: Duration,
) -> Duration {
    let known = preset.map_or(MAX_LIFETIME, |preset| preset.spec().max_lifetime);
    match (written, profile) {
        (Some(Time(written)), _) => written,
        (None, TokenProfile::ServiceAccount) => known.saturating_add(leeway),
        (None, _) => known,
    }
}

/// A file that every pod has. A configuration is also checked where there is no pod;
/// what needs the file there would fail, and say so.
fn pod_file(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.exists())
}

fn key_source(
    written: &file::IssuerKeys,
    asked: bool,
    issuer: &IssuerUrl,
    preset: Option<Preset>,
    folder: &Path,
) -> Result<KeySource, String> {
    if written.certificates_only {
        return match (&written.jwks_url, &written.jwks_file, &written.jwks, &written.token_review) {
            (None, None, None, None) => Ok(KeySource::Unsigned),
            _ => Err("with certificates_only there are no others".to_owned()),
        };
    }
    if written.token_review.is_some() {
        return Err("write one of jwks_url, jwks_file, jwks and token_review".to_owned());
    }
    match (&written.jwks_url, &written.jwks_file, &written.jwks) {
        (None, None, None) if asked => Ok(KeySource::Unsigned),
        (None, None, None) => match preset.and_then(|preset| preset.in_cluster(issuer.as_str())) {
            Some(cluster) => JwksUrl::parse(cluster.jwks_url).map(KeySource::url),
            None => KeySource::discovery(issuer),
        }
        .map_err(|error| format!("{error}; or say where they are: jwks_url, jwks_file or jwks")),
        (Some(url), None, None) => {
            JwksUrl::parse(url).map(KeySource::url).map_err(|error| format!("jwks_url: {error}"))
        }
        (None, Some(path), None) => {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let keys = JwkSet::parse(&text);
            keys.map(KeySource::Document).map_err(|error| format!("{}: {error}", path.display()))
        }
        (None, None, Some(document)) => JwkSet::from_json(document.clone())
            .map(KeySource::Document)
            .map_err(|error| format!("jwks: {error}")),
        _ => Err("write one of jwks_url, jwks_file and jwks".to_owned()),
    }
}

fn client_secret(written: &file::Introspection, folder: &Path) -> Result<ClientSecret, String> {
    let text = match (&written.client_secret_file, &written.client_secret_env) {
        (Some(path), None) => {
            let path = folder.join(path);
            std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?
        }
        (None, Some(name)) => std::env::var(name)
            .map_err(|_| format!("the environment variable {name} is not set"))?,
        _ => return Err("write either client_secret_file or client_secret_env".to_owned()),
    };
    let text = Zeroizing::new(text);
    ClientSecret::new(text.trim()).ok_or_else(|| "the client secret is empty".to_owned())
}

fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if prefix.is_empty() || !prefix.bytes().all(allowed) {
        return Err("a prefix is made of what tokens are made of, such as `opq_`");
    }
    if prefix.starts_with("chp_") {
        return Err("`chp_` is what API keys begin with; take another");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
