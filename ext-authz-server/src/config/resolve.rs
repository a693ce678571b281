//! From what is written to what is meant: names resolved, files read, everything
//! checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::Inspector;
use chaperone_inspection::mask::CompiledProfile;
use chaperone_inspection::mask::profile::Profile;
use chaperone_inspection::plan::{Limits, OutcomesConfig, Plan, PluginConfig};
use chaperone_inspection::seal::FactsKey;
use serde_saphyr::Spanned;

use super::error::{ConfigError, ConfigErrors};
use super::exchange::ExchangeSettings;
use super::{exchange, file, issuers, keys, proofs, services};
use crate::identity::{
    Authenticator, AuthenticatorSettings, GroupName, GroupPatterns, HeaderName, HeaderNameError,
    Holds, IssuerAlias, IssuerSettings, KeySource, PrincipalPattern, SecondCredential,
    SettingsError,
};
use crate::issuing::SERVER;
use crate::policy::{Enforce, Known, PolicySources, ProfileName};
use crate::service::Service;
use crate::store::{Durability, SqliteStore, StoreError};
use crate::upstream::UpstreamCredentials;

/// A configuration in which every name resolves and every part can be built.
#[derive(Debug)]
pub struct Config {
    /// Where the server listens.
    pub listen: ListenAddresses,
    /// The base of the URLs in answers, without a slash at its end.
    pub public_url: String,
    /// Where decisions and approvals are kept.
    pub storage: StorageSettings,
    /// The keys that facts are sealed with: the first seals, any opens.
    pub facts_keys: Arc<[FactsKey]>,
    /// How old facts may be when they arrive.
    pub facts_window: Duration,
    /// How it is told who calls.
    pub identity: AuthenticatorSettings,
    /// Which hops must be permitted.
    pub enforce: Enforce,
    /// What stands behind Envoy, by name.
    pub services: BTreeMap<String, Service>,
    /// Which requests are read, as what.
    pub plan: Plan,
    /// The masking profiles, the built-in ones among them.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// Where the policies are.
    pub policies: PolicySettings,
    /// How the filter reports outcomes.
    pub outcomes: OutcomesConfig,
    /// The tokens that the server signs; `None` when it signs none.
    pub exchange: Option<ExchangeSettings>,
}

/// Where the server listens.
#[derive(Clone, Copy, Debug)]
pub struct ListenAddresses {
    /// For Envoy.
    pub grpc: SocketAddr,
    /// For people and probes.
    pub http: SocketAddr,
}

/// Where decisions and approvals are kept.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// The SQLite file.
    pub path: PathBuf,
    /// What a decision survives before it is answered.
    pub durability: Durability,
}

/// Where the policies are and how often they are looked at.
#[derive(Clone, Debug)]
pub struct PolicySettings {
    /// Files, and folders of `*.cedar` files.
    pub paths: Vec<PathBuf>,
    /// How often they are looked at.
    pub reload: Duration,
}

impl Config {
    /// Reads and checks the configuration file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigErrors::new(path, vec![ConfigError::general(format!("cannot be read: {error}"))])
        })?;
        let written: file::File = serde_saphyr::from_str(&text)
            .map_err(|error| ConfigErrors::new(path, vec![ConfigError::yaml(&error)]))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut errors = Vec::new();
        let config = resolve(written, folder, &mut errors);
        if errors.is_empty()
            && let Err(error) = config.authenticator()
        {
            errors.push(ConfigError::general(format!("issuers: {error}")));
        }
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors::new(path, errors)) }
    }

    /// The masking profile of that name.
    pub fn profile(&self, name: &str) -> Option<Profile> {
        self.profiles.get(&ProfileName(name.to_owned())).cloned()
    }

    /// What the filter is configured with. It holds the facts keys.
    pub fn plugin_config(&self) -> PluginConfig {
        PluginConfig {
            plan: self.plan.clone(),
            facts_keys: self.facts_keys.to_vec(),
            outcomes: self.outcomes.clone(),
        }
    }

    /// Who can tell who calls; it knows no published keys before it is started. The
    /// error can only be about this system: the settings were checked at load.
    pub fn authenticator(&self) -> Result<Authenticator, SettingsError> {
        Authenticator::new(self.identity.clone())
    }

    /// Where the policies are.
    pub fn policy_sources(&self) -> PolicySources {
        PolicySources { paths: self.policies.paths.clone() }
    }

    /// What policies may name.
    pub fn policy_names(&self) -> Known {
        Known {
            profiles: self.profiles.keys().cloned().collect(),
            services: self
                .services
                .keys()
                .cloned()
                .chain(self.exchange.as_ref().map(|_| SERVER.to_owned()))
                .collect(),
        }
    }

    /// Opens the store; makes it when there is none.
    pub fn open_store(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.storage.path, self.storage.durability)
    }
}

