//! `chaperone inspect`.

use std::io::Read as _;

use chaperone_inspection::plan::{
    JsonPlan, JsonPointer, Limits, McpPlan, ProtocolPlan, SqlCarrier, SqlDialect, SqlPlan,
};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use clap::ValueEnum;

use super::{Done, Failure, output};

/// Reads a request body on standard input and prints what it would do.
///
/// The facts are those that the filter would make. Exit code 0 when the body could
/// be read, 1 when it could not.
///
/// Example: echo 'DELETE FROM users' | chaperone inspect --protocol sql
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How to read the body.
    #[arg(long)]
    protocol: Protocol,

    /// The request method.
    #[arg(long, default_value = "POST")]
    method: String,

    /// The request path.
    #[arg(long, default_value = "/")]
    path: String,

    /// The request's content type; by default the one the protocol uses.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// A JSON field to read, as NAME=POINTER (`--protocol json`); may be repeated.
    #[arg(long = "field", value_name = "NAME=POINTER", value_parser = field)]
    fields: Vec<(String, JsonPointer)>,

    /// The SQL dialect.
    #[arg(long, default_value = "generic", value_parser = parse_as::<SqlDialect>)]
    dialect: SqlDialect,

    /// Where in a JSON body the SQL text is; by default the whole body is SQL.
    #[arg(long, value_name = "POINTER", value_parser = pointer)]
    sql_pointer: Option<JsonPointer>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protocol {
    Http,
    Json,
    Mcp,
    Sql,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let limits = Limits::default();
    let mut body = Vec::new();
    // One byte over the limit is enough to know that it is over.
    let most = limits.body_bytes as u64 + 1;
    std::io::stdin().lock().take(most).read_to_end(&mut body)?;
    let (plan, usual_type) = match arguments.protocol {
        Protocol::Http => (ProtocolPlan::Http, None),
        Protocol::Json => {
            let fields = arguments.fields.iter().cloned().collect();
            let plan = JsonPlan { fields, embedded: Vec::new() };
            (ProtocolPlan::Json(plan), Some("application/json"))
        }
        Protocol::Mcp => (ProtocolPlan::Mcp(McpPlan::default()), Some("application/json")),
        Protocol::Sql => {
            let (statement, usual_type) = match &arguments.sql_pointer {
                Some(pointer) => (SqlCarrier::JsonPointer(pointer.clone()), "application/json"),
                None => (SqlCarrier::Body, "application/sql"),
            };
            (ProtocolPlan::Sql(SqlPlan::new(arguments.dialect, statement)), Some(usual_type))
        }
    };
    let content_type = arguments.content_type.as_deref().or(usual_type);
    let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
    let head = RequestHead {
        method: &arguments.method,
        authority: "localhost",
        path: &arguments.path,
        headers: &headers,
    };
    let facts = inspect_body(&plan, &limits, &head, &body);
    output::json(&facts)?;
    Ok(if facts.unparsed.is_none() { Done::Yes } else { Done::No })
}

fn field(text: &str) -> Result<(String, JsonPointer), String> {
    let (name, at) = text.split_once('=').ok_or("expected NAME=POINTER, such as email=/email")?;
    Ok((name.to_owned(), pointer(at)?))
}

fn pointer(text: &str) -> Result<JsonPointer, String> {
    JsonPointer::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn parse_as<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}
