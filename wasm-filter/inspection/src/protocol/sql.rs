//! SQL over HTTP: every statement of the text, and every table that it touches.
//!
//! A statement gives one command for each table it writes, one `sql:select` for
//! each table it reads, and one on the service when it names no table; all of them
//! share the attributes of the statement.

mod carrier;
mod condition;
mod dangerous;
mod effects;
mod lexical;
mod names;
mod presets;
mod walk;

use std::collections::BTreeSet;

use serde_json::Value;
use sqlparser::ast::Statement;
use sqlparser::parser::{Parser, ParserError};

use self::carrier::Carried;
use self::effects::Effects;
use super::Reading;
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::plan::{DangerousFunctions, Limits, SqlDialect, SqlPlan};

/// How deep the parser may recurse, whatever the limits say. With the bounds of
/// [`lexical`], a release build stays within 640 KiB of stack; Wasm has 1 MiB.
const MAX_PARSER_DEPTH: usize = 32;

/// How a text is read.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    /// Its dialect.
    pub(super) dialect: SqlDialect,
    /// Which functions are dangerous.
    pub(super) dangerous: &'a DangerousFunctions,
}

/// The commands of one request.
pub(super) fn commands(plan: &SqlPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let rules = Rules { dialect: plan.dialect, dangerous: &plan.dangerous_functions };
    let mut commands = Vec::new();
    for text in match carrier::carried(plan, request)? {
        Carried::Texts(texts) => texts,
        Carried::Commands(commands) => return Ok(commands),
    } {
        commands.extend(statements(rules, &text, request.limits)?);
    }
    Ok(commands)
}

/// The commands of an SQL text.
pub(super) fn statements(
    rules: Rules<'_>,
    text: &str,
    limits: &Limits,
) -> Result<Vec<Command>, Unparsed> {
    let statements = parse(rules.dialect, text, limits)?;
    if statements.is_empty() {
        return Err(Unparsed::new(UnparsedCode::SqlMissing, "the SQL text has no statement"));
    }
    let mut commands = Vec::new();
    for statement in &statements {
        let effects = effects::of(statement, rules.dialect);
        if effects.computed_name {
            return Err(lexical::refused("the name of a table is computed"));
        }
        append(rules, &effects, statements.len(), &mut commands);
        if commands.len() > limits.commands {
            return Err(Unparsed::new(
                UnparsedCode::TooManyCommands,
                format!("the SQL text makes more than {} commands", limits.commands),
            ));
        }
    }
    Ok(commands)
}

fn parse(dialect: SqlDialect, text: &str, limits: &Limits) -> Result<Vec<Statement>, Unparsed> {
    let tokens = lexical::tokens(dialect, text)?;
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
    if parser.peek_token_ref().token == sqlparser::tokenizer::Token::EOF {
        Ok(statements)
    } else {
        Err(lexical::refused("something follows the last statement"))
    }
}

fn append(rules: Rules<'_>, effects: &Effects, statements: usize, commands: &mut Vec<Command>) {
    let mut attributes = Attributes::new();
    attributes.insert("has_where".to_owned(), effects.has_where.into());
    attributes.insert("tables_read".to_owned(), set(&effects.read));
    let written: BTreeSet<String> =
        effects.written.iter().map(|(_, table)| table).filter(|t| !t.is_empty()).cloned().collect();
    attributes.insert("tables_written".to_owned(), set(&written));
    attributes.insert("functions".to_owned(), set(&effects.functions));
    let dangerous = dangerous::of(&effects.functions, rules.dialect, rules.dangerous);
    attributes.insert("dangerous_functions".to_owned(), set(&dangerous));
    attributes.insert("statements".to_owned(), statements.into());
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
}

fn set(names: &BTreeSet<String>) -> Value {
    names.iter().map(String::as_str).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
