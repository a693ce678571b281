//! Where in a request the SQL text is, and that it is nowhere else.

mod apis;
mod clickhouse;
mod plain;
mod postgrest;
mod query;
mod trino;

use super::super::{Reading, path};
use super::Part;
use super::effects::Effects;
use crate::facts::{Unparsed, UnparsedCode};
use crate::plan::{SqlCarrier, SqlPlan};

/// What a request carries.
pub(super) struct Carried {
    pub(super) parts: Vec<Part>,
    /// The database, or catalog and schema, that names without one are looked up in.
    pub(super) database: Option<String>,
}

impl Carried {
    fn text(sql: String) -> Self {
        Self { parts: vec![Part::Text { sql, shown_only: false }], database: None }
    }

    /// What is done without SQL text.
    fn action(name: &str) -> Self {
        Self { parts: vec![Part::Effects(Effects::only(name))], database: None }
    }

    fn and(mut self, name: &str) -> Self {
        self.parts.push(Part::Effects(Effects::only(name)));
        self
    }

    fn within(self, database: Option<String>) -> Self {
        Self { database: database.filter(|name| !name.is_empty()), ..self }
    }
}

/// Reads a request by the plan's carrier.
pub(super) fn read(plan: &SqlPlan, request: &Reading<'_>) -> Result<Carried, Unparsed> {
    match &plan.statement {
        SqlCarrier::Body => plain::body(plan, request).map(Carried::text),
        SqlCarrier::JsonPointer(pointer) => {
            plain::json_pointer(pointer, request).map(Carried::text)
        }
        SqlCarrier::FormField(name) => plain::form(name, request).map(Carried::text),
        SqlCarrier::Clickhouse => clickhouse::read(request),
        SqlCarrier::Trino => trino::read(request),
        SqlCarrier::ElasticsearchSql => apis::elasticsearch(request),
        SqlCarrier::Snowflake => apis::snowflake(request),
        SqlCarrier::Bigquery => apis::bigquery(request),
        SqlCarrier::Databricks => apis::databricks(request),
        SqlCarrier::Neon => apis::neon(request),
        SqlCarrier::Postgrest => postgrest::read(request),
    }
}

fn form_decode(field: &[u8]) -> Result<Vec<u8>, Unparsed> {
    path::form_decode(field)
        .ok_or_else(|| missing("the form has a percent sign that begins no escape"))
}

fn utf8(bytes: Vec<u8>) -> Result<String, Unparsed> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Unparsed::new(UnparsedCode::Utf8Invalid, format!("the text is not UTF-8, at byte {at}"))
    })
}

fn missing(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::SqlMissing, why)
}

fn no_endpoint() -> Unparsed {
    Unparsed::new(
        UnparsedCode::EndpointUnknown,
        "the method and the path are none of the API that carries the SQL",
    )
}

fn malformed(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::FieldMalformed, why)
}

fn mismatch(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::HeaderMismatch, why)
}
