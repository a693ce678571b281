//! Who signs tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde_saphyr::Spanned;
use zeroize::Zeroizing;

use super::error::{ConfigError, unknown};
use super::file;
use crate::identity::{
    Algorithm, ClientSecret, GroupClaim, IntrospectionSettings, IssuerAlias, IssuerSettings,
    IssuerUrl, JwkSet, JwksUrl, KeySource, PrincipalKind,
};

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
        let issuer = IssuerUrl::parse(&written.issuer.value)
            .map_err(|error| self.errors.push(ConfigError::at(&written.issuer, error.to_string())))
            .ok();
        let keys = issuer.as_ref().and_then(|issuer| {
            let asked = written.introspection.is_some();
            let keys = key_source(&written.keys, asked, issuer, self.folder);
            keys.map_err(|message| self.error(&format!("keys: {message}"))).ok()
        });
        let settings = IssuerSettings {
            alias,
            audiences: written.audiences,
            algorithms: self.algorithms(&written.algorithms),
            kind: match written.principals {
                file::Principals::Agents => PrincipalKind::Agent,
                file::Principals::Humans => PrincipalKind::Human,
            },
            groups: self.group_claims(&written.groups),
            may_attest: configured(&written.may_attest, self.aliases, self.errors),
            trust_domain: self.parsed(written.trust_domain.as_ref()),
            require_proof: written.require_proof,
            peer_binding: self.parsed(written.peer_binding.as_ref()),
            leeway: written.leeway.0,
            max_lifetime: written.max_lifetime.0,
            refresh: written.refresh.0,
            max_stale: written.max_stale.0,
            introspection: written.introspection.and_then(|written| self.introspection(&written)),
            issuer: issuer?,
            keys: keys?,
        };
        Some(settings)
    }

    fn algorithms(&mut self, written: &[Spanned<String>]) -> BTreeSet<Algorithm> {
        let mut algorithms = BTreeSet::new();
        for name in written {
            match name.value.parse() {
                Ok(algorithm) => drop(algorithms.insert(algorithm)),
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

fn key_source(
    written: &file::IssuerKeys,
    asked: bool,
    issuer: &IssuerUrl,
    folder: &Path,
) -> Result<KeySource, String> {
    if written.certificates_only {
        return match (&written.jwks_url, &written.jwks_file, &written.jwks) {
            (None, None, None) => Ok(KeySource::Unsigned),
            _ => Err("with certificates_only there are no others".to_owned()),
        };
    }
    match (&written.jwks_url, &written.jwks_file, &written.jwks) {
        (None, None, None) if asked => Ok(KeySource::Unsigned),
        (None, None, None) => KeySource::discovery(issuer).map_err(|error| {
            format!("{error}; or say where they are: jwks_url, jwks_file or jwks")
        }),
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
