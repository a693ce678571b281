//! The customers in an SQLite database in memory.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, Statement, params};
use serde_json::{Map, Value, json};

use super::customers::CUSTOMERS;
use crate::failure::{Failure, Result};

const SCHEMA: &str = "
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT, card TEXT, ssn TEXT,
    iban TEXT, city TEXT, notes TEXT
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER, total_cents INTEGER
);
INSERT INTO orders (customer_id, total_cents) VALUES (1, 1999), (1, 500), (2, 12000);
";

#[derive(Debug)]
pub(super) struct Database(Mutex<Connection>);

impl Database {
    pub(super) fn create() -> Result<Self> {
        let failed = |error: rusqlite::Error| Failure::unexpected("filling the database", error);
        let connection = Connection::open_in_memory().map_err(failed)?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
        for customer in CUSTOMERS {
            connection
                .execute(
                    "INSERT INTO customers (name, email, phone, card, ssn, iban, city, notes)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    params![
                        customer.name,
                        customer.email,
                        customer.phone,
                        customer.card,
                        customer.ssn,
                        customer.iban,
                        customer.city,
                        customer.notes
                    ],
                )
                .map_err(failed)?;
        }
        Ok(Self(Mutex::new(connection)))
    }

    /// Runs one statement: its rows, or how many it changed.
    pub(super) fn run(&self, query: &str) -> rusqlite::Result<Value> {
        let connection = self.0.lock().expect("no holder panics");
        let mut statement = connection.prepare(query)?;
        if statement.column_count() == 0 {
            return Ok(json!({ "changes": statement.execute([])? }));
        }
        let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
        Ok(json!({ "columns": columns, "rows": rows(&mut statement, [])? }))
    }

    pub(super) fn customers(&self) -> rusqlite::Result<Vec<Value>> {
        let connection = self.0.lock().expect("no holder panics");
        rows(&mut connection.prepare("SELECT * FROM customers ORDER BY id")?, [])
    }

    pub(super) fn customer(&self, id: i64) -> rusqlite::Result<Option<Value>> {
        let connection = self.0.lock().expect("no holder panics");
        let mut statement = connection.prepare("SELECT * FROM customers WHERE id = ?1")?;
        Ok(rows(&mut statement, [id])?.pop())
    }

    /// Whether there was one to delete.
    pub(super) fn delete(&self, id: i64) -> rusqlite::Result<bool> {
        let connection = self.0.lock().expect("no holder panics");
        Ok(connection.execute("DELETE FROM customers WHERE id = ?1", [id])? > 0)
    }
}

fn rows(statement: &mut Statement<'_>, params: impl Params) -> rusqlite::Result<Vec<Value>> {
    let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
    statement.query_map(params, |row| object(row, &columns))?.collect()
}

fn object(row: &Row<'_>, columns: &[String]) -> rusqlite::Result<Value> {
    let cells = columns
        .iter()
        .enumerate()
        .map(|(index, column)| Ok((column.clone(), json_value(row.get_ref(index)?))));
    cells.collect::<rusqlite::Result<Map<_, _>>>().map(Value::Object)
}

fn json_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => STANDARD.encode(bytes).into(),
    }
}
