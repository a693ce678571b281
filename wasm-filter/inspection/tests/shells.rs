//! What real shells run is what we read: random texts are given to `bash` and `sh`,
//! among whose programs are only ones that write down their arguments.

#![cfg(unix)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::json;

/// Writes its name and its arguments to the log, at once; `f` fails.
const SPY: &str = "#!/bin/sh
run=${0##*/}
for argument; do run=$run\x1f$argument; done
printf '%s\x1e' \"$run\" >> \"$SPY_LOG\"
[ \"${0##*/}\" != f ]
";

/// Programs that run others, as they are.
const REAL: [(&str, &str); 6] = [
    ("sh", "/bin/sh"),
    ("bash", "/bin/bash"),
    ("env", "/usr/bin/env"),
    ("xargs", "/usr/bin/xargs"),
    ("timeout", "/usr/bin/timeout"),
    ("base64", "/usr/bin/base64"),
];

/// A folder of programs, and one to run in.
struct Stage {
    folder: PathBuf,
    runs: Cell<usize>,
}

impl Stage {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shells");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::create_dir_all(folder.join("here")).unwrap();
        for name in ["a", "b", "c", "f"] {
            let path = folder.join("bin").join(name);
            fs::write(&path, SPY).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (name, path) in REAL {
            assert!(Path::new(path).exists(), "{path} is needed");
            symlink(path, folder.join("bin").join(name)).unwrap();
        }
        Self { folder, runs: Cell::new(0) }
    }

    /// What the shell runs: each program with its arguments.
    fn run(&self, shell: &str, text: &str) -> Vec<Vec<String>> {
        // What goes on in the background writes to the log of its own run.
        self.runs.set(self.runs.get() + 1);
        let log = self.folder.join(format!("log{}", self.runs.get()));
        fs::write(&log, "").unwrap();
        Command::new(shell)
            .args(["-c", text])
            .env_clear()
            .env("PATH", self.folder.join("bin"))
            .env("SPY_LOG", &log)
            .current_dir(self.folder.join("here"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap_or_else(|error| panic!("{shell}: {error}"));
        let written = fs::read(&log).unwrap();
        fs::remove_file(&log).unwrap();
        let log = String::from_utf8_lossy(&written);
        let runs = log.split('\u{1e}').filter(|run| !run.is_empty());
        runs.map(|run| run.split('\u{1f}').map(str::to_owned).collect()).collect()
    }
}

fn read(text: &str) -> Facts {
    let plan = json!({ "json": { "embedded": [{ "at": "/run", "as": "shell" }] } });
    let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
    let headers = [("content-type", "application/json")];
    let head = RequestHead { method: "POST", authority: "a.example", path: "/", headers: &headers };
    let limits = Limits { commands: 1000, ..Limits::default() };
    inspect_body(&plan, &limits, &head, json!({ "run": text }).to_string().as_bytes())
}

/// Whether the facts have a command that may be this run. A `sh` that is not bash has
/// other arguments where it does not know `$'…'` and braces.
fn foresee(facts: &Facts, run: &[String], knows_bash: bool) -> bool {
    let (program, arguments) = run.split_first().unwrap();
    let arguments: BTreeSet<&str> = arguments.iter().map(String::as_str).collect();
    let mut commands = facts.commands.iter().filter(|c| c.action.name() == "shell:exec");
    commands.any(|command| {
        let attributes = &command.attributes;
        let script = attributes["unknown_script"] == true;
        let runs = command.resource == *program;
        script
            || runs
                && (attributes["dynamic"] == true
                    || !knows_bash
                    || attributes["arguments"] == json!(arguments.iter().collect::<Vec<_>>()))
    })
}

fn word() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "b",
        "x",
        "y",
        "'a b'",
        "\"a b\"",
        "\\ a",
        "''",
        "$'a\\tb'",
        "$'\\x61'",
        "{a,b}",
        "{b,-{x,y}}",
        "x=1",
        "$x",
        "\"$x\"",
        "${x:-b}",
        "\"${x:-'b'}\"",
        "$(b x)",
        "`c y`",
        "\"$(b \"x y\")\"",
        "$((1+1))",
        "*",
        "a#b",
        "~",
        "\\\n x",
        "[",
        "\"\\$x\"",
        "'$(a)'",
        "$(c `b`)",
        "<(b)",
        "!",
        "{x}",
        "${x#a}",
        "$(case x in x) a;; esac)",
        "\"`a \\`b\\``\"",
    ];
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn simple() -> impl Strategy<Value = String> {
    let before = [
        "",
        "",
        "",
        "x=1 ",
        "x=b ",
        "! ",
        "command ",
        "env ",
        "env x=1 ",
        "exec ",
        "eval ",
        "timeout 5 ",
        "sh -c ",
        "bash -c ",
        "x &>/dev/null ",
        "2>/dev/null ",
        "time ",
        "x=c; ",
        "x=a; $x ",
        "xargs ",
        "builtin eval ",
        "env -i PATH=\"$PATH\" SPY_LOG=\"$SPY_LOG\" ",
        "sh -ec ",
    ];
    let after = [
        "",
        "",
        "",
        " 2>&1",
        " >/dev/null",
        " &>/dev/null",
        " </dev/null",
        " <<< x",
        " <<E\nx $(b)\nE\n",
        " <<'E'\n$(b)\nE\n",
        " # b c",
        " &",
        " | sh",
        " <<E | sh\na x\nE\n",
    ];
    let program =
        prop::sample::select(vec!["a", "b", "c", "f", "\\a", "'b'", "c''", "echo a", "$'a'"]);
    (
        prop::sample::select(before.to_vec()),
        program,
        prop::collection::vec(word(), 0..4),
        prop::sample::select(after.to_vec()),
    )
        .prop_map(|(before, program, words, after)| {
            let words = words.join(" ");
            format!("{before}{program} {words}{after}")
        })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn script() -> impl Strategy<Value = String> {
    simple().prop_recursive(3, 12, 3, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (
                two.clone(),
                prop::sample::select(vec!["; ", " && ", " || ", " | ", "\n", " & ", " |& "])
            )
                .prop_map(|((a, b), sign)| format!("{a}{sign}{b}")),
            one.clone().prop_map(|a| format!("( {a}\n)")),
            one.clone().prop_map(|a| format!("{{ {a}\n}}")),
            one.clone().prop_map(|a| format!("a $( {a}\n)")),
            one.clone().prop_map(|a| format!("sh -c {}", quoted(&a))),
            one.clone().prop_map(|a| format!("bash -c {} x y", quoted(&a))),
            one.clone().prop_map(|a| format!("eval {}", quoted(&a))),
            one.clone().prop_map(|a| format!("g() {{ {a}\n}}; g")),
            one.clone().prop_map(|a| format!("sh <<'EOF'\n{a}\nEOF\n")),
            one.clone().prop_map(|a| format!("for x in a b; do {a}\ndone")),
            one.clone().prop_map(|a| format!("case x in (x|y) {a}\n;; esac")),
            one.clone().prop_map(|a| format!("while f; do {a}\ndone")),
            two.clone().prop_map(|(a, b)| format!("if {a}\nthen {b}\nelse c\nfi")),
            two.prop_map(|(a, b)| format!("if f\nthen {a}\nelif b\nthen {b}\nfi > /dev/null")),
        ]
    })
}

/// Signs put into a simple command, where they change what is a word.
fn spoilt() -> impl Strategy<Value = String> {
    let signs = vec![
        "'", "\"", "\\", "$", "`", "{", "}", "(", "|", "&", ";", "<", ">", "#", "*", "?", "[", "]",
        "~", "=", "\n", "\t", " ", ",", "\\\n", "$'", "${x", "$(", "((", "<<E\n", "!", "\r", "[[ ",
    ];
    let edits =
        prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(signs)), 1..4);
    (prop_oneof![simple(), (simple(), simple()).prop_map(|(a, b)| format!("{a}\n{b}"))], edits)
        .prop_map(|(mut text, edits)| {
            for (at, sign) in edits {
                let at = at.index(text.len() + 1);
                text.insert_str(at, sign);
            }
            text
        })
}

#[test]
fn every_program_that_a_shell_runs_was_foreseen() {
    let stage = Stage::new();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases())
    });
    let mut read_texts = 0;
    let outcome = runner.run(&prop_oneof![script(), spoilt()], |text| {
        let facts = read(&text);
        if facts.unparsed.is_some() {
            return Ok(());
        }
        for shell in ["bash", "sh"] {
            for run in stage.run(shell, &text) {
                let knows_bash =
                    !text.contains(['{', '\'']) || (shell == "bash" && !text.contains("sh"));
                prop_assert!(
                    foresee(&facts, &run, knows_bash),
                    "{} runs {:?} of {}",
                    shell,
                    run,
                    text
                );
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let mut more = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..200 {
        let text = script().new_tree(&mut more).unwrap().current();
        read_texts += usize::from(read(&text).unparsed.is_none());
    }
    assert!(read_texts > 60, "only {read_texts} of 200 texts are read, so little is compared");
}

fn cases() -> u32 {
    std::env::var("SHELL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}
