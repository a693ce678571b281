//! `chaperone config`.

use serde_json::{Value, json};

use super::{ConfigFile, Done, Failure, output};
use crate::config::{self, Config};
use crate::identity::{IssuerSettings, KeySource, Preset};
use crate::service::Service;

/// Checks and documents the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Checks a configuration and prints what each service and issuer resolved to.
    Check(CheckArguments),
    /// Prints the JSON Schema of the configuration file.
    Schema,
}

#[derive(Debug, clap::Args)]
struct CheckArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        Command::Check(arguments) => check(arguments)?,
        Command::Schema => output::json(&config::schema())?,
    }
    Ok(Done::Yes)
}

fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let services: Vec<_> =
        config.services.values().map(|service| resolved(&config, service)).collect();
    let issuers: Vec<_> = config.identity.issuers.iter().map(issuer).collect();
    if arguments.json {
        return output::json(&json!({ "services": services, "issuers": issuers }));
    }
    for (kind, members) in [("service", &services), ("issuer", &issuers)] {
        for resolved in members {
            output::line(&format!("{kind}: {}", text(&resolved[kind])))?;
            let members = resolved.as_object().into_iter().flatten();
            for (name, value) in members.filter(|(name, _)| *name != kind) {
                output::line(&format!("  {name}: {}", text(value)))?;
            }
        }
    }
    Ok(())
}

/// What an issuer resolved to, defaults and its preset included.
fn issuer(settings: &IssuerSettings) -> Value {
    // Of one name, a later claim counts where a token has it.
    let attributes = settings.attributes.iter();
    let attributes = attributes.map(|attribute| json!({ attribute.name(): attribute.claim() }));
    let groups = settings.groups.iter();
    let groups = groups.map(|group| format!("{}<{}>", group.prefix(), group.claim()));
    let algorithms = settings.algorithms.iter().map(|algorithm| algorithm.name());
    json!({
        "issuer": settings.alias,
        "iss": settings.issuer.as_str(),
        "preset": settings.preset.map(Preset::name),
        "audiences": settings.audiences,
        "algorithms": algorithms.collect::<Vec<_>>(),
        "keys": match &settings.keys {
            KeySource::Unsigned => "certificates only".to_owned(),
            KeySource::Own(_) => "those that this server signs with".to_owned(),
            KeySource::Document(keys) => format!("{} in the configuration", keys.len()),
            KeySource::Published(published) => published.to_string(),
            KeySource::Review(review) => format!("none; {} is asked", review.url),
        },
        "max_lifetime_seconds": settings.max_lifetime.as_secs(),
        "attributes": attributes.collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
    })
}

/// What a service resolved to, defaults included.
fn resolved(config: &Config, service: &Service) -> Value {
    let plan = config.plan.services.iter().find(|plan| plan.name == service.name);
    let routes: Vec<_> = plan
        .into_iter()
        .flat_map(|plan| &plan.routes)
        .map(|route| json!(format!("{} as {}", route.path, route.inspect.protocol().name())))
        .chain([json!("everything else as http")])
        .collect();
    let issuers: Vec<_> = config
        .identity
        .issuers
        .iter()
        .filter(|issuer| {
            let accepted = service.acceptance.issuers.as_ref();
            accepted.is_none_or(|accepted| accepted.contains(&issuer.alias))
        })
        .map(|issuer| {
            let audiences = service.acceptance.audiences_of(issuer);
            json!({ "issuer": issuer.alias, "audiences": audiences })
        })
        .collect();
    json!({
        "service": service.name,
        "hosts": plan.map(|plan| &plan.hosts),
        "callers": issuers,
        "accepts_api_keys": service.acceptance.api_keys,
        "routes": routes,
        "upstream_credentials": service.upstream.name(),
        "denials_name_policies": service.names_policies,
        "on_unmaskable": service.on_unmaskable,
        "approval_wait_seconds": service.approval_wait.as_secs_f64(),
        "external_url": service.external_url.as_ref().map(ToString::to_string),
        "pinned_tools": service.pins.iter().map(|(path, pins)| {
            (path.clone(), format!("{} in {}", pins.current().tools.len(), pins.path().display()).into())
        }).collect::<serde_json::Map<_, _>>(),
        "resource_metadata": service.resource.as_ref().map(|resource| &resource.metadata_url),
    })
}

/// A value on one line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(members) => match (members.get("issuer"), members.get("audiences")) {
            (Some(issuer), Some(audiences)) => {
                format!("{} (for {})", text(issuer), text(audiences))
            }
            _ => members
                .iter()
                .map(|(name, value)| format!("{name} = {}", text(value)))
                .collect::<Vec<_>>()
                .join(", "),
        },
        other => other.to_string(),
    }
}
