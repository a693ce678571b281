//! A second reading of where strings, quoted names and comments begin and end, by
//! each database's own lexical rules; it must agree with the parser's.
//!
//! Everything that hides a statement from a reader hides it in one of these. So the
//! text is cut twice, by two programs that share nothing, and refused where they cut
//! in different places: an operator that swallows a comment (`1 <-- '`), a backslash
//! that only one of them takes for an escape, a prefix that one of them does not know.

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::refused;
use crate::facts::Unparsed;
use crate::plan::SqlDialect;

/// Refuses `text` if its database may cut it in other places than `tokens`.
pub(super) fn check(
    dialect: SqlDialect,
    text: &str,
    tokens: &[TokenWithSpan],
) -> Result<(), Unparsed> {
    let chars: Vec<char> = text.chars().collect();
    let mut scan = Scan { rules: rules(dialect), chars: &chars, at: 0, line: 1, column: 1 };
    let mut cuts = Vec::new();
    while let Some(cut) = scan.next_cut()? {
        cuts.push(cut);
    }
    let mut cuts = cuts.into_iter().peekable();
    for TokenWithSpan { token, span } in tokens {
        let (line, column) = (span.end.line, span.end.column);
        match kind(token) {
            Kind::Plain => {}
            // `0x41` is this token as well, and not quoted.
            Kind::Hex => {
                let _ = cuts.next_if_eq(&Cut { line, column, comment: false });
            }
            kind => {
                let comment = matches!(kind, Kind::Comment);
                if cuts.next() != Some(Cut { line, column, comment }) {
                    return Err(differs());
                }
            }
        }
    }
    if cuts.next().is_some() { Err(differs()) } else { Ok(()) }
}

fn differs() -> Unparsed {
    refused("the SQL text can be cut into strings and comments in more than one way")
}

/// Where a string, a quoted name or a comment ends.
#[derive(PartialEq)]
struct Cut {
    line: u64,
    column: u64,
    comment: bool,
}

enum Kind {
    Plain,
    Comment,
    Quoted,
    Hex,
}

fn kind(token: &Token) -> Kind {
    match token {
        Token::Whitespace(
            Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_),
        ) => Kind::Comment,
        Token::Word(word) if word.quote_style.is_some() => Kind::Quoted,
        Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::TripleSingleQuotedString(_)
        | Token::TripleDoubleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::DoubleQuotedByteStringLiteral(_)
        | Token::TripleSingleQuotedByteStringLiteral(_)
        | Token::TripleDoubleQuotedByteStringLiteral(_)
        | Token::SingleQuotedRawStringLiteral(_)
        | Token::DoubleQuotedRawStringLiteral(_)
        | Token::TripleSingleQuotedRawStringLiteral(_)
        | Token::TripleDoubleQuotedRawStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::QuoteDelimitedStringLiteral(_)
        | Token::NationalQuoteDelimitedStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_) => Kind::Quoted,
        Token::HexStringLiteral(_) => Kind::Hex,
        _ => Kind::Plain,
    }
}

