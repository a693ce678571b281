//! `chaperone revoke`.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::operator::{Operator, lasting, told};
use super::{ConfigFile, Done, Failure, block_on, output};
use crate::config::Config;
use crate::identity::{
    IssuerAlias, MAX_API_KEY_LIFE, Revocation, RevocationBook, RevocationError, RevocationId,
    RevocationOrder, RevocationTarget, TargetError,
};
use crate::store::RevocationKind;
use crate::suggestion::nearest;
use crate::time::{Clock as _, SystemClock};

/// Refuses a token, a principal or a key from now on, and whatever descends from it.
///
/// Every server with this store refuses it within a second. A revocation lasts as long
/// as tokens of the configured issuers can, so that every token made before is covered;
/// where it may be of an API key or of a workload with a certificate, 90 days. --for
/// makes it longer or shorter. After that, what was made since is good again: to keep
/// somebody out for good, write a policy that forbids them.
///
/// Example: chaperone revoke --subject github/repo:acme/shop --reason "runner leaked"
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[group(id = "revoke")]
#[command(group = clap::ArgGroup::new("target")
    .required(true)
    .args(["jti", "subject", "issuer_key", "chain_root"]))]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// One token, by its id: `<jti>`, or `<issuer alias>/<jti>` for that issuer's only.
    #[arg(long, value_name = "JTI")]
    jti: Option<String>,

    /// Whoever this is, wherever in a chain: `<issuer alias>/<subject>`.
    #[arg(long, value_name = "PRINCIPAL")]
    subject: Option<String>,

    /// Every token that this key signed: `<issuer alias>/<kid>`.
    #[arg(long, value_name = "KEY")]
    issuer_key: Option<String>,

    /// Whatever is done on behalf of this root of a chain: `<issuer alias>/<subject>`.
    #[arg(long, value_name = "PRINCIPAL")]
    chain_root: Option<String>,

    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,

    /// How long, such as 12h or 30d; by default as long as tokens can last, and 90d for
    /// what may be an API key or a certificate.
    #[arg(long = "for", value_name = "TIME", value_parser = lasting)]
    lasts: Option<Duration>,

    #[command(flatten)]
    operator: Operator,

    /// Prints the revocation as JSON.
    #[arg(long)]
    json: bool,

    /// The configuration file.
    #[arg(
        id = "revoke_config",
        long = "config",
        value_name = "FILE",
        env = "CHAPERONE_CONFIG",
        required = true
    )]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists what is revoked, the newest last.
    List(ListArguments),
    /// Lifts a revocation before its time.
    Lift(LiftArguments),
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Prints JSON, one revocation a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct LiftArguments {
    /// The revocation's id, `rev_…`.
    #[arg(value_parser = RevocationId::from_str)]
    id: RevocationId,

    #[command(flatten)]
    config: ConfigFile,

    #[command(flatten)]
    operator: Operator,

    /// Prints the lifted revocation as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        None => revoke(arguments),
        Some(Command::List(arguments)) => list(arguments),
        Some(Command::Lift(arguments)) => lift(arguments),
    }
}

fn revoke(arguments: &Arguments) -> Result<Done, Failure> {
    let path = arguments.config.as_ref().ok_or_else(|| Failure::Usage("name --config".into()))?;
    let config = Config::load(path)?;
    let target = target(arguments, &config)?;
    let longest = longest_life(&config, &target);
    let by = arguments.operator.name();
    let order = RevocationOrder {
        target: &target,
        reason: arguments.reason.as_deref(),
        by: &by,
        lasts: arguments.lasts.unwrap_or(longest),
        id: RevocationId::new(Uuid::now_v7()),
    };
    let made = block_on(book(&config)?.revoke(&order, SystemClock.now()))??;
    if arguments.json {
        output::json(&made)?;
    } else {
        output::line(&format!(
            "revoked {} {} until {} ({})",
            made.target.kind().name(),
            made.target,
            made.expires_at,
            made.id
        ))?;
        output::line("every server refuses it, and what descends from it, within a second")?;
    }
    if order.lasts < longest {
        output::note(&format!(
            "credentials can last for {}: one that outlives this revocation is good again",
            told(longest)
        ));
    }
    Ok(Done::Yes)
}

