//! Where the parser of brush, another shell that follows bash, reads a text as well as
//! we do, both find the same simple commands in it.

#![cfg(not(target_arch = "wasm32"))]

use std::io::Cursor;

use brush_parser::ast::{
    AndOr, Command, CommandPrefixOrSuffixItem, CompoundCommand, CompoundList, CompoundListItem,
    SimpleCommand,
};
use brush_parser::{Parser, ParserOptions};
use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use proptest::prelude::*;
use serde_json::json;

/// The simple commands of a text, each by its words.
fn ours(text: &str) -> Option<Vec<String>> {
    let plan = json!({ "json": { "embedded": [{ "at": "/run", "as": "shell" }] } });
    let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
    let headers = [("content-type", "application/json")];
    let head = RequestHead { method: "POST", authority: "a.example", path: "/", headers: &headers };
    let body = json!({ "run": text }).to_string();
    let facts = inspect_body(&plan, &Limits::default(), &head, body.as_bytes());
    let programs = facts.commands.iter().filter(|c| c.action.name() == "shell:exec");
    let lines = programs.map(|c| c.attributes["command_line"].as_str().unwrap().to_owned());
    facts.unparsed.is_none().then(|| lines.collect())
}

fn theirs(text: &str) -> Option<Vec<String>> {
    let mut parser = Parser::new(Cursor::new(text), &ParserOptions::default());
    let program = parser.parse_program().ok()?;
    let mut lines = Vec::new();
    for list in &program.complete_commands {
        compound_list(list, &mut lines);
    }
    Some(lines)
}

fn compound_list(list: &CompoundList, lines: &mut Vec<String>) {
    for CompoundListItem(list, _) in &list.0 {
        let more = list.additional.iter().map(|next| match next {
            AndOr::And(pipeline) | AndOr::Or(pipeline) => pipeline,
        });
        for pipeline in std::iter::once(&list.first).chain(more) {
            for stage in &pipeline.seq {
                command(stage, lines);
            }
        }
    }
}

fn command(command: &Command, lines: &mut Vec<String>) {
    match command {
        Command::Simple(simple) => lines.extend(line(simple)),
        Command::Compound(compound, _) => compound_command(compound, lines),
        Command::Function(function) => compound_command(&function.body.0, lines),
        Command::ExtendedTest(..) => {}
    }
}

fn compound_command(compound: &CompoundCommand, lines: &mut Vec<String>) {
    match compound {
        CompoundCommand::Arithmetic(_) => {}
        CompoundCommand::ArithmeticForClause(clause) => compound_list(&clause.body.list, lines),
        CompoundCommand::BraceGroup(group) => compound_list(&group.list, lines),
        CompoundCommand::Subshell(subshell) => compound_list(&subshell.list, lines),
        CompoundCommand::ForClause(clause) => compound_list(&clause.body.list, lines),
        CompoundCommand::CaseClause(clause) => {
            for list in clause.cases.iter().filter_map(|case| case.cmd.as_ref()) {
                compound_list(list, lines);
            }
        }
        CompoundCommand::IfClause(clause) => {
            compound_list(&clause.condition, lines);
            compound_list(&clause.then, lines);
            for more in clause.elses.iter().flatten() {
                more.condition.iter().for_each(|list| compound_list(list, lines));
                compound_list(&more.body, lines);
            }
        }
        CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
            compound_list(&clause.0, lines);
            compound_list(&clause.1.list, lines);
        }
        CompoundCommand::Coprocess(coprocess) => command(&coprocess.body, lines),
    }
}

/// The words of a command that has a program; the texts here have only words that are
/// shown as they are written.
fn line(simple: &SimpleCommand) -> Option<String> {
    let mut words = vec![simple.word_or_name.as_ref()?.value.clone()];
    for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
        match item {
            CommandPrefixOrSuffixItem::Word(word)
            | CommandPrefixOrSuffixItem::AssignmentWord(_, word) => words.push(word.value.clone()),
            _ => {}
        }
    }
    Some(words.join(" "))
}

/// Ours are quoted where a shell needs it, theirs as they are written.
fn without_quotes(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.replace(['\'', '"'], "")).collect()
}

fn text() -> impl Strategy<Value = String> {
    let words = vec![
        "a",
        "b",
        "c -x",
        "a 'b c'",
        "x=1",
        "x=1 a",
        "b y=2",
        "a;",
        "b\n",
        "c &",
        "a &&",
        "b ||",
        "a |",
        "b |&",
        "{",
        "}",
        "};",
        "(",
        ")",
        "!",
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "while",
        "until",
        "do",
        "done",
        "for x in a b;",
        "for x\n",
        "case a in",
        "b)",
        "(b|c)",
        ";;",
        "esac",
        "f()",
        "f() {",
        "function g",
        "> o",
        "2>&1",
        "< i",
        ">> o",
        "&> o",
        "<<E\nx\nE\n",
        "<<'E' <<F\nx\nE\n'\nF\n",
        "# c\n",
        "\\\n",
        "\n",
        "a <<< b",
        "'\n'",
        "if a; then",
        "fi;",
        "while a; do",
        "done;",
        "\"b c\"",
    ];
    prop::collection::vec(prop::sample::select(words), 1..12).prop_map(|words| words.join(" "))
}

#[test]
fn brush_finds_the_same_commands() {
    let mut compared = 0;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..30_000 {
        let text = prop::strategy::ValueTree::current(&text().new_tree(&mut runner).unwrap());
        if let (Some(ours), Some(theirs)) = (ours(&text), theirs(&text)) {
            assert_eq!(without_quotes(&ours), without_quotes(&theirs), "{text}");
            compared += 1;
        }
    }
    assert!(compared > 3_000, "only {compared} texts are compared");
}