/// The lexical rules of a database.
#[expect(clippy::struct_excessive_bools, reason = "each is one rule of a manual")]
#[derive(Clone, Copy)]
struct Rules {
    /// Marks that begin a string or a quoted name.
    quotes: &'static str,
    /// Those of them in which a backslash takes the next character along.
    backslash: &'static str,
    /// Whether a mark twice is the mark itself.
    doubles: bool,
    /// Whether three marks begin a string that three marks end.
    triples: bool,
    /// Whether `E'…'` has escapes though `'…'` has not.
    escape_prefix: bool,
    /// Whether `R'…'` has none though `'…'` has.
    raw_prefix: bool,
    dollars: Dollars,
    /// `--` begins a comment only before white space or a control character.
    dashes_need_space: bool,
    hash: Hash,
    /// `//` begins a comment.
    slashes: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Dollars {
    /// `$` quotes nothing.
    None,
    /// `$$…$$`.
    Bare,
    /// `$tag$…$tag$`.
    Tagged,
}

#[derive(Clone, Copy, PartialEq)]
enum Hash {
    Plain,
    Comment,
    /// `# ` and `#!`.
    CommentBeforeSpace,
    /// In some databases a comment, in others an operator or part of a name.
    Ambiguous,
}

const STANDARD: Rules = Rules {
    quotes: "'\"",
    backslash: "",
    doubles: true,
    triples: false,
    escape_prefix: false,
    raw_prefix: false,
    dollars: Dollars::None,
    dashes_need_space: false,
    hash: Hash::Plain,
    slashes: false,
};

const fn rules(dialect: SqlDialect) -> Rules {
    match dialect {
        SqlDialect::Generic => {
            Rules { quotes: "'\"`", hash: Hash::Ambiguous, escape_prefix: true, ..STANDARD }
        }
        // https://www.postgresql.org/docs/current/sql-syntax-lexical.html
        SqlDialect::Postgresql => {
            Rules { escape_prefix: true, dollars: Dollars::Tagged, ..STANDARD }
        }
        // https://docs.aws.amazon.com/redshift/latest/dg/r_names.html; its strings have
        // PostgreSQL 8's escapes.
        SqlDialect::Redshift => Rules { backslash: "'", dollars: Dollars::Tagged, ..STANDARD },
        // https://dev.mysql.com/doc/refman/8.4/en/language-structure.html, in the default
        // SQL mode.
        SqlDialect::Mysql => Rules {
            quotes: "'\"`",
            backslash: "'\"",
            dashes_need_space: true,
            hash: Hash::Comment,
            ..STANDARD
        },
        // https://sqlite.org/lang_keywords.html
        SqlDialect::Sqlite => Rules { quotes: "'\"`[", ..STANDARD },
        // https://clickhouse.com/docs/sql-reference/syntax
        SqlDialect::Clickhouse => Rules {
            quotes: "'\"`",
            backslash: "'\"`",
            dollars: Dollars::Tagged,
            hash: Hash::CommentBeforeSpace,
            slashes: true,
            ..STANDARD
        },
        // https://docs.snowflake.com/en/sql-reference/data-types-text
        SqlDialect::Snowflake => {
            Rules { backslash: "'", dollars: Dollars::Bare, slashes: true, ..STANDARD }
        }
        // https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical; in a raw
        // string too, a quote after a backslash ends nothing.
        SqlDialect::Bigquery => Rules {
            quotes: "'\"`",
            backslash: "'\"`",
            doubles: false,
            triples: true,
            hash: Hash::Comment,
            ..STANDARD
        },
        // https://docs.databricks.com/en/sql/language-manual/data-types/string-type.html
        SqlDialect::Databricks => {
            Rules { quotes: "'\"`", backslash: "'\"", raw_prefix: true, ..STANDARD }
        }
        // https://trino.io/docs/current/language/reserved.html
        SqlDialect::Trino => STANDARD,
    }
}

struct Scan<'a> {
    rules: Rules,
    chars: &'a [char],
    at: usize,
    line: u64,
    column: u64,
}