fn resolve(written: file::File, folder: &Path, errors: &mut Vec<ConfigError>) -> Config {
    let public_url = public_url(written.public_url, written.listen.http, errors);
    let mut issuers = issuers::resolve(written.issuers, folder, errors);
    let has_exchange = written.exchange.is_some();
    let own = has_exchange.then_some(exchange::ALIAS);
    let aliases: Vec<String> =
        issuers.iter().map(|issuer| issuer.alias.as_str()).chain(own).map(str::to_owned).collect();
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    let limits = written.limits.over(Limits::default());
    let mut resolved = services::resolve(
        written.services,
        &aliases,
        &issuers,
        has_exchange.then_some(public_url.as_str()),
        limits,
        folder,
        errors,
    );
    let facts_keys = keys::facts_keys(&written.keys.facts, folder, errors);
    let exchange = written.exchange.and_then(|written| {
        exchange::resolve(written, &public_url, folder, &mut resolved.services, errors)
    });
    if let Some(exchange) = &exchange {
        issuers.extend(exchange.issuer());
    } else if !has_exchange {
        for service in resolved.services.values() {
            if matches!(service.upstream, UpstreamCredentials::Token(_)) {
                errors.push(ConfigError::general(format!(
                    "services.{}.upstream_credentials: tokens are signed with the keys of \
                     `exchange`, which is not there",
                    service.name
                )));
            }
        }
    }
    review_audiences(&mut issuers, &resolved.services, exchange.as_ref().map(|_| &*public_url));
    let second = second_credential(written.chain.second_credential, errors);
    let plan = Plan { services: resolved.plans, limits };
    if let Err(error) = Inspector::new(plan.clone()) {
        errors.push(ConfigError::general(format!("services: {error}")));
    }
    Config {
        public_url,
        listen: ListenAddresses { grpc: written.listen.grpc, http: written.listen.http },
        storage: StorageSettings {
            path: folder.join(written.storage.sqlite.path),
            durability: match written.storage.sqlite.durability {
                file::Durability::Full => Durability::Full,
                file::Durability::Normal => Durability::Normal,
            },
        },
        facts_window: written.keys.facts_window.0,
        identity: AuthenticatorSettings {
            groups: groups(written.groups, &aliases, errors),
            max_depth: written.chain.max_depth,
            api_key_header: api_key_header(written.api_keys.header, second.as_ref(), errors),
            second,
            peer: proofs::peer(written.peer.as_ref(), errors),
            proofs: proofs::settings(&written.dpop, &facts_keys, errors),
            issuers,
        },
        facts_keys: facts_keys.into(),
        enforce: match written.chain.enforce {
            file::EnforceHops::EveryHop => Enforce::EveryHop,
            file::EnforceHops::CurrentActor => Enforce::CurrentActor,
        },
        services: resolved.services,
        profiles: profiles(written.masking, errors),
        policies: policies(&written.policies, folder, errors),
        outcomes: OutcomesConfig {
            cluster: written.outcomes.cluster,
            interval_ms: u64::try_from(written.outcomes.interval.0.as_millis()).unwrap_or(u64::MAX),
            batch: written.outcomes.batch.max(1),
        },
        exchange,
        plan,
    }
}

/// Has tokens reviewed for whatever a token of their issuer may be for besides: an API
/// server vouches only for the audiences that it is asked about.
fn review_audiences(
    issuers: &mut [IssuerSettings],
    services: &BTreeMap<String, Service>,
    exchange: Option<&str>,
) {
    for IssuerSettings { alias, keys, .. } in issuers {
        let KeySource::Review(review) = keys else { continue };
        let accepting = services.values().map(|service| &service.acceptance).filter(|acceptance| {
            acceptance.issuers.as_ref().is_none_or(|issuers| issuers.contains(alias))
        });
        let accepted = accepting.filter_map(|acceptance| acceptance.audiences.as_ref()).flatten();
        review.audiences.extend(accepted.cloned().chain(exchange.map(str::to_owned)));
    }
}

fn second_credential(
    written: Option<file::SecondCredential>,
    errors: &mut Vec<ConfigError>,
) -> Option<SecondCredential> {
    let file::SecondCredential { header, holds } = written?;
    let name = header.value.parse().map_err(|error: HeaderNameError| {
        errors.push(ConfigError::at(&header, format!("`{}`: {error}", header.value)));
    });
    let holds = match holds {
        file::Holds::Subject => Holds::Subject,
        file::Holds::Actor => Holds::Actor,
    };
    Some(SecondCredential { header: name.ok()?, holds })
}

fn api_key_header(
    written: Option<Spanned<String>>,
    second: Option<&SecondCredential>,
    errors: &mut Vec<ConfigError>,
) -> Option<HeaderName> {
    let written = written?;
    let name: HeaderName = written
        .value
        .parse()
        .map_err(|error: HeaderNameError| {
            errors.push(ConfigError::at(&written, format!("`{}`: {error}", written.value)));
        })
        .ok()?;
    if second.is_some_and(|second| second.header == name) {
        let message = format!("`{}` holds the second credential already", written.value);
        errors.push(ConfigError::at(&written, message));
    }
    Some(name)
}

