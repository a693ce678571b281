//! Names of indices, and lists and patterns of them.

use super::super::spelling;
use super::malformed;
use crate::facts::Unparsed;

/// One index, alias or data stream, or a pattern of them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// As in facts: `*` for every index, and `*` where a date is computed.
    pub(super) name: String,
    pub(super) wildcard: bool,
    pub(super) date_math: bool,
}

/// Every index.
pub(super) const ALL: &str = "*";

/// The indices of a list with commas; an empty one is every index.
///
/// What is excluded (`logs-*,-logs-1`) is left out: the pattern stands for more.
pub(super) fn list(text: &str) -> Result<Vec<Index>, Unparsed> {
    if text.is_empty() {
        return Ok(vec![one("_all")?]);
    }
    let mut indices: Vec<Index> = Vec::new();
    for part in text.split(',') {
        if let Some(excluded) = part.strip_prefix('-') {
            one(excluded)?;
            if !indices.iter().any(|index| index.wildcard) {
                return Err(malformed("an index is excluded from none"));
            }
            continue;
        }
        let index = one(part)?;
        if !indices.contains(&index) {
            indices.push(index);
        }
    }
    Ok(indices)
}

/// One name or pattern.
pub(super) fn one(text: &str) -> Result<Index, Unparsed> {
    if matches!(text, "_all" | "*") {
        return Ok(Index { name: ALL.to_owned(), wildcard: true, date_math: false });
    }
    // A cluster before a colon is of the same characters.
    let (cluster, local) = text.split_once(':').map_or((None, text), |(c, l)| (Some(c), l));
    if cluster.is_some_and(|cluster| cluster.is_empty() || !is_plain(cluster)) {
        return Err(malformed("the name of a cluster has a character that it cannot have"));
    }
    let local = if local == "_all" { ALL } else { local };
    let date = local.strip_prefix('<').and_then(|inner| inner.strip_suffix('>'));
    let name = match date {
        Some(inner) => without_dates(inner)?,
        None => local.to_owned(),
    };
    if name.is_empty()
        || matches!(name.as_str(), "." | "..")
        || name.starts_with(['_', '-', '+'])
        || !is_plain(&name)
    {
        return Err(malformed("the name of an index has a character that it cannot have"));
    }
    spelling::check(&name, "index")?;
    let name = cluster.map_or_else(|| name.clone(), |cluster| [cluster, ":", &name].concat());
    Ok(Index { wildcard: name.contains('*'), date_math: date.is_some(), name })
}

/// `logs-{now/d{yyyy}}` as `logs-*`: a format can write any text.
fn without_dates(inner: &str) -> Result<String, Unparsed> {
    let mut name = String::new();
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            '{' => {
                if depth == 0 {
                    name.push('*');
                }
                depth = depth.saturating_add(1);
            }
            '}' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| malformed("the braces of a computed name are not pairs"))?;
            }
            '\\' => return Err(malformed("a computed name has a backslash")),
            c if depth == 0 => name.push(c),
            _ => {}
        }
    }
    if depth == 0 {
        Ok(name)
    } else {
        Err(malformed("the braces of a computed name are not pairs"))
    }
}

fn is_plain(name: &str) -> bool {
    !name.chars().any(|c| {
        c.is_whitespace()
            || matches!(c, '\\' | '/' | '?' | '"' | '<' | '>' | '|' | ',' | '#' | ':' | '{' | '}')
    })
}
