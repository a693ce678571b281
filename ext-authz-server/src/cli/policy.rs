//! `chaperone policy`.

use std::io::Read as _;

use serde_json::json;

use super::{ConfigFile, Done, Failure, output};
use crate::policy::{
    self, Effect, ExplainedObligations, HypotheticalRequest, Policies, Policy, PolicyErrors,
    explain,
};
use crate::time::{Clock as _, SystemClock};

/// Checks policies and explains what they decide.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Checks the policies and prints each one with what it orders.
    ///
    /// Everything that is wrong is told at once, with its file and line; exit code 2
    /// then.
    Check(CheckArguments),
    /// Reads a request as JSON on standard input and prints what policy decides.
    ///
    /// The request names `principal` or `chain` (root first, each hop with
    /// `principal` and, where they matter, `groups` and `assurance`), `service`,
    /// `action` and, where they matter, `resource` and `context`. Hops are also in
    /// the groups that the configuration puts them in. Exit code 0 when it is
    /// allowed, 1 when it is denied or needs an approval.
    ///
    /// Example: echo '{"principal": "github/repo:acme/shop", "service": "customers",
    /// "action": "sql:select"}' | chaperone policy explain --config chaperone.yaml
    Explain(ExplainArguments),
    /// Prints the Cedar schema that policies are validated against, for editors.
    Schema,
    /// Prints the page that lists every action, resource and attribute, in Markdown.
    Reference,
}

#[derive(Debug, clap::Args)]
struct CheckArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ExplainArguments {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        Command::Check(arguments) => check(arguments),
        Command::Explain(arguments) => explain_request(arguments),
        Command::Schema => {
            output::line(policy::schema_text().trim_end())?;
            Ok(Done::Yes)
        }
        Command::Reference => {
            output::line(policy::reference_text().trim_end())?;
            Ok(Done::Yes)
        }
    }
}

fn check(arguments: &CheckArguments) -> Result<Done, Failure> {
    let config = arguments.config.load()?;
    let loaded = Policies::load(config.policy_sources(), config.policy_names(), SystemClock.now());
    let policies = match loaded {
        Ok(policies) => policies.current(),
        Err(errors) => {
            if arguments.json {
                output::json(&json!({ "errors": errors }))?;
            }
            return Err(errors.into());
        }
    };
    if arguments.json {
        let told: Vec<_> = policies.policies().map(as_json).collect();
        output::json(&json!({
            "policy_set": policies.digest(),
            "policies": told,
            "warnings": policies.warnings(),
        }))?;
        return Ok(Done::Yes);
    }
    let mut rows = vec![["ID", "EFFECT", "ORDERS", "AT"].map(String::from).to_vec()];
    rows.extend(policies.policies().map(row));
    output::table(&rows)?;
    for warning in policies.warnings() {
        output::line(&format!("warning: {warning}"))?;
    }
    output::line(&format!("{} policies, {}", policies.policies().len(), policies.digest()))?;
    Ok(Done::Yes)
}

fn as_json(policy: &Policy) -> serde_json::Value {
    json!({
        "id": policy.id,
        "effect": policy.effect,
        "shadow": policy.shadow,
        "obligations": ExplainedObligations::from(policy),
        "file": policy.place.file,
        "line": policy.place.line,
    })
}

fn row(policy: &Policy) -> Vec<String> {
    let effect = match policy.effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    };
    let shadow = if policy.shadow { " (shadow)" } else { "" };
    vec![
        policy.id.0.clone(),
        format!("{effect}{shadow}"),
        ExplainedObligations::from(policy).to_string(),
        policy.place.to_string(),
    ]
}

fn explain_request(arguments: &ExplainArguments) -> Result<Done, Failure> {
    let config = arguments.config.load()?;
    let policies =
        Policies::load(config.policy_sources(), config.policy_names(), SystemClock.now())?;
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text)?;
    let request: HypotheticalRequest = serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("the request on standard input: {error}")))?;
    let services = config.services.keys().cloned().collect();
    let groups = |principal: &_| config.identity.groups.of(principal).cloned().collect();
    let explanation = explain(&policies.current(), config.enforce, &services, &request, groups)
        .map_err(|error| Failure::Usage(format!("the request on standard input: {error}")))?;
    output::json(&explanation)?;
    Ok(if explanation.allowed() { Done::Yes } else { Done::No })
}

impl From<PolicyErrors> for Failure {
    fn from(errors: PolicyErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}
