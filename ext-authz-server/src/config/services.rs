//! What stands behind Envoy.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ConfigError;
use super::file;
use super::issuers::configured;
use crate::identity::Acceptance;
use crate::service::Service;
use chaperone_inspection::plan::{RoutePlan, ServicePlan};

/// The services, for the server and for the filter.
pub(super) struct Resolved {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) plans: Vec<ServicePlan>,
}

/// Resolves every service against the issuers of those aliases.
pub(super) fn resolve(
    written: BTreeMap<String, file::Service>,
    aliases: &[&str],
    errors: &mut Vec<ConfigError>,
) -> Resolved {
    if written.is_empty() {
        errors.push(ConfigError::general("services is empty; there is nothing to guard"));
    }
    let mut resolved = Resolved { services: BTreeMap::new(), plans: Vec::new() };
    for (name, service) in written {
        let routes = service
            .routes
            .into_iter()
            .map(|route| RoutePlan { path: route.path, inspect: route.inspect })
            .collect();
        let acceptance = Acceptance {
            issuers: service.issuers.map(|issuers| configured(&issuers, aliases, errors)),
            audiences: service.audiences,
            api_keys: service.api_keys == file::ApiKeyUse::Accept,
        };
        if acceptance.audiences.as_ref().is_some_and(BTreeSet::is_empty) {
            errors.push(ConfigError::general(format!(
                "services.{name}.audiences is empty; leave it out to accept those of the issuer"
            )));
        }
        resolved.plans.push(ServicePlan { name: name.clone(), hosts: service.hosts, routes });
        let service = Service {
            name: name.clone(),
            acceptance,
            remove_credentials: service.remove_credentials,
            names_policies: service.deny_details == file::DenyDetails::Policies,
            on_unmaskable: service.on_unmaskable,
            approval_wait: service.approval_wait.0,
            resource_metadata: service.resource_metadata,
        };
        resolved.services.insert(name, service);
    }
    resolved
}