fn public_url(written: Option<String>, http: SocketAddr, errors: &mut Vec<ConfigError>) -> String {
    let url = written.unwrap_or_else(|| format!("http://{http}"));
    let known = url.starts_with("https://") || url.starts_with("http://");
    if !known || reqwest::Url::parse(&url).is_err() {
        errors.push(ConfigError::general(format!(
            "public_url `{url}` is not an http or https URL, such as https://chaperone.example"
        )));
    }
    url.trim_end_matches('/').to_owned()
}

fn groups(
    written: BTreeMap<String, Vec<Spanned<String>>>,
    aliases: &[&str],
    errors: &mut Vec<ConfigError>,
) -> GroupPatterns {
    let mut groups = BTreeMap::new();
    for (name, patterns) in written {
        let parsed = patterns.iter().filter_map(|pattern| {
            principal_pattern(&pattern.value, aliases)
                .map_err(|message| errors.push(ConfigError::at(pattern, message)))
                .ok()
        });
        let parsed: Vec<_> = parsed.collect();
        match name.parse::<GroupName>() {
            Ok(group) => drop(groups.insert(group, parsed)),
            Err(error) => errors.push(ConfigError::general(format!("groups.{name}: {error}"))),
        }
    }
    GroupPatterns::new(groups)
}

/// A pattern of an issuer that is not there would match nobody. API keys are of none.
fn principal_pattern(text: &str, aliases: &[&str]) -> Result<PrincipalPattern, String> {
    let pattern: PrincipalPattern = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
    match pattern.issuer() {
        Some(alias) if alias.as_str() == IssuerAlias::API_KEYS => Ok(pattern),
        Some(alias) if !aliases.contains(&alias.as_str()) => {
            Err(super::error::unknown("issuer", alias.as_str(), aliases))
        }
        _ => Ok(pattern),
    }
}

fn profiles(
    written: file::Masking,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<ProfileName, Profile> {
    let mut profiles: BTreeMap<_, _> = Profile::BUILT_IN
        .iter()
        .filter_map(|name| Some((ProfileName((*name).to_owned()), Profile::built_in(name)?)))
        .collect();
    for (name, profile) in written.profiles {
        if let Err(error) = CompiledProfile::new(&profile) {
            errors.push(ConfigError::general(format!("masking.profiles.{name}: {error}")));
        }
        if profiles.insert(ProfileName(name.clone()), profile).is_some() {
            errors.push(ConfigError::general(format!(
                "masking.profiles.{name}: this name is built in; take another"
            )));
        }
    }
    profiles
}

fn policies(
    written: &file::Policies,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> PolicySettings {
    let paths: Vec<_> = written.paths.iter().map(|path| folder.join(path)).collect();
    if paths.is_empty() {
        errors.push(ConfigError::general(
            "policies.paths is empty; without policies nothing is allowed",
        ));
    }
    for path in paths.iter().filter(|path| !path.exists()) {
        errors.push(ConfigError::general(format!(
            "policies.paths: {} does not exist",
            path.display()
        )));
    }
    PolicySettings { paths, reload: written.reload.0.max(Duration::from_millis(50)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reviewed_for(exchange: &str) -> Vec<String> {
        let yaml = format!(
            "listen: {{ grpc: 127.0.0.1:0, http: 127.0.0.1:0 }}
public_url: https://chaperone.example/
storage: {{ sqlite: {{ path: a.db }} }}
keys: {{ facts: [] }}
issuers:
  k8s:
    issuer: https://kubernetes.example
    audiences: [customers]
    keys: {{ token_review: {{ url: 'https://10.0.0.1:6443' }} }}
  ci: {{ issuer: 'https://ci.example', audiences: [ci] }}
services:
  customers: {{ hosts: [customers.example] }}
  orders: {{ hosts: [orders.example], audiences: [orders, sales] }}
  pods: {{ hosts: [pods.example], issuers: [k8s], audiences: [pods] }}
  builds: {{ hosts: [builds.example], issuers: [ci], audiences: [builds] }}
policies: {{ paths: [] }}
{exchange}"
        );
        let written = serde_saphyr::from_str(&yaml).unwrap();
        // Files that are not there do not matter here.
        let config = resolve(written, Path::new(""), &mut Vec::new());
        assert_eq!(config.exchange.is_some(), !exchange.is_empty());
        match &config.identity.issuers[..] {
            [
                IssuerSettings { keys: KeySource::Published(_), .. },
                IssuerSettings { keys: KeySource::Review(review), .. },
                ..,
            ] => review.audiences.iter().cloned().collect(),
            issuers => panic!("{issuers:?}"),
        }
    }

    #[test]
    fn tokens_are_reviewed_for_all_that_they_may_be_for() {
        assert_eq!(reviewed_for(""), ["customers", "orders", "pods", "sales"]);
        let exchange = "exchange: { audiences: [orders], keys: { folder: keys } }";
        assert_eq!(
            reviewed_for(exchange),
            ["customers", "https://chaperone.example", "orders", "pods", "sales"]
        );
    }
}
