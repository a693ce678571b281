//! The SQL text as tokens, and what is refused before it is parsed: text that a
//! database may cut into tokens in another way, and text whose syntax tree would
//! be deeper than the stack.

mod quoting;
mod rewrite;
mod trino;

use sqlparser::dialect::{
    BigQueryDialect, ClickHouseDialect, DatabricksDialect, Dialect, GenericDialect, MySqlDialect,
    PostgreSqlDialect, RedshiftSqlDialect, SQLiteDialect, SnowflakeDialect,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::facts::{Unparsed, UnparsedCode};
use crate::plan::SqlDialect;

/// The most operators and keywords in a row: `a AND b AND c …` makes a tree as deep
/// as it is long, without any recursion that the parser would count.
const MAX_CHAIN: usize = 400;

/// The most brackets inside each other. A level of `FROM (FROM (…` takes over 20 KiB
/// of stack in a release build, and Wasm has 1 MiB.
const MAX_BRACKETS: usize = 24;

/// What a JOIN counts for: `a JOIN b JOIN c …` with the conditions at the end is
/// recursion that the parser does not count.
const JOIN_WEIGHT: usize = 6;

/// The parser's rules of a dialect.
pub(super) fn rules(dialect: SqlDialect) -> Box<dyn Dialect> {
    match dialect {
        SqlDialect::Generic => Box::new(GenericDialect {}),
        SqlDialect::Postgresql => Box::new(PostgreSqlDialect {}),
        SqlDialect::Mysql => Box::new(MySqlDialect {}),
        SqlDialect::Sqlite => Box::new(SQLiteDialect {}),
        SqlDialect::Clickhouse => Box::new(ClickHouseDialect {}),
        SqlDialect::Snowflake => Box::new(SnowflakeDialect),
        SqlDialect::Bigquery => Box::new(BigQueryDialect {}),
        SqlDialect::Databricks => Box::new(DatabricksDialect {}),
        SqlDialect::Redshift => Box::new(RedshiftSqlDialect {}),
        SqlDialect::Trino => Box::new(trino::TrinoDialect {}),
    }
}

/// The tokens of a text.
pub(super) struct Tokens {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Whether there was an INTO OUTFILE, which the parser does not know.
    pub(super) writes_file: bool,
}

/// The tokens of `text`.
pub(super) fn tokens(dialect: SqlDialect, text: &str) -> Result<Tokens, Unparsed> {
    check_text(dialect, text)?;
    let rules = rules(dialect);
    let tokens = Tokenizer::new(&*rules, text).tokenize_with_location().map_err(|error| {
        let at = format!("at Line: {}, Column: {}", error.location.line, error.location.column);
        malformed("the SQL text has an unfinished or unknown token", &at)
    })?;
    quoting::check(dialect, text, &tokens)?;
    let mut depth = Depth::new();
    let mut changes_rows = false;
    for TokenWithSpan { token, .. } in &tokens {
        check_token(dialect, token)?;
        depth.take(token)?;
        if changes_rows && is_modifier(dialect, token) {
            return Err(refused("UPDATE and DELETE with a modifier are not read"));
        }
        if !matches!(token, Token::Whitespace(_)) {
            changes_rows = matches!(token, Token::Word(word)
                if matches!(word.keyword, Keyword::UPDATE | Keyword::DELETE));
        }
    }
    Ok(rewrite::rewrite(dialect, tokens))
}

/// The text is refused though it may parse.
pub(super) fn refused(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::SqlMalformed, why)
}

/// The text does not parse. Of the parser's message only the position is used: the
/// rest quotes the text.
pub(super) fn malformed(what: &str, message: &str) -> Unparsed {
    let position = message.rsplit_once("Line: ").and_then(|(_, position)| {
        let (line, column) = position.split_once(", Column: ")?;
        Some((line.parse::<u64>().ok()?, column.trim_end_matches('.').parse::<u64>().ok()?))
    });
    Unparsed::new(
        UnparsedCode::SqlMalformed,
        match position {
            Some((line, column)) if line > 0 => format!("{what}, at line {line} column {column}"),
            _ => what.to_owned(),
        },
    )
}

fn check_text(dialect: SqlDialect, text: &str) -> Result<(), Unparsed> {
    if text.contains('\0') {
        return Err(refused("the SQL text has a NUL, where some databases stop to read"));
    }
    if text.split('\r').skip(1).any(|rest| !rest.starts_with('\n')) {
        return Err(refused("the SQL text has a carriage return alone, which may end a comment"));
    }
    let executable = text.contains("/*!") || text.contains("/*M!");
    if executable && matches!(dialect, SqlDialect::Mysql | SqlDialect::Generic) {
        return Err(refused("the SQL text has a comment that MySQL executes"));
    }
    if dialect == SqlDialect::Databricks && text.contains("${") {
        return Err(refused("the SQL text has a variable that is replaced before it is read"));
    }
    let backslashes = matches!(dialect, SqlDialect::Generic | SqlDialect::Redshift);
    if backslashes && ["\\'", "\\\"", "\\`"].iter().any(|s| text.contains(s)) {
        return Err(refused(
            "the SQL text has a backslash before a quote, which dialects read differently",
        ));
    }
    Ok(())
}

