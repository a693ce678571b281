//! The tokens that the server signs itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::error::{ConfigError, unknown};
use super::file;
use crate::identity::{Algorithm, IssuerSettings, IssuerUrl, KeySource, OwnKeys};
use crate::issuing::{ExchangeTerms, KeySettings, KeysError, KeysIn, SERVER, SigningKeys};
use crate::service::Service;
use crate::time::UnixMillis;
use crate::upstream::UpstreamCredentials;

/// The alias of the server as an issuer.
pub(super) const ALIAS: &str = "chaperone";

/// How far the clocks of two replicas may be apart.
const LEEWAY: Duration = Duration::from_secs(5);

/// How much longer a key is published than a token that it signed can live.
const MARGIN: Duration = Duration::from_mins(1);

/// The tokens that the server signs.
#[derive(Clone, Debug)]
pub struct ExchangeSettings {
    /// What they may be for.
    pub terms: ExchangeTerms,
    /// The keys that sign them.
    pub keys: KeySettings,
    /// The public halves of those, as the authenticator knows them.
    pub published: OwnKeys,
    /// How often the files of the keys are looked at.
    pub reload: Duration,
}

impl ExchangeSettings {
    /// Opens the keys; makes the first one of a folder that has none.
    pub fn open_keys(&self, now: UnixMillis) -> Result<SigningKeys, KeysError> {
        SigningKeys::open(self.keys.clone(), self.published.clone(), now)
    }

    /// Reads the keys, so that tokens that they signed can be verified; makes none.
    pub fn read_keys(&self, now: UnixMillis) -> Result<SigningKeys, KeysError> {
        SigningKeys::read(self.keys.clone(), self.published.clone(), now)
    }

    /// The server as an issuer. It may name anybody: its tokens say of each hop what was
    /// known of it when its own token was verified.
    pub(super) fn issuer(&self) -> Option<IssuerSettings> {
        let issuer = IssuerUrl::parse(&self.terms.server).ok()?;
        let keys = KeySource::Own(self.published.clone());
        Some(IssuerSettings {
            audiences: self.terms.everywhere(),
            algorithms: [Algorithm::Es256, Algorithm::EdDsa].into(),
            leeway: LEEWAY,
            max_lifetime: self.terms.max_lifetime,
            ..IssuerSettings::new(ALIAS.parse().ok()?, issuer, keys)
        })
    }
}

/// Resolves the section, and tells each of `services` which of these tokens are for it.
pub(super) fn resolve(
    written: file::Exchange,
    public_url: &str,
    folder: &Path,
    services: &mut BTreeMap<String, Service>,
    errors: &mut Vec<ConfigError>,
) -> Option<ExchangeSettings> {
    if services.contains_key(SERVER) {
        errors.push(ConfigError::general(format!(
            "services.{SERVER}: with `exchange`, this is the server itself in policies; take \
             another name"
        )));
    }
    let audiences = audiences(&written, services, errors);
    for service in services.values_mut() {
        let of_service = audiences.iter().filter(|(_, name)| **name == service.name);
        let own: BTreeSet<String> = of_service.map(|(audience, _)| audience.clone()).collect();
        service.acceptance.own = Some(own);
    }
    let max_lifetime = written.max_lifetime.unwrap_or(written.lifetime).0;
    if written.lifetime.0 > max_lifetime || max_lifetime > Duration::from_hours(1) {
        errors.push(ConfigError::general(
            "exchange: a token lives for `lifetime`, at most `max_lifetime`, at most 1h",
        ));
    }
    for service in services.values() {
        if let UpstreamCredentials::Token(token) = &service.upstream
            && token.lifetime > max_lifetime
        {
            errors.push(ConfigError::general(format!(
                "services.{}.upstream_credentials: a token lives at most as long as \
                 exchange.max_lifetime",
                service.name
            )));
        }
    }
    let keys = key_settings(&written.keys, folder, max_lifetime, errors)?;
    Some(ExchangeSettings {
        terms: ExchangeTerms {
            server: public_url.to_owned(),
            audiences,
            scopes: written.scopes,
            lifetime: written.lifetime.0,
            max_lifetime,
        },
        keys,
        published: OwnKeys::default(),
        reload: written.keys.reload.0.max(Duration::from_millis(50)),
    })
}

/// The audiences, and the service that each is of.
fn audiences(
    written: &file::Exchange,
    services: &BTreeMap<String, Service>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<String, String> {
    let signs_for = |service: &Service| matches!(service.upstream, UpstreamCredentials::Token(_));
    if written.audiences.is_empty() && !services.values().any(signs_for) {
        errors
            .push(ConfigError::general("exchange.audiences is empty; tokens would be for nobody"));
    }
    let mut found = BTreeMap::new();
    for audience in &written.audiences {
        let name = &audience.value;
        let has = |service: &&Service| {
            service.acceptance.audiences.as_ref().is_some_and(|accepted| accepted.contains(name))
        };
        let mut having = services.values().filter(has);
        let service = match (services.get(name), having.next(), having.next()) {
            (Some(service), _, _) | (None, Some(service), None) => service,
            (None, None, _) => {
                let known: Vec<_> = services.keys().map(String::as_str).collect();
                errors.push(ConfigError::at(audience, unknown("audience", name, &known)));
                continue;
            }
            (None, Some(_), Some(_)) => {
                errors.push(ConfigError::at(
                    audience,
                    format!("`{name}` is an audience of several services; a token is for one"),
                ));
                continue;
            }
        };
        found.insert(name.clone(), service.name.clone());
    }
    found
}

fn key_settings(
    written: &file::SigningKeys,
    folder: &Path,
    max_lifetime: Duration,
    errors: &mut Vec<ConfigError>,
) -> Option<KeySettings> {
    let algorithm = written.algorithm.value.parse().map_err(|error| {
        errors.push(ConfigError::at(&written.algorithm, format!("{error}")));
    });
    let place = match (&written.folder, &written.file) {
        (Some(keys), None) => KeysIn::Folder(folder.join(keys)),
        (None, Some(file)) => KeysIn::File(folder.join(file)),
        _ => {
            errors.push(ConfigError::general("exchange.keys: write one of folder and file"));
            return None;
        }
    };
    Some(KeySettings {
        place,
        algorithm: algorithm.ok()?,
        publish_ahead: written.publish_ahead.0,
        linger: max_lifetime + LEEWAY + MARGIN,
    })
}
