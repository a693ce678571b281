//! `chaperone approvals`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use clap::ValueEnum;

use super::{ConfigFile, Done, Failure, block_on, output};
use crate::approval::{
    ApprovalError, ApprovalId, ApprovalState, ApprovalView, Approvals, Approver, ApproverKind,
    Ballot, Verdict,
};
use crate::config::Config;
use crate::identity::{Acceptance, PrincipalKind, Token, Withdrawals};
use crate::store::Store;
use crate::time::{Clock as _, SystemClock};

/// Lists, shows, approves and denies what waits for a human.
///
/// Who approves is proven by a token of an issuer that names people (`principals:
/// humans` in the configuration): theirs, not an agent's. Nobody approves what is
/// done for them or by them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists approvals, the newest first.
    List(ListArguments),
    /// Shows one approval: who asks, through whom, to do what.
    Show(ShowArguments),
    /// Approves one request, once.
    Approve(VoteArguments),
    /// Denies one request; it stays denied until its approval would have expired.
    Deny(VoteArguments),
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Only those in this state.
    #[arg(long, default_value = "pending")]
    state: ListedState,

    /// At most so many.
    #[arg(long, default_value = "100")]
    limit: NonZeroU32,

    /// Prints JSON, one approval a line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ListedState {
    Any,
    Pending,
    Approved,
    Denied,
    Consumed,
    Expired,
}

#[derive(Debug, clap::Args)]
struct ShowArguments {
    /// The approval's id, `apr_…`.
    #[arg(value_parser = ApprovalId::from_str)]
    id: ApprovalId,

    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
struct VoteArguments {
    /// The approval's id, `apr_…`.
    #[arg(value_parser = ApprovalId::from_str)]
    id: ApprovalId,

    #[command(flatten)]
    config: ConfigFile,

    /// A file with the approver's token; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,

    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        Command::List(arguments) => list(arguments),
        Command::Show(arguments) => show(arguments),
        Command::Approve(arguments) => vote(arguments, Verdict::Approve),
        Command::Deny(arguments) => vote(arguments, Verdict::Deny),
    }
}

fn list(arguments: &ListArguments) -> Result<Done, Failure> {
    let state = match arguments.state {
        ListedState::Any => None,
        ListedState::Pending => Some(ApprovalState::Pending),
        ListedState::Approved => Some(ApprovalState::Approved),
        ListedState::Denied => Some(ApprovalState::Denied),
        ListedState::Consumed => Some(ApprovalState::Consumed),
        ListedState::Expired => Some(ApprovalState::Expired),
    };
    let approvals = approvals(&arguments.config.load()?)?;
    let now = SystemClock.now();
    let found = block_on(approvals.list(state, now, arguments.limit))??;
    let views = found.iter().map(|approval| ApprovalView::of(approval, now));
    if arguments.json {
        for view in views {
            output::json_line(&view)?;
        }
        return Ok(Done::Yes);
    }
    let mut rows =
        vec![["ID", "STATE", "SERVICE", "FOR", "DOES", "EXPIRES"].map(String::from).into()];
    rows.extend(views.map(|view| row(&view)));
    if rows.len() == 1 {
        output::line("nothing waits for approval")?;
    } else {
        output::table(&rows)?;
    }
    Ok(Done::Yes)
}

fn row(view: &ApprovalView) -> Vec<String> {
    let chain: Vec<_> = view.chain.iter().map(|hop| hop.principal.to_string()).collect();
    vec![
        view.id.to_string(),
        view.state.name().to_owned(),
        view.service.clone(),
        chain.join(" > "),
        actions(&view.actions),
        view.expires_at.to_string(),
    ]
}

/// The actions in short: `sql:delete customers, …`.
fn actions(display: &serde_json::Value) -> String {
    let action = |action: &serde_json::Value| {
        let text =
            |name: &str| action.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        format!("{} {}", text("action"), text("resource")).trim_end().to_owned()
    };
    display.as_array().into_iter().flatten().map(action).collect::<Vec<_>>().join(", ")
}

fn show(arguments: &ShowArguments) -> Result<Done, Failure> {
    let approvals = approvals(&arguments.config.load()?)?;
    match block_on(approvals.get(arguments.id))?? {
        Some(approval) => {
            output::json(&ApprovalView::of(&approval, SystemClock.now()))?;
            Ok(Done::Yes)
        }
        None => Err(Failure::Refused(format!("there is no approval {}", arguments.id))),
    }
}

fn vote(arguments: &VoteArguments, verdict: Verdict) -> Result<Done, Failure> {
    let config = arguments.config.load()?;
    let store = store(&config)?;
    let approvals = Approvals::new(Arc::clone(&store));
    let token = read_token(&arguments.token_file)?;
    let voted = block_on(async {
        let approver = approver(&config, store, &token).await?;
        let reason = arguments.reason.as_deref();
        let ballot = Ballot { approver: &approver, verdict, reason };
        Ok::<_, Failure>(approvals.vote(arguments.id, &ballot, SystemClock.now()).await?)
    })??;
    output::json(&ApprovalView::of(&voted, SystemClock.now()))?;
    Ok(Done::Yes)
}

/// Who the token proves, whatever service they are for: an approver calls none.
async fn approver(
    config: &Config,
    store: Arc<dyn Store>,
    token: &Token,
) -> Result<Approver, Failure> {
    let withdrawals = Arc::new(Withdrawals::new(store));
    let authenticator =
        config.authenticator().map_err(|error| Failure::Usage(error.to_string()))?;
    let authenticator = authenticator.with_withdrawals(Arc::clone(&withdrawals));
    authenticator.start().await;
    // After the keys, which may take long: what was revoked is not believed for long.
    let read = withdrawals.read(SystemClock.now()).await;
    read.map_err(|error| Failure::Refused(format!("what was revoked cannot be read: {error}")))?;
    let credential =
        authenticator.verify(token, &Acceptance::default(), SystemClock.now()).await.map_err(
            |error| Failure::Refused(format!("the token is refused ({}): {error}", error.code())),
        )?;
    let current = credential.chain.current();
    Ok(Approver {
        principal: current.principal.clone(),
        groups: current.groups.clone(),
        // A person's token in an agent's hands is a chain, and no person.
        kind: match credential.kind {
            PrincipalKind::Human if credential.chain.depth() == 1 => ApproverKind::Human,
            PrincipalKind::Human | PrincipalKind::Agent => ApproverKind::Agent,
        },
    })
}

fn read_token(path: &Path) -> Result<Token, Failure> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin().lock())?
    } else {
        std::fs::read_to_string(path).map_err(|error| {
            Failure::Usage(format!("cannot read the token file {}: {error}", path.display()))
        })?
    };
    Token::parse(text.trim())
        .map_err(|error| Failure::Refused(format!("the token is refused: {error}")))
}

fn approvals(config: &Config) -> Result<Approvals, Failure> {
    Ok(Approvals::new(store(config)?))
}

fn store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let store = config.open_store().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Arc::new(store))
}

impl From<ApprovalError> for Failure {
    fn from(error: ApprovalError) -> Self {
        Self::Refused(format!("{error} ({})", error.code()))
    }
}
