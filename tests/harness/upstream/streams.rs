//! Answers that come bit by bit: a feed of events and a large export.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::sql::Database;
use super::{Answered, trouble};

/// How many rows of an export go into one chunk.
const ROWS_A_CHUNK: usize = 100;

/// A number in the query, such as `events=5`.
fn number(query: &RawQuery, name: &str, otherwise: u64) -> u64 {
    let RawQuery(query) = query;
    let pairs = query.iter().flat_map(|query| query.split('&'));
    let mut named = pairs.filter_map(|pair| pair.split_once('=').filter(|pair| pair.0 == name));
    named.find_map(|(_, value)| value.parse().ok()).unwrap_or(otherwise)
}

/// `?events=N&every_ms=T`: one customer an event, with time between.
pub(super) async fn feed(
    State(database): State<Arc<Database>>,
    query: RawQuery,
) -> Answered<Response> {
    let customers = database.customers().map_err(|error| trouble(&error))?;
    let events = number(&query, "events", 5);
    let pause = Duration::from_millis(number(&query, "every_ms", 200));
    let (sender, body) = chunks();
    tokio::spawn(async move {
        for (_, customer) in (0..events).zip(customers.iter().cycle()) {
            let event = format!("event: customer\ndata: {customer}\n\n");
            if sender.send(Ok(event.into())).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], body).into_response())
}

/// `?rows=N`: one JSON document of that many customers, written as it is made.
pub(super) async fn export(
    State(database): State<Arc<Database>>,
    query: RawQuery,
) -> Answered<Response> {
    let customers = database.customers().map_err(|error| trouble(&error))?;
    let rows = usize::try_from(number(&query, "rows", 1000)).unwrap_or(usize::MAX);
    let (sender, body) = chunks();
    tokio::spawn(async move {
        let mut chunk = String::from("{\"rows\":[");
        for (row, customer) in (0..rows).zip(customers.iter().cycle()) {
            let separator = if row == 0 { "" } else { "," };
            chunk.push_str(separator);
            chunk.push_str(&numbered(customer, row).to_string());
            if (row + 1) % ROWS_A_CHUNK == 0 {
                let full = std::mem::take(&mut chunk);
                if sender.send(Ok(full.into())).await.is_err() {
                    return;
                }
            }
        }
        chunk.push_str("]}");
        // A reader that left needs no end.
        let _ = sender.send(Ok(chunk.into())).await;
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn numbered(customer: &Value, row: usize) -> Value {
    let mut numbered = customer.clone();
    numbered["row"] = json!(row);
    numbered
}

fn chunks() -> (mpsc::Sender<Result<Bytes, Infallible>>, Body) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Body::from_stream(ReceiverStream::new(receiver)))
}
