//! What the parser does not know and has a plain equivalent.

use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::Tokens;
use crate::plan::SqlDialect;

/// The tokens that the parser gets: `TABLE t` as a statement becomes `SELECT * FROM t`,
/// and MySQL's `INTO OUTFILE '…'` is noted and left out.
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
    Tokens { tokens: out, writes_file }
}

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}
