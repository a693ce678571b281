//! SQL over HTTP: every statement of the text, and every table that it touches.
//!
//! A statement gives one command for each table it writes, one `sql:select` for
//! each table it reads, and one on the service when it names no table; one that calls a
//! dangerous function is a `sql:call` besides. All of them share the attributes of the
//! statement.

mod carrier;
mod condition;
mod dangerous;
mod effects;
mod lexical;
mod names;
mod walk;

use std::collections::BTreeSet;

use serde_json::Value;
use sqlparser::ast::Statement;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use self::effects::Effects;
use super::Reading;
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::plan::{FunctionList, Limits, SqlDialect, SqlPlan};

/// How deep the parser may recurse, whatever the limits say. With the bounds of
/// [`lexical`], a release build stays within 640 KiB of stack; Wasm has 1 MiB.
const MAX_PARSER_DEPTH: usize = 32;

/// How many SQL texts may be inside each other as strings.
const MAX_TEXTS: usize = 3;

/// What a request carries: SQL text, or what it does without any.
enum Part {
    Text {
        sql: String,
        /// Whether the text is explained and not run.
        shown_only: bool,
    },
    Effects(Effects),
}

/// The commands of one request.
pub(super) fn commands(plan: &SqlPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let carried = carrier::read(plan, request)?;
    let database = carried.database.as_deref();
    commands_of(plan.dialect, &plan.dangerous_functions, &carried.parts, database, request.limits)
}

/// The commands of an SQL text.
pub(super) fn statements(
    dialect: SqlDialect,
    text: &str,
    limits: &Limits,
) -> Result<Vec<Command>, Unparsed> {
    let part = Part::Text { sql: text.to_owned(), shown_only: false };
    commands_of(dialect, &FunctionList::default(), &[part], None, limits)
}

fn commands_of(
    dialect: SqlDialect,
    list: &FunctionList,
    parts: &[Part],
    database: Option<&str>,
    limits: &Limits,
) -> Result<Vec<Command>, Unparsed> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Text { sql, shown_only } => {
                all.extend(effects_of(dialect, sql, *shown_only, limits, MAX_TEXTS)?);
            }
            Part::Effects(effects) => all.push(effects.clone()),
        }
    }
    let mut commands = Vec::new();
    for effects in &all {
        if let Some(why) = effects.refused {
            return Err(lexical::refused(why));
        }
        let mut attributes = attributes(effects, dialect, list);
        attributes.insert("statements".to_owned(), all.len().into());
        if let Some(database) = database {
            attributes.insert("database".to_owned(), database.into());
        }
        append(effects, &attributes, &mut commands);
        if commands.len() > limits.commands {
            return Err(Unparsed::new(
                UnparsedCode::TooManyCommands,
                format!("the SQL text makes more than {} commands", limits.commands),
            ));
        }
    }
    Ok(commands)
}

/// What each statement of a text does, and of the texts in it, of which there may be so
/// many in each other.
fn effects_of(
    dialect: SqlDialect,
    text: &str,
    shown_only: bool,
    limits: &Limits,
    texts: usize,
) -> Result<Vec<Effects>, Unparsed> {
    let inner_texts = texts.checked_sub(1).ok_or_else(|| {
        Unparsed::new(UnparsedCode::TooDeep, "the SQL text has too many texts in each other")
    })?;
    let (statements, writes_file) = parse(dialect, text, limits)?;
    if statements.is_empty() {
        return Err(Unparsed::new(UnparsedCode::SqlMissing, "the SQL text has no statement"));
    }
    let mut all = Vec::new();
    for statement in &statements {
        let mut effects = effects::of(statement, dialect);
        if writes_file {
            effects.writes_file();
        }
        all.push(if shown_only { effects.shown_only() } else { effects });
        let Some(inner) = effects::text_in(statement) else { continue };
        match effects_of(dialect, inner, shown_only, limits, inner_texts) {
            Ok(effects) => all.extend(effects),
            // It may be of another language; that it is run is known.
            Err(unparsed)
                if matches!(statement, Statement::Execute { .. })
                    && unparsed.code != UnparsedCode::TooDeep => {}
            Err(unparsed) => return Err(unparsed),
        }
    }
    Ok(all)
}

/// The statements of a text, and whether one of them has an INTO OUTFILE.
fn parse(
    dialect: SqlDialect,
    text: &str,
    limits: &Limits,
) -> Result<(Vec<Statement>, bool), Unparsed> {
    let lexical::Tokens { tokens, writes_file } = lexical::tokens(dialect, text)?;
    let rules = lexical::rules(dialect);
    let mut parser = Parser::new(&*rules)
        .with_recursion_limit(limits.depth.min(MAX_PARSER_DEPTH))
        .with_tokens_with_locations(tokens);
    let statements = parser.parse_statements().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => {
            Unparsed::new(UnparsedCode::TooDeep, "the SQL text nests deeper than the limit")
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            lexical::malformed("the SQL text is not of the configured dialect", &message)
        }
    })?;
    // The parser stops before an END that belongs to nothing; some databases take
    // the word for an alias and go on to the next statement.
    if matches!(parser.peek_token_ref().token, Token::EOF) {
        Ok((statements, writes_file))
    } else {
        Err(lexical::refused("something follows the last statement"))
    }
}

fn attributes(effects: &Effects, dialect: SqlDialect, list: &FunctionList) -> Attributes {
    let written: BTreeSet<String> =
        effects.written.iter().map(|(_, table)| table).filter(|t| !t.is_empty()).cloned().collect();
    let dangerous = dangerous::among(&effects.functions, dialect, list);
    let external: Vec<_> = effects.external.iter().copied().collect();
    let mut attributes = Attributes::new();
    let mut put = |name: &str, value: Value| {
        attributes.insert(name.to_owned(), value);
    };
    put("has_where", effects.has_where.into());
    put("tables_read", set(&effects.read));
    put("tables_written", set(&written));
    put("functions", set(&effects.functions));
    put("dangerous_functions", set(&dangerous));
    put("external", external.into());
    attributes
}

/// The commands of one statement. One that calls a dangerous function is a call as
/// well, so that it never passes for the harmless statement around it.
fn append(effects: &Effects, attributes: &Attributes, commands: &mut Vec<Command>) {
    let before = commands.len();
    let command = |action: Action, table: &str| Command {
        action,
        resource: table.to_owned(),
        attributes: attributes.clone(),
    };
    commands.extend(effects.written.iter().map(|(action, table)| command(*action, table)));
    commands.extend(effects.read.iter().map(|table| command(effects.read_action, table)));
    if effects.written.is_empty() && effects.read.is_empty() {
        commands.push(command(effects.read_action, ""));
    }
    let dangerous = attributes.get("dangerous_functions").and_then(Value::as_array);
    let is = |action: Action, name| action.name() == name;
    if dangerous.is_some_and(|functions| !functions.is_empty())
        && !is(effects.read_action, "sql:explain")
        && !commands.iter().skip(before).any(|command| is(command.action, "sql:call"))
    {
        commands.push(command(effects::action("sql:call"), ""));
    }
}

fn set(names: &BTreeSet<String>) -> Value {
    names.iter().map(String::as_str).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
