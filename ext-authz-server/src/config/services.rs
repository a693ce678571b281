//! What stands behind Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::error::ConfigError;
use super::issuers::configured;
use super::{exchange, file, grpc};
use crate::identity::{
    Acceptance, Algorithm, ExternalUrl, HeaderName, IssuerSettings, PrincipalKind,
};
use crate::resource::{Description, ProtectedResource};
use crate::service::Service;
use crate::tools::PinFile;
use crate::upstream::{OwnCredential, UpstreamCredentials, UpstreamToken};
use chaperone_inspection::plan::{Limits, ProtocolPlan, RoutePlan, ServicePlan};

/// The services, for the server and for the filter.
pub(super) struct Resolved {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) plans: Vec<ServicePlan>,
}

/// Resolves every service against those issuers; `aliases` are theirs and our
/// own, `own_issuer` is the `iss` of the tokens that this server signs, if it does.
pub(super) fn resolve(
    written: BTreeMap<String, file::Service>,
    aliases: &[&str],
    issuers: &[IssuerSettings],
    own_issuer: Option<&str>,
    limits: Limits,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Resolved {
    if written.is_empty() {
        errors.push(ConfigError::general("services is empty; there is nothing to guard"));
    }
    let mut resolved = Resolved { services: BTreeMap::new(), plans: Vec::new() };
    for (name, service) in written {
        let mut pins = Pinned { folder, service: &name, files: BTreeMap::new(), errors };
        let routes = service.routes.into_iter().map(|mut route| {
            let place = format!("services.{name}.routes, path `{}`", route.path);
            pins.take(&mut route);
            let inspect = planned_inspection(route.inspect.clone(), folder)
                .map_err(|why| pins.errors.push(ConfigError::general(format!("{place}: {why}"))))
                .unwrap_or(ProtocolPlan::Http);
            planned(route, inspect, limits)
        });
        let routes = routes.collect();
        let pins = pins.files;
        let acceptance = Acceptance {
            issuers: service.issuers.map(|issuers| configured(&issuers, aliases, errors)),
            audiences: service.audiences,
            api_keys: service.api_keys == file::ApiKeyUse::Accept,
            ..Acceptance::default()
        };
        if acceptance.audiences.as_ref().is_some_and(BTreeSet::is_empty) {
            errors.push(ConfigError::general(format!(
                "services.{name}.audiences is empty; leave it out to accept those of the issuer"
            )));
        }
        resolved.plans.push(ServicePlan {
            name: name.clone(),
            hosts: service.hosts,
            routes,
            paths: service.paths,
        });
        let external_url = service.external_url.and_then(|url| {
            let parsed = ExternalUrl::parse(&url.value)
                .map_err(|error| errors.push(ConfigError::at(&url, error.to_string())));
            parsed.ok()
        });
        let service = Service {
            name: name.clone(),
            upstream: upstream_credentials(service.upstream_credentials, &name, folder)
                .map_err(|message| {
                    let place = format!("services.{name}.upstream_credentials");
                    errors.push(ConfigError::general(format!("{place}: {message}")));
                })
                .unwrap_or(UpstreamCredentials::Remove),
            pins,
            names_policies: service.deny_details == file::DenyDetails::Policies,
            on_unmaskable: service.on_unmaskable,
            approval_wait: service.approval_wait.0,
            // Callers know a protected resource by its own URL.
            external_url: external_url
                .or_else(|| service.resource.as_ref().and_then(|resource| origin(&resource.url))),
            acceptance: acceptance.clone(),
            resource: service.resource.and_then(|written| {
                let url = written.url.clone();
                let description = described(written, issuers, own_issuer, &acceptance);
                ProtectedResource::new(&url, description)
                    .map_err(|error| {
                        let place = format!("services.{name}.resource.url");
                        errors.push(ConfigError::general(format!("{place} `{url}`: {error}")));
                    })
                    .ok()
            }),
        };
        resolved.services.insert(name, service);
    }
    resolved
}

/// The pins of one service, as its routes are read.
struct Pinned<'a> {
    folder: &'a Path,
    service: &'a str,
    files: BTreeMap<String, Arc<PinFile>>,
    errors: &'a mut Vec<ConfigError>,
}

impl Pinned<'_> {
    /// Takes the pins out of a route: they are for the server alone, and may change
    /// without the filter's knowing.
    fn take(&mut self, route: &mut file::Route) {
        if let ProtocolPlan::Mcp(plan) = &mut route.inspect
            && let Some(file) = plan.pins.take()
        {
            self.open(&route.path, &file);
        }
    }

    /// Opens the pins that the route at `path` names.
    fn open(&mut self, path: &str, file: &str) {
        let file = self.folder.join(file);
        let place = format!("services.{}.routes: `{path}`: inspect.mcp.pins", self.service);
        match self.files.get(path) {
            Some(open) if open.path() != file => self.errors.push(ConfigError::general(format!(
                "{place}: another route of this path names other pins"
            ))),
            Some(_) => {}
            None => match PinFile::open(file) {
                Ok(open) => drop(self.files.insert(path.to_owned(), Arc::new(open))),
                Err(error) => self.errors.push(ConfigError::general(format!("{place}: {error}"))),
            },
        }
    }
}

