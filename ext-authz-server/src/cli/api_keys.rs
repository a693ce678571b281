//! `chaperone api-keys`.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::operator::{Operator, lasting};
use super::{ConfigFile, Done, Failure, block_on, output};
use crate::config::Config;
use crate::identity::{
    ApiKey, ApiKeyBook, ApiKeyError, ApiKeyId, ApiKeyOrder, ApiKeyView, GroupName, NewApiKey,
};
use crate::time::{Clock as _, SystemClock};

/// Makes, lists and revokes API keys, for callers that can do no better.
///
/// An API key is a secret that is sent along: whoever sees it can use it. Prefer
/// tokens that a platform signs. A service takes API keys only where its configuration
/// says `api_keys: accept`, and the key's holder is `api-key/<name>` in policies.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Makes a key and prints it, once: only a hash of it is kept.
    ///
    /// The key alone goes to standard output, so that it can be piped into a secret
    /// store; what else there is to say goes to standard error.
    Create(CreateArguments),
    /// Lists keys, the newest last; not the secrets, which nobody knows.
    List(ListArguments),
    /// Revokes a key; every server refuses it within a second.
    Revoke(RevokeArguments),
}

#[derive(Debug, clap::Args)]
struct CreateArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The automation that gets it: `api-key/<name>` in policies.
    #[arg(long)]
    name: String,

    /// Who answers for it, such as corp-idp/ada.
    #[arg(long)]
    owner: String,

    /// How long it is good, such as 30d; at most 90d.
    #[arg(long, value_name = "TIME", value_parser = lasting)]
    expires: Duration,

    /// A group that the automation is in; may be repeated.
    #[arg(long = "group", value_name = "GROUP", value_parser = GroupName::from_str)]
    groups: Vec<GroupName>,

    #[command(flatten)]
    operator: Operator,

    /// Prints JSON, the key in its member `key`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Prints JSON, one key a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RevokeArguments {
    /// The key's id: what stands between `chp_` and the next `_`.
    #[arg(value_parser = ApiKeyId::from_str)]
    id: ApiKeyId,

    #[command(flatten)]
    config: ConfigFile,

    #[command(flatten)]
    operator: Operator,

    /// Prints the revoked key as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        Command::Create(arguments) => create(arguments),
        Command::List(arguments) => list(arguments),
        Command::Revoke(arguments) => revoke(arguments),
    }
}

fn create(arguments: &CreateArguments) -> Result<Done, Failure> {
    let config = arguments.config.load()?;
    let groups = arguments.groups.iter().cloned().collect();
    let new = NewApiKey::new(&arguments.name, &arguments.owner, groups, arguments.expires)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let key = ApiKey::generate()?;
    let by = arguments.operator.name();
    let order = ApiKeyOrder { new: &new, key: &key, by: &by };
    let made = block_on(book(&config)?.create(&order, SystemClock.now()))??;
    if arguments.json {
        let mut told = json!(made);
        told["key"] = json!(key.reveal().as_str());
        output::json(&told)?;
    } else {
        output::line(&key.reveal())?;
    }
    output::note(&format!(
        "this is api-key/{} of {}, good until {}; it is not shown again",
        made.name, made.owner, made.expires_at
    ));
    if !config.services.values().any(|service| service.acceptance.api_keys) {
        output::note("no service accepts API keys yet: `api_keys: accept` in its configuration");
    }
    Ok(Done::Yes)
}

fn list(arguments: &ListArguments) -> Result<Done, Failure> {
    let keys = block_on(book(&arguments.config.load()?)?.list())??;
    let now = SystemClock.now();
    if arguments.json {
        for key in &keys {
            let mut told = json!(key);
            told["state"] = json!(key.state(now));
            output::json_line(&told)?;
        }
        return Ok(Done::Yes);
    }
    if keys.is_empty() {
        output::line("there are no API keys")?;
        return Ok(Done::Yes);
    }
    let row = |key: &ApiKeyView| {
        vec![
            key.id.to_string(),
            key.name.clone(),
            key.owner.clone(),
            key.state(now).to_owned(),
            key.expires_at.to_string(),
            key.groups.iter().cloned().collect::<Vec<_>>().join(" "),
        ]
    };
    let mut rows =
        vec![["ID", "NAME", "OWNER", "STATE", "EXPIRES", "GROUPS"].map(String::from).into()];
    rows.extend(keys.iter().map(row));
    output::table(&rows)?;
    Ok(Done::Yes)
}

fn revoke(arguments: &RevokeArguments) -> Result<Done, Failure> {
    let book = book(&arguments.config.load()?)?;
    let by = arguments.operator.name();
    let revoked = block_on(book.revoke(arguments.id, &by, SystemClock.now()))??;
    if arguments.json {
        output::json(&revoked)?;
    } else {
        output::line(&format!("revoked the key {} of api-key/{}", revoked.id, revoked.name))?;
        output::line("every server refuses it within a second")?;
    }
    Ok(Done::Yes)
}

fn book(config: &Config) -> Result<ApiKeyBook, Failure> {
    let store = config.open_store().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(ApiKeyBook::new(Arc::new(store)))
}

impl From<ApiKeyError> for Failure {
    fn from(error: ApiKeyError) -> Self {
        Self::Refused(format!("{error} ({})", error.code()))
    }
}
