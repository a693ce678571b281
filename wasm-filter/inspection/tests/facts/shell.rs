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
    for case in cases::<ShellCase>("shell", 200) {
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
