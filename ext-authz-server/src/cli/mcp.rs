//! `chaperone mcp`.

mod fetch;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chaperone_inspection::mcp_answer::ToolList;
use reqwest::Url;
use serde_json::{Value, json};

use super::{ConfigFile, Done, Failure, block_on, output};
use crate::config::Config;
use crate::tools::{Differences, Listed, PinFile, Pins};

/// The longest list that is read, in bytes.
const MAX_LIST_BYTES: u64 = 8 * 1024 * 1024;

/// Reviews the tools of MCP servers.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Pins the tools of an MCP server as they are now, and tells what changed since.
    ///
    /// A service whose `inspect: { mcp: { pins: FILE } }` names a file of pins calls only
    /// tools that are in it, as long as the server describes them as it did when they
    /// were pinned: name, description, schemas and annotations. Review the differences
    /// before you keep them; running servers take new pins over at once.
    ///
    /// Exit code 0 when pinned, or with --check when nothing changed; 1 with --check when
    /// something did.
    ///
    /// Example: chaperone mcp pin --service tools --url http://10.0.0.7:8080/mcp
    Pin(PinArguments),
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["from", "url"]))]
struct PinArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The service.
    #[arg(long)]
    service: String,

    /// The route, by its path; may be left out when one only has pins.
    #[arg(long, value_name = "PATH")]
    route: Option<String>,

    /// A file with the server's answer to tools/list, or `-`.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// Where the server speaks MCP: it is asked itself, not through Envoy, which shows
    /// callers only what they may call.
    #[arg(long)]
    url: Option<Url>,

    /// A file with a bearer token for the server.
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,

    /// Lets the token travel over plain http to another machine, for a mesh that encrypts
    /// underneath.
    #[arg(long, requires = "url")]
    plain_http: bool,

    /// Writes nothing, and tells by the exit code whether something changed.
    #[arg(long)]
    check: bool,

    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let Command::Pin(arguments) = &arguments.command;
    pin(arguments)
}

fn pin(arguments: &PinArguments) -> Result<Done, Failure> {
    let config = arguments.config.load()?;
    let file = pin_file(&config, &arguments.service, arguments.route.as_deref())?;
    let pages = match (&arguments.url, &arguments.from) {
        (Some(url), _) => {
            let token = arguments.token_file.as_deref().map(fetch::token).transpose()?;
            if token.is_some() && !arguments.plain_http && !fetch::is_private(url) {
                return Err(Failure::Usage(
                    "--url: tokens travel by https; --plain-http says that a mesh encrypts".into(),
                ));
            }
            block_on(fetch::tools(url, token.as_ref().map(|token| token.as_str())))??
        }
        (None, Some(path)) => vec![written(path)?],
        (None, None) => return Err(Failure::Usage("name --url or --from".into())),
    };
    let new = Pins::of(&pages).map_err(|error| Failure::Refused(error.to_string()))?;
    let found = file.current().compared_to(&new);
    if !arguments.check {
        new.write(file.path()).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    told(&found, &file, arguments)?;
    Ok(if arguments.check && !found.is_empty() { Done::No } else { Done::Yes })
}

/// The pins that the route of `service` names; the only ones when no route is named.
fn pin_file(config: &Config, service: &str, route: Option<&str>) -> Result<Arc<PinFile>, Failure> {
    let usage = |told: String| Failure::Usage(told);
    let known = config.services.get(service).ok_or_else(|| {
        let names: Vec<_> = config.services.keys().map(String::as_str).collect();
        usage(format!("there is no service `{service}`; there are: {}", names.join(", ")))
    })?;
    let paths: Vec<_> = known.pins.keys().map(String::as_str).collect();
    let file = match (route, &paths[..]) {
        (_, []) => {
            return Err(usage(format!(
                "no route of `{service}` names pins; write `inspect: {{ mcp: {{ pins: FILE }} }}`"
            )));
        }
        (None, [path]) => known.pins.get(*path),
        (None, _) => None,
        (Some(path), _) => known.pins.get(path),
    };
    file.cloned()
        .ok_or_else(|| usage(format!("name one of these with --route: {}", paths.join(", "))))
}

/// An answer that somebody has kept: the JSON-RPC message, or its result alone.
fn written(path: &Path) -> Result<ToolList, Failure> {
    let usage = |told: &dyn std::fmt::Display| {
        Failure::Usage(format!("cannot read the list in {}: {told}", path.display()))
    };
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_LIST_BYTES).read_to_end(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_LIST_BYTES).read_to_end(&mut text))
    };
    read.map_err(|error| usage(&error))?;
    let parsed =
        |message: &[u8]| ToolList::parse(message).map_err(|unparsed| usage(&unparsed.detail));
    let list = match parsed(&text)? {
        None => parsed(&[b"{\"result\":", text.as_slice(), b"}"].concat())?,
        whole => whole,
    };
    let list = list.ok_or_else(|| usage(&"it has no `tools`"))?;
    if list.next_cursor().is_some() {
        return Err(usage(&"it is one page of several; use --url to read all of them"));
    }
    Ok(list)
}

fn told(found: &Differences, file: &PinFile, arguments: &PinArguments) -> Result<(), Failure> {
    let path = file.path().display().to_string();
    if arguments.json {
        let Value::Object(mut all) = json!(found) else { return Ok(()) };
        all.insert("file".to_owned(), path.into());
        all.insert("written".to_owned(), (!arguments.check).into());
        return output::json(&all);
    }
    let line = |mark: &str, tool: &Listed| {
        output::line(&format!("{mark} {}: {}", name(&tool.name), tool.pin.description))
    };
    for tool in &found.added {
        line("+", tool)?;
    }
    for changed in &found.changed {
        let was = &changed.was;
        line("~", &changed.tool)?;
        if was.description == changed.tool.pin.description {
            output::line("    the same description; its schemas or annotations changed")?;
        } else {
            output::line(&format!("    was: {}", was.description))?;
        }
    }
    for tool in &found.removed {
        line("-", tool)?;
    }
    let Differences { added, changed, removed, unchanged } = found;
    output::line(&format!(
        "{} added, {} changed, {} removed, {unchanged} unchanged; {} {path}",
        added.len(),
        changed.len(),
        removed.len(),
        if arguments.check { "not written:" } else { "written:" },
    ))
}

/// A name as it can be shown: without what moves a terminal's cursor.
fn name(name: &str) -> String {
    name.escape_debug().to_string()
}