fn check_token(dialect: SqlDialect, token: &Token) -> Result<(), Unparsed> {
    match token {
        Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.contains("/*") => {
            Err(refused("the SQL text has a comment in a comment"))
        }
        // MySQL takes `--1` for two signs.
        Token::Whitespace(Whitespace::SingleLineComment { comment, prefix })
            if dialect == SqlDialect::Generic
                && prefix == "--"
                && !(comment.is_empty() || comment.starts_with(char::is_whitespace)) =>
        {
            Err(refused("the SQL text has `--` without a space after it"))
        }
        Token::DollarQuotedString(_)
            if !matches!(
                dialect,
                SqlDialect::Postgresql
                    | SqlDialect::Redshift
                    | SqlDialect::Snowflake
                    | SqlDialect::Clickhouse
            ) =>
        {
            Err(refused("the SQL text has a dollar-quoted string, which the dialect has not"))
        }
        Token::DollarQuotedString(text)
            if text.tag.as_ref().is_some_and(|tag| {
                dialect == SqlDialect::Snowflake || tag.starts_with(|c: char| c.is_ascii_digit())
            }) =>
        {
            Err(refused("the SQL text has a dollar quote that the dialect has not"))
        }
        Token::HexStringLiteral(digits)
            if !digits.chars().all(|c| c.is_ascii_hexdigit() || c.is_whitespace()) =>
        {
            Err(refused("the SQL text has a hexadecimal string that is none"))
        }
        Token::Placeholder(name) if name == "$" => {
            Err(refused("the SQL text has a dollar sign that stands for nothing"))
        }
        Token::Word(word) if word.value.eq_ignore_ascii_case("uescape") => {
            Err(refused("the SQL text has an escape character of its own"))
        }
        Token::CopyData { .. } => {
            Err(refused("the SQL text has inline data, which may be statements"))
        }
        _ => Ok(()),
    }
}

/// Words after MySQL's UPDATE and DELETE that the parser takes for the table.
fn is_modifier(dialect: SqlDialect, token: &Token) -> bool {
    let Token::Word(word) = token else { return false };
    matches!(dialect, SqlDialect::Mysql | SqlDialect::Generic)
        && word.quote_style.is_none()
        && ["LOW_PRIORITY", "QUICK", "IGNORE"]
            .iter()
            .any(|modifier| word.value.eq_ignore_ascii_case(modifier))
}

/// An upper bound of the tree's depth, from the tokens alone: the operators and
/// keywords on the way from the statement's start to here, without those of lists'
/// earlier items and of brackets that were closed.
struct Depth {
    levels: Vec<Level>,
    total: usize,
}

#[derive(Default)]
struct Level {
    /// Since the last comma.
    chain: usize,
    /// Set operators, which chain queries across the commas in them.
    spine: usize,
}

impl Depth {
    fn new() -> Self {
        Self { levels: vec![Level::default()], total: 0 }
    }

    fn take(&mut self, token: &Token) -> Result<(), Unparsed> {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.count(1, |level| &mut level.chain);
                self.levels.push(Level::default());
                if self.levels.len() > MAX_BRACKETS {
                    return Err(Unparsed::new(
                        UnparsedCode::TooDeep,
                        format!("the SQL text nests brackets deeper than {MAX_BRACKETS}"),
                    ));
                }
            }
            Token::RParen | Token::RBracket | Token::RBrace if self.levels.len() > 1 => {
                if let Some(level) = self.levels.pop() {
                    self.forget(level.chain);
                    self.forget(level.spine);
                }
            }
            Token::Comma => self.end_item(),
            Token::SemiColon => {
                self.end_item();
                let spine =
                    self.levels.last_mut().map_or(0, |level| std::mem::take(&mut level.spine));
                self.forget(spine);
            }
            Token::Word(word)
                if matches!(
                    word.keyword,
                    Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS
                ) =>
            {
                self.count(1, |level| &mut level.spine);
            }
            Token::Word(word) if word.keyword == Keyword::JOIN => {
                self.count(JOIN_WEIGHT, |level| &mut level.chain);
            }
            Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
            Token::Whitespace(_)
            | Token::Period
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::Placeholder(_)
            | Token::EOF => {}
            _ => self.count(1, |level| &mut level.chain),
        }
        if self.total > MAX_CHAIN {
            return Err(Unparsed::new(
                UnparsedCode::TooDeep,
                format!("the SQL text has more than {MAX_CHAIN} operators and keywords in a row"),
            ));
        }
        Ok(())
    }

    fn count(&mut self, weight: usize, counter: fn(&mut Level) -> &mut usize) {
        if let Some(level) = self.levels.last_mut() {
            let counter = counter(level);
            *counter = counter.saturating_add(weight);
            self.total = self.total.saturating_add(weight);
        }
    }

    fn end_item(&mut self) {
        let chain = self.levels.last_mut().map_or(0, |level| std::mem::take(&mut level.chain));
        self.forget(chain);
    }

    fn forget(&mut self, counted: usize) {
        self.total = self.total.saturating_sub(counted);
    }
}