/// A route, its limits resolved over the general ones.
fn planned(route: file::Route, inspect: ProtocolPlan, limits: Limits) -> RoutePlan {
    RoutePlan {
        methods: route.methods,
        content_types: route.content_types,
        detect: route.detect,
        upgrades: route.upgrades,
        limits: route.limits.map(|own| own.over(limits)),
        ..RoutePlan::new(route.path, inspect)
    }
}

/// How requests are read, with what stands in files that it names.
fn planned_inspection(written: ProtocolPlan, folder: &Path) -> Result<ProtocolPlan, String> {
    match written {
        ProtocolPlan::Grpc(plan) => grpc::compile(plan, folder)
            .map(ProtocolPlan::Grpc)
            .map_err(|error| format!("grpc: {error}")),
        other => Ok(other),
    }
}

/// The scheme and authority of `url`.
fn origin(url: &str) -> Option<ExternalUrl> {
    let origin = reqwest::Url::parse(url).ok()?.origin().ascii_serialization();
    ExternalUrl::parse(&origin).ok()
}

fn upstream_credentials(
    written: file::UpstreamCredentials,
    service: &str,
    folder: &Path,
) -> Result<UpstreamCredentials, String> {
    let own = match written {
        file::UpstreamCredentials::Remove => return Ok(UpstreamCredentials::Remove),
        file::UpstreamCredentials::Keep => return Ok(UpstreamCredentials::Keep),
        file::UpstreamCredentials::Token(token) => return upstream_token(token, service),
        file::UpstreamCredentials::Own(own) => own,
    };
    let authorization = HeaderName::authorization();
    let header = match own.header.as_deref() {
        Some(name) if !name.eq_ignore_ascii_case(authorization.as_str()) => {
            name.parse::<HeaderName>().map_err(|error| format!("header `{name}`: {error}"))?
        }
        _ => authorization.clone(),
    };
    let bearer = || (header == authorization).then(|| "Bearer".to_owned());
    let scheme = own.scheme.or_else(bearer).filter(|scheme| !scheme.is_empty());
    let read = match (own.file, own.env) {
        (Some(file), None) => OwnCredential::from_file(header, scheme, folder.join(file)),
        (None, Some(name)) => OwnCredential::from_environment(header, scheme, &name),
        _ => return Err("name either `file` or `env`".to_owned()),
    };
    read.map(|own| UpstreamCredentials::Own(Arc::new(own))).map_err(|error| error.to_string())
}

fn upstream_token(
    written: file::UpstreamToken,
    service: &str,
) -> Result<UpstreamCredentials, String> {
    let name = written.header.as_deref().unwrap_or("Txn-Token");
    let (header, scheme) = if name.eq_ignore_ascii_case("authorization") {
        (HeaderName::authorization(), Some("Bearer".to_owned()))
    } else {
        let header =
            name.parse::<HeaderName>().map_err(|error| format!("header `{name}`: {error}"))?;
        (header, None)
    };
    Ok(UpstreamCredentials::Token(UpstreamToken {
        audience: written.audience.unwrap_or_else(|| service.to_owned()),
        header,
        scheme,
        lifetime: written.lifetime.0,
    }))
}

/// What the service tells of itself: it takes tokens of the issuers of agents that it
/// accepts, as far as those are URLs.
fn described(
    written: file::Resource,
    issuers: &[IssuerSettings],
    own_issuer: Option<&str>,
    acceptance: &Acceptance,
) -> Description {
    let accepted = |issuer: &&IssuerSettings| {
        let named = acceptance.issuers.as_ref();
        issuer.kind == PrincipalKind::Agent
            && named.is_none_or(|named| named.contains(&issuer.alias))
            && issuer.issuer.as_str().starts_with("http")
    };
    let accepts_own = acceptance
        .issuers
        .as_ref()
        .is_none_or(|named| named.iter().any(|alias| alias.as_str() == exchange::ALIAS));
    Description {
        authorization_servers: issuers
            .iter()
            .filter(accepted)
            .map(|issuer| issuer.issuer.to_string())
            .chain(own_issuer.filter(|_| accepts_own).map(str::to_owned))
            .collect(),
        scopes: written.scopes,
        proof_algorithms: Algorithm::ALL.map(Algorithm::name).into(),
        name: written.name,
        documentation: written.documentation,
    }
}
