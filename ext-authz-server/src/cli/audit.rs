//! `chaperone audit`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::digest::Digest;
use serde_json::{Value, json};

use super::{ConfigFile, Done, Failure, block_on, output};
use crate::audit::{AuditError, AuditLog};
use crate::store::Entry;
use crate::time::{Clock as _, SystemClock, UnixMillis};

/// How many entries are read at once.
const PAGE: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// How many gaps are listed.
const GAPS: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// How often a followed log is looked at.
const FOLLOW: Duration = Duration::from_millis(250);

/// Reads and checks the audit log.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints the last entries.
    Tail(TailArguments),
    /// Checks that no entry was changed, removed or put in.
    ///
    /// Every entry is linked to the one before it by a hash. Entries cut off at the
    /// end can only be noticed against a head that was kept elsewhere: --head.
    /// Exit code 1 when something is wrong.
    Verify(VerifyArguments),
}

#[derive(Debug, clap::Args)]
struct TailArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// How many entries.
    #[arg(short = 'n', long, default_value = "20")]
    lines: u32,

    /// Goes on with new entries as they come.
    #[arg(short, long)]
    follow: bool,

    /// Only entries about this decision.
    #[arg(long, value_name = "ID", conflicts_with = "follow")]
    decision: Option<String>,

    /// Prints JSON, one entry a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct VerifyArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// A head that an earlier verification printed, `sha256:…`: the log must still
    /// contain it.
    #[arg(long, value_name = "DIGEST")]
    head: Option<Digest>,

    /// How long a decision may be without its outcome before it is listed, in
    /// seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        Command::Tail(arguments) => block_on(tail(arguments))?,
        Command::Verify(arguments) => block_on(verify(arguments))?,
    }
}

async fn tail(arguments: &TailArguments) -> Result<Done, Failure> {
    let log = open(&arguments.config)?;
    if let Some(decision) = &arguments.decision {
        let entries = log.entries_of(decision).await?;
        print(&entries, arguments.json)?;
        return Ok(if entries.is_empty() { Done::No } else { Done::Yes });
    }
    let head = log.head().await?;
    let mut after = head.seq.saturating_sub(u64::from(arguments.lines));
    loop {
        let entries = log.entries_after(after, PAGE).await?;
        print(&entries, arguments.json)?;
        match entries.last() {
            Some(last) => after = last.position.seq,
            None if arguments.follow => tokio::time::sleep(FOLLOW).await,
            None => return Ok(Done::Yes),
        }
    }
}

fn print(entries: &[Entry], as_json: bool) -> Result<(), Failure> {
    for entry in entries {
        let body: Value = entry.draft.body.parse().unwrap_or_default();
        if as_json {
            output::json_line(&json!({
                "seq": entry.position.seq,
                "hash": entry.position.hash,
                "kind": entry.draft.kind.name(),
                "at": entry.draft.at,
                "record": body,
            }))?;
        } else {
            output::line(&summary(entry, &body))?;
        }
    }
    Ok(())
}

/// One entry on one line.
fn summary(entry: &Entry, body: &Value) -> String {
    let text = |pointer: &str| match body.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let names = |pointer: &str, member: &str, between: &str| {
        let items = body.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        let names = items.filter_map(|item| item.get(member)?.as_str());
        names.collect::<Vec<_>>().join(between)
    };
    let told = match entry.draft.kind.name() {
        "decision" | "exchange" => [
            text("/verdict"),
            text("/code"),
            text("/service"),
            names("/commands", "action", ","),
            names("/chain", "principal", " > "),
        ],
        "outcome" => [
            format!("status={}", text("/status")),
            text("/code_details"),
            text("/withheld"),
            format!("masked={}", text("/masked")),
            String::new(),
        ],
        "approval" => {
            [text("/event"), text("/approval_id"), text("/service"), text("/by"), text("/reason")]
        }
        "revocation" => {
            let what = format!("{}/{}", text("/issuer"), text("/value"));
            let what = what.trim_start_matches('/').to_owned();
            [text("/event"), text("/kind"), what, text("/by"), text("/reason")]
        }
        "api_key" => [text("/event"), text("/key_id"), text("/name"), text("/owner"), text("/by")],
        "tool_list" => [
            text("/service"),
            format!("{} of {} tools not shown:", text("/hidden"), text("/listed")),
            names("/tools", "tool", ","),
            String::new(),
            String::new(),
        ],
        _ => [text("/event"), text("/policy_set"), text("/version"), text("/error"), String::new()],
    };
    let told = told.into_iter().filter(|part| !part.is_empty() && part != "masked=");
    let decision = entry.draft.decision_id.as_deref().unwrap_or("-");
    format!(
        "{:>6}  {}  {:<8}  {decision}  {}",
        entry.position.seq,
        entry.draft.at,
        entry.draft.kind.name(),
        told.collect::<Vec<_>>().join("  ")
    )
}

async fn verify(arguments: &VerifyArguments) -> Result<Done, Failure> {
    let log = open(&arguments.config)?;
    let report = log.verify(arguments.head).await?;
    let grace = Duration::from_secs(arguments.grace);
    let gaps = log.gaps(UnixMillis::new(0), grace, SystemClock.now(), GAPS).await?;
    output::json(&json!({
        "intact": report.is_intact(),
        "entries": report.entries,
        "head": report.head,
        "first_bad": report.first_bad,
        "gaps": gaps,
    }))?;
    Ok(if report.is_intact() { Done::Yes } else { Done::No })
}

fn open(config: &ConfigFile) -> Result<AuditLog, Failure> {
    let store = config.load()?.open_store().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(AuditLog::new(Arc::new(store)))
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::Refused(format!("the audit log cannot be read ({}): {error}", error.code()))
    }
}
