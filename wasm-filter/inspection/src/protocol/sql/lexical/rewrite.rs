//! What the parser does not know and has a plain equivalent.

use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::Tokens;
use crate::plan::SqlDialect;

/// The tokens that the parser gets: `TABLE t` as a statement becomes `SELECT * FROM t`,
/// MySQL's `INTO OUTFILE '…'` is noted and left out, and ClickHouse's `{name:Type}` is
/// a placeholder.
pub(super) fn rewrite(dialect: SqlDialect, tokens: Vec<TokenWithSpan>) -> Tokens {
    let outfile = matches!(dialect, SqlDialect::Mysql | SqlDialect::Generic);
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut writes_file = false;
    let mut begins = true;
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        if matches!(token.token, Token::Whitespace(_)) {
            out.push(token);
            continue;
        }
        let was_begin = begins;
        begins = matches!(token.token, Token::SemiColon);
        if was_begin && is(&token, Keyword::TABLE) {
            let select = Tokenizer::new(&GenericDialect {}, "SELECT*FROM").tokenize();
            let select = select.unwrap_or_default();
            out.extend(select.into_iter().map(|word| TokenWithSpan::new(word, token.span)));
            continue;
        }
        if outfile && is(&token, Keyword::INTO) {
            while rest.next_if(|next| matches!(next.token, Token::Whitespace(_))).is_some() {}
            let file = |next: &TokenWithSpan| {
                matches!(&next.token, Token::Word(word) if word.quote_style.is_none()
                    && ["outfile", "dumpfile"].iter().any(|w| word.value.eq_ignore_ascii_case(w)))
            };
            if rest.next_if(file).is_some() {
                writes_file = true;
                while rest.next_if(|next| matches!(next.token, Token::Whitespace(_))).is_some() {}
                let _ = rest.next_if(|next| {
                    matches!(
                        next.token,
                        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_)
                    )
                });
                continue;
            }
        }
        out.push(token);
    }
    if dialect == SqlDialect::Clickhouse {
        out = parameters(out);
    }
    Tokens { tokens: out, writes_file }
}

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

/// ClickHouse's `{name:Type}` in the place of a value, as the placeholder that it is.
/// One for an identifier becomes what never parses: what it names is not in the text.
fn parameters(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let closes = matches!(token.token, Token::RBrace);
        out.push(token);
        if closes
            && let Some(open) = opened(&out)
            && let Some(stands_for) = parameter(out.get(open..).unwrap_or_default())
        {
            out.truncate(open);
            out.push(stands_for);
        }
    }
    out
}

/// Where the last brace was opened, not long ago.
fn opened(tokens: &[TokenWithSpan]) -> Option<usize> {
    /// A parameter's type is short; a text of braces alone must not be searched whole
    /// for each of them.
    const MOST: usize = 32;
    let from = tokens.len().saturating_sub(MOST);
    let place = tokens.get(from..)?.iter().rposition(|t| matches!(t.token, Token::LBrace))?;
    from.checked_add(place)
}

/// What stands for `{name:Type}` or `{name:Type(…)}`, if the tokens are one.
fn parameter(tokens: &[TokenWithSpan]) -> Option<TokenWithSpan> {
    let span = tokens.first()?.span;
    let mut tokens = tokens.iter().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
    let (Some(Token::LBrace), Some(Token::Word(_)), Some(Token::Colon), Some(Token::Word(kind))) =
        (tokens.next(), tokens.next(), tokens.next(), tokens.next())
    else {
        return None;
    };
    let of_type = tokens.all(|token| {
        matches!(
            token,
            Token::Word(_)
                | Token::Number(..)
                | Token::LParen
                | Token::RParen
                | Token::Comma
                | Token::SingleQuotedString(_)
                | Token::RBrace
        )
    });
    let stands_for = if kind.value.eq_ignore_ascii_case("identifier") {
        Token::Backslash
    } else {
        Token::Placeholder("?".to_owned())
    };
    of_type.then(|| TokenWithSpan::new(stands_for, span))
}