impl Scan<'_> {
    fn next_cut(&mut self) -> Result<Option<Cut>, Unparsed> {
        while let Some(c) = self.peek(0) {
            let comment = self.comment(c)?;
            if comment || self.quoted(c)? {
                return Ok(Some(Cut { line: self.line, column: self.column, comment }));
            }
            check_plain(c)?;
            self.advance(1);
        }
        Ok(None)
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at.saturating_add(ahead)).copied()
    }

    fn before(&self, back: usize) -> Option<char> {
        self.chars.get(self.at.checked_sub(back)?).copied()
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
            self.at = self.at.saturating_add(1);
        }
    }

    /// Takes a comment that begins here.
    fn comment(&mut self, c: char) -> Result<bool, Unparsed> {
        let next = self.peek(1);
        let begins = match c {
            '-' if next == Some('-') => {
                !self.rules.dashes_need_space
                    || self.peek(2).is_none_or(|c| c.is_ascii_whitespace() || c.is_ascii_control())
            }
            '/' if next == Some('/') => self.rules.slashes,
            '#' => match self.rules.hash {
                Hash::Comment => true,
                Hash::CommentBeforeSpace => matches!(next, Some(' ' | '!')),
                Hash::Plain => false,
                Hash::Ambiguous => {
                    return Err(refused("the SQL text has a `#`, which dialects read differently"));
                }
            },
            '/' if next == Some('*') => {
                self.advance(2);
                while let Some(c) = self.peek(0) {
                    if c == '*' && self.peek(1) == Some('/') {
                        self.advance(2);
                        break;
                    }
                    self.advance(1);
                }
                return Ok(true);
            }
            _ => false,
        };
        if begins {
            let mut last = c;
            while let Some(c) = self.peek(0).filter(|c| !matches!(c, '\n')) {
                // The parser ends a comment at this place for PostgreSQL only.
                if c == '\r' && self.rules.escape_prefix && self.rules.dollars == Dollars::Tagged {
                    break;
                }
                last = if c == '\r' { last } else { c };
                self.advance(1);
            }
            if last == '\\' {
                return Err(refused("a comment ends with a backslash, by which it may go on"));
            }
        }
        Ok(begins)
    }

    /// Takes a string or a quoted name that begins here.
    fn quoted(&mut self, c: char) -> Result<bool, Unparsed> {
        if c == '$' && self.rules.dollars != Dollars::None {
            return Ok(self.dollar_quoted());
        }
        if !self.rules.quotes.contains(c) {
            return Ok(false);
        }
        let prefix = self.before(1).filter(|_| !self.before(2).is_some_and(is_name));
        if c == '"' && self.before(1) == Some('&') && matches!(self.before(2), Some('u' | 'U')) {
            return Err(refused("the SQL text has a name with Unicode escapes"));
        }
        if self.rules.raw_prefix && matches!(prefix, Some('r' | 'R')) {
            return Err(refused("the SQL text has a raw string"));
        }
        let escapes = self.rules.escape_prefix && c == '\'' && matches!(prefix, Some('e' | 'E'));
        let backslash = escapes || self.rules.backslash.contains(c);
        let end = if c == '[' { ']' } else { c };
        let three =
            self.rules.triples && c != '`' && self.peek(1) == Some(c) && self.peek(2) == Some(c);
        self.advance(if three { 3 } else { 1 });
        self.close(end, backslash, three);
        if escapes && self.goes_on() {
            return Err(refused("a string with escapes goes on after white space"));
        }
        Ok(true)
    }

    fn close(&mut self, end: char, backslash: bool, three: bool) {
        while let Some(c) = self.peek(0) {
            if c == '\\' && backslash {
                self.advance(2);
            } else if c != end {
                self.advance(1);
            } else if three {
                if self.peek(1) == Some(end) && self.peek(2) == Some(end) {
                    return self.advance(3);
                }
                self.advance(1);
            } else if self.rules.doubles && end != ']' && self.peek(1) == Some(end) {
                self.advance(2);
            } else {
                return self.advance(1);
            }
        }
    }

    /// Whether a string comes next; after a line's end it is part of the last one.
    fn goes_on(&self) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let next = rest.iter().find(|c| !c.is_whitespace());
        next == Some(&'\'') || (rest.len() > 1 && next == Some(&'-'))
    }

    fn dollar_quoted(&mut self) -> bool {
        if self.before(1).is_some_and(is_name) {
            return false;
        }
        let rest = self.chars.get(self.at.saturating_add(1)..).unwrap_or_default();
        let Some(tag) = rest.split(|&c| c == '$').next().filter(|tag| tag.len() < rest.len())
        else {
            return false;
        };
        let of_name = tag.iter().all(|&c| is_name(c))
            && !tag.first().is_some_and(char::is_ascii_digit)
            && (tag.is_empty() || self.rules.dollars == Dollars::Tagged);
        if !of_name {
            return false;
        }
        let width = tag.len().saturating_add(2);
        let mark: Vec<char> = [&['$'], tag, &['$']].concat();
        self.advance(width);
        while self.peek(0).is_some() {
            if self.chars.get(self.at..).is_some_and(|rest| rest.starts_with(&mark)) {
                self.advance(width);
                break;
            }
            self.advance(1);
        }
        true
    }
}

/// Outside of quotes, what is no letter or digit of any script is ASCII: other
/// white space, quotes and signs are to some readers what they look like.
fn check_plain(c: char) -> Result<(), Unparsed> {
    if c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}') {
        return Err(refused("the SQL text has a control character"));
    }
    if !c.is_ascii() && !c.is_alphanumeric() {
        return Err(refused("the SQL text has a sign or a space that is not ASCII"));
    }
    Ok(())
}

/// Whether a character may be part of a name, in any dialect.
const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}
