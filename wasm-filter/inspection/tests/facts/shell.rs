//! Shell command lines.

use chaperone_inspection::facts::{Command, Facts};
use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{cases, code, conform, head};

/// A line, or the arguments of a program that is run without a shell.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShellCase {
    case: String,
    line: Value,
    /// Each command in short; none when the line is not read.
    #[serde(default)]
    runs: Vec<String>,
    unparsed: Option<String>,
}

/// Attributes that are shown by their name alone, when they are true.
const FLAGS: [&str; 10] = [
    "dynamic",
    "unknown_script",
    "fetch_piped_to_shell",
    "inline_code",
    "recursive_force_delete",
    "privilege_change",
    "alters_execution",
    "network",
    "remote",
    "background",
];

/// `<command line> # <flags> <set>=<values>`; the action stands for a command without
/// a program.
fn in_short(command: &Command) -> String {
    let attributes = &command.attributes;
    let mut notes: Vec<String> = FLAGS
        .iter()
        .filter(|flag| attributes[**flag] == true)
        .map(|flag| (*flag).to_owned())
        .collect();
    for (name, shown) in [
        ("assigns", "assigns"),
        ("reads_files", "reads"),
        ("writes_files", "writes"),
        ("appends_files", "appends"),
        ("via", "via"),
    ] {
        let texts: Vec<String> = serde_json::from_value(attributes[name].clone()).unwrap();
        if !texts.is_empty() {
            notes.push(format!("{shown}={}", texts.join(",")));
        }
    }
    let line = match attributes["command_line"].as_str().unwrap() {
        "" => command.action.name(),
        line => line,
    };
    if notes.is_empty() { line.to_owned() } else { format!("{line} # {}", notes.join(" ")) }
}

fn facts(line: &Value) -> Facts {
    let plan: ProtocolPlan = serde_json::from_value(
        json!({ "json": { "embedded": [{ "at": "/run", "as": "shell" }] } }),
    )
    .unwrap();
    let head = head("POST", "/run", &[("content-type", "application/json")]);
    let body = json!({ "run": line }).to_string();
    inspect_body(&plan, &Limits::default(), &head, body.as_bytes())
}

fn shell_commands(facts: &Facts) -> Vec<&Command> {
    facts.commands.iter().filter(|command| command.action.name().starts_with("shell:")).collect()
}

#[test]
fn shell_lines_make_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<ShellCase>("shell", 400) {
        let facts = facts(&case.line);
        conform(&facts);
        let runs: Vec<String> = shell_commands(&facts).into_iter().map(in_short).collect();
        for command in shell_commands(&facts) {
            assert_eq!(command.attributes["program"], command.resource, "{}", case.case);
        }
        if (&runs, code(&facts)) != (&case.runs, case.unparsed.clone()) {
            let detail = facts.unparsed.map_or(String::new(), |unparsed| unparsed.detail);
            wrong.push(format!("{}: {detail}\n  {:?}\n  {runs:?}", case.case, case.runs));
        }
    }
    assert!(wrong.is_empty(), "expected, then found:\n{}", wrong.join("\n"));
}

#[test]
fn shell_text_is_read_in_the_arguments_of_a_tool() {
    let plan = json!({ "mcp": { "embedded": [{ "tool": "run_*", "at": "/cmd", "as": "shell" }] } });
    let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-06-18"),
    ];
    let call = |tool: &str, cmd: Value| {
        let head = head("POST", "/mcp", &headers);
        let params = json!({ "name": tool, "arguments": { "cmd": cmd } });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        inspect_body(&plan, &Limits::default(), &head, body.to_string().as_bytes())
    };
    let runs = |facts: &Facts| -> Vec<String> {
        shell_commands(facts).into_iter().map(in_short).collect()
    };
    let facts = call("run_shell", json!("ls | wc -l"));
    assert_eq!(runs(&facts), ["ls", "wc -l"], "{facts:?}");
    assert_eq!(facts.commands[0].action.name(), "mcp:tools/call");
    let facts = call("run_shell", json!(["sh", "-c", "id; ls"]));
    assert_eq!(runs(&facts), ["id # via=sh", "ls # via=sh"], "{facts:?}");
    assert_eq!(code(&call("run_shell", json!("$x"))).as_deref(), Some("shell_undecidable"));
    assert_eq!(code(&call("run_shell", json!(7))).as_deref(), Some("field_malformed"));
    assert_eq!(code(&call("run_shell", json!(["ls", 7]))).as_deref(), Some("field_malformed"));
    let other = call("read_file", json!("$x"));
    assert_eq!((code(&other), runs(&other)), (None, Vec::new()));
}