fn target(arguments: &Arguments, config: &Config) -> Result<RevocationTarget, Failure> {
    let given = [
        (RevocationKind::Jti, "--jti", &arguments.jti),
        (RevocationKind::Subject, "--subject", &arguments.subject),
        (RevocationKind::IssuerKey, "--issuer-key", &arguments.issuer_key),
        (RevocationKind::ChainRoot, "--chain-root", &arguments.chain_root),
    ];
    let given = given.into_iter().find_map(|(kind, flag, text)| Some((kind, flag, text.as_ref()?)));
    let (kind, flag, text) =
        given.ok_or_else(|| Failure::Usage("say what to revoke; see --help".into()))?;
    let issuers = config.identity.issuers.iter().map(|issuer| issuer.alias.clone());
    let known: Vec<_> = issuers.chain([IssuerAlias::api_keys()]).collect();
    RevocationTarget::parse(kind, text, &known).map_err(|error| {
        let meant = match &error {
            TargetError::UnknownIssuer(alias) => {
                nearest(alias, known.iter().map(IssuerAlias::as_str))
            }
            _ => None,
        };
        let meant = meant.map(|alias| format!("; did you mean `{alias}`?")).unwrap_or_default();
        Failure::Usage(format!("{flag} {text}: {error}{meant}"))
    })
}

/// How long a certificate is taken to be good: no server limits it, and its end is told
/// only when it is shown.
const CERTIFICATE_LIFE: Duration = Duration::from_hours(24 * 90);

/// How long a credential that exists already can be good, whoever signed it: what
/// descends from a token of one issuer may be one of another.
fn longest_life(config: &Config, target: &RevocationTarget) -> Duration {
    let lives = config.identity.issuers.iter().map(|issuer| issuer.max_lifetime + issuer.leeway);
    let issuer = target.issuer();
    // What names no issuer may name the id of an API key, or that of a certificate.
    let of_api_key = issuer.is_none_or(|issuer| *issuer == IssuerAlias::api_keys());
    let certified = config.identity.certified().any(|alias| issuer.is_none_or(|of| of == alias));
    lives
        .chain(of_api_key.then_some(MAX_API_KEY_LIFE))
        .chain(certified.then_some(CERTIFICATE_LIFE))
        .max()
        .unwrap_or_default()
}

fn list(arguments: &ListArguments) -> Result<Done, Failure> {
    let book = book(&arguments.config.load()?)?;
    let active = block_on(book.active(SystemClock.now()))??;
    if arguments.json {
        for revocation in &active {
            output::json_line(revocation)?;
        }
        return Ok(Done::Yes);
    }
    if active.is_empty() {
        output::line("nothing is revoked")?;
        return Ok(Done::Yes);
    }
    let mut rows = vec![["ID", "KIND", "WHAT", "UNTIL", "BY", "REASON"].map(String::from).into()];
    rows.extend(active.iter().map(row));
    output::table(&rows)?;
    Ok(Done::Yes)
}

fn row(revocation: &Revocation) -> Vec<String> {
    vec![
        revocation.id.to_string(),
        revocation.target.kind().name().to_owned(),
        revocation.target.to_string(),
        revocation.expires_at.to_string(),
        revocation.by.clone(),
        revocation.reason.clone().unwrap_or_default(),
    ]
}

fn lift(arguments: &LiftArguments) -> Result<Done, Failure> {
    let book = book(&arguments.config.load()?)?;
    let by = arguments.operator.name();
    let lifted = block_on(book.lift(arguments.id, &by, SystemClock.now()))??;
    if arguments.json {
        output::json(&lifted)?;
    } else {
        let (kind, target) = (lifted.target.kind().name(), &lifted.target);
        output::line(&format!("lifted the revocation of {kind} {target} ({})", lifted.id))?;
    }
    Ok(Done::Yes)
}

fn book(config: &Config) -> Result<RevocationBook, Failure> {
    let store = config.open_store().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(RevocationBook::new(Arc::new(store)))
}

impl From<RevocationError> for Failure {
    fn from(error: RevocationError) -> Self {
        Self::Refused(format!("{error} ({})", error.code()))
    }
}
