//! ClickHouse's HTTP interface: <https://clickhouse.com/docs/interfaces/http>.
//!
//! The statement is the parameter `query`, a line end, and the body. Every parameter
//! that has no other meaning is a setting of the statement, so only those are let by
//! that change nothing about what it does.

use super::super::super::path::NormalPath;
use super::super::super::{Reading, content};
use super::{Carried, malformed, mismatch, missing, no_endpoint, query, utf8};
use crate::facts::Unparsed;

/// Parameters besides `query` and `database`.
const KNOWN: [&str; 20] = [
    "query_id",
    "default_format",
    "session_id",
    "session_timeout",
    "session_check",
    "quota_key",
    "compress",
    "enable_http_compression",
    "http_zlib_compression_level",
    "wait_end_of_query",
    "buffer_size",
    "send_progress_in_http_headers",
    "http_write_exception_in_output_format",
    "add_http_cors_header",
    "log_comment",
    "max_result_rows",
    "max_result_bytes",
    "max_execution_time",
    "result_overflow_mode",
    "readonly",
];

pub(super) fn read(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let head = request.head;
    let path = NormalPath::parse(head.path)?;
    if matches!((head.method, path.as_str()), ("GET" | "HEAD", "/ping" | "/replicas_status")) {
        return Ok(Carried::action("sql:poll"));
    }
    if path.as_str() != "/" || !matches!(head.method, "GET" | "POST") {
        return Err(no_endpoint());
    }
    // The parts of such a body are tables, settings, or the statement.
    if content::media_type(head)?.starts_with("multipart/") {
        return Err(content::unexpected("the body has parts, which ClickHouse takes for tables"));
    }
    let mut statement: Option<String> = None;
    let mut database = head.header("x-clickhouse-database").map(std::borrow::Cow::into_owned);
    for (key, value) in query::parameters(head)? {
        match key.as_str() {
            "query" if statement.is_some() => {
                return Err(missing("the query string has SQL text more than once"));
            }
            "query" => statement = Some(value),
            "database" if database.as_ref().is_some_and(|name| *name != value) => {
                return Err(mismatch("the request names two databases"));
            }
            "database" => database = Some(value),
            key if KNOWN.contains(&key) || key.starts_with("param_") => {}
            _ => return Err(malformed("the query string has a setting that is not read")),
        }
    }
    let body = utf8(request.body.to_vec())?;
    if head.method == "GET" && !body.is_empty() {
        return Err(missing("the request has a body though it is a GET"));
    }
    let text = match statement {
        Some(statement) if body.is_empty() => statement,
        // "A line feed is inserted between these two parts."
        Some(statement) => statement + "\n" + &body,
        None if body.is_empty() => return Err(content::missing()),
        None => body,
    };
    let text = without_data(&text).unwrap_or(&text).to_owned();
    Ok(Carried::text(text).within(database))
}

/// An INSERT without the data that follow it: `INSERT INTO t (a, b) FORMAT CSV` and
/// anything after. `None` if the text is not plainly one.
fn without_data(text: &str) -> Option<&str> {
    let mut words = Words { text, at: 0 };
    if !words.next()?.eq_ignore_ascii_case("insert") || !words.next()?.eq_ignore_ascii_case("into")
    {
        return None;
    }
    loop {
        let word = words.next()?;
        let refused = ["select", "with", "values", "function", "from", "watch", "settings"];
        if refused.iter().any(|other| word.eq_ignore_ascii_case(other)) {
            return None;
        }
        if word.eq_ignore_ascii_case("format") {
            words.next()?;
            return text.get(..words.at);
        }
    }
}

/// Names, with the commas, dots and brackets around them left out. It ends at anything
/// else, such as a quote or a comment.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Words<'t> {
    fn next(&mut self) -> Option<&'t str> {
        let rest = self.text.get(self.at..)?;
        let is_gap = |c: char| c.is_ascii_whitespace() || "(),.".contains(c);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let start = rest.find(|c| !is_gap(c))?;
        let word = rest.get(start..)?;
        let word = word.get(..word.find(|c| !is_name(c)).unwrap_or(word.len()))?;
        self.at = self.at.saturating_add(start).saturating_add(word.len());
        if word.is_empty() { None } else { Some(word) }
    }
}
