//! Whether a WHERE limits a statement.
//!
//! A conservative look at the text, not a proof: a condition counts only if it
//! depends on the row and is not true of every row on its face (`1=1`, `x = x`,
//! `id = 7 OR true`, `a OR NOT a`). A tautology that needs thought, such as
//! `length(name) >= 0`, still counts: who must not read or change a table is to be
//! forbidden the table.

use std::fmt::Display;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator as Op, Expr, Ident, Query, TableFactor, UnaryOperator, Value, Visitor,
};

use super::walk::walk;
use crate::plan::SqlDialect;

/// Whether `condition` is there and limits the rows.
pub(super) fn limits(condition: Option<&Expr>, dialect: SqlDialect) -> bool {
    condition.is_some_and(|condition| holds_for_some_only(condition, true, dialect))
}

/// Whether `expr` (or, unless `sense`, its negation) may not hold for every row.
fn holds_for_some_only(expr: &Expr, sense: bool, dialect: SqlDialect) -> bool {
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => {
            holds_for_some_only(expr, !sense, dialect)
        }
        Expr::Nested(inner) | Expr::IsTrue(inner) | Expr::IsNotFalse(inner) => {
            holds_for_some_only(inner, sense, dialect)
        }
        Expr::IsFalse(inner) | Expr::IsNotTrue(inner) => {
            holds_for_some_only(inner, !sense, dialect)
        }
        Expr::BinaryOp { left, op: op @ (Op::And | Op::Or), right } => {
            // Where both sides must hold, one that limits is enough. NOT turns AND
            // into OR.
            if (*op == Op::And) == sense {
                holds_for_some_only(left, sense, dialect)
                    || holds_for_some_only(right, sense, dialect)
            } else {
                holds_for_some_only(left, sense, dialect)
                    && holds_for_some_only(right, sense, dialect)
                    && !any_complements(expr, op)
            }
        }
        Expr::BinaryOp { left, op, right } if same(bare(left), bare(right)) => {
            reflexive(op) != Some(sense) && depends_on_row(expr, dialect)
        }
        Expr::IsNotDistinctFrom(left, right) if same(bare(left), bare(right)) => !sense,
        Expr::IsDistinctFrom(left, right) if same(bare(left), bare(right)) => sense,
        Expr::Like { negated, expr: left, pattern, .. }
        | Expr::ILike { negated, expr: left, pattern, .. } => {
            let all = matches!(string(pattern), Some(text) if !text.is_empty() && text.bytes().all(|b| b == b'%'));
            let always = all || same(bare(left), bare(pattern));
            !(always && *negated != sense) && depends_on_row(expr, dialect)
        }
        other => depends_on_row(other, dialect),
    }
}

/// What an operator gives when both of its sides are the same, NULL aside.
fn reflexive(op: &Op) -> Option<bool> {
    match op {
        Op::Eq | Op::GtEq | Op::LtEq | Op::Spaceship => Some(true),
        Op::NotEq | Op::Gt | Op::Lt => Some(false),
        _ => None,
    }
}

fn string(expr: &Expr) -> Option<&str> {
    match bare(expr) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// Whether two parts of a tree are written alike. Their text is compared because the
/// parser has that text in it already: comparing trees would add a twentieth to the
/// filter.
fn same(one: &impl Display, other: &impl Display) -> bool {
    one.to_string() == other.to_string()
}

/// Whether two parts of a chain of `op` are each other's negation: `a OR NOT a`.
fn any_complements(chain: &Expr, op: &Op) -> bool {
    /// Chains are compared pair by pair.
    const MOST: usize = 32;
    let mut parts = Vec::new();
    let mut open = vec![chain];
    while let Some(expr) = open.pop() {
        match bare(expr) {
            Expr::BinaryOp { left, op: other, right } if other == op => {
                open.extend([&**left, &**right]);
            }
            part => parts.push(part),
        }
    }
    let parts = parts.get(..parts.len().min(MOST)).unwrap_or_default();
    parts.iter().enumerate().any(|(index, one)| {
        parts.iter().skip(index.saturating_add(1)).any(|other| complements(one, other))
    })
}

/// Whether one is the negation of the other, NULL aside.
fn complements(one: &Expr, other: &Expr) -> bool {
    let negates = |negation: &Expr, plain: &Expr| match negation {
        Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => {
            same(bare(expr), plain)
        }
        _ => false,
    };
    if negates(one, other) || negates(other, one) {
        return true;
    }
    match (one, other) {
        (
            Expr::BinaryOp { left, op, right },
            Expr::BinaryOp { left: left2, op: op2, right: right2 },
        ) => complementary(op, op2) && same(left, left2) && same(right, right2),
        (Expr::IsNull(one), Expr::IsNotNull(other))
        | (Expr::IsNotNull(one), Expr::IsNull(other)) => same(one, other),
        (
            Expr::In { expr, target, negated, .. },
            Expr::In { expr: expr2, target: target2, negated: negated2, .. },
        ) => negated != negated2 && same(expr, expr2) && same(target, target2),
        (
            Expr::Between { expr, negated, low, high },
            Expr::Between { expr: expr2, negated: negated2, low: low2, high: high2 },
        ) => negated != negated2 && same(expr, expr2) && same(low, low2) && same(high, high2),
        (
            Expr::Like { negated, expr, pattern, .. },
            Expr::Like { negated: negated2, expr: expr2, pattern: pattern2, .. },
        ) => negated != negated2 && same(expr, expr2) && same(pattern, pattern2),
        _ => false,
    }
}

/// Whether the two leave no value out: `<` and `>=`, but also `<=` and `>=`.
fn complementary(one: &Op, other: &Op) -> bool {
    matches!(
        (one, other),
        (Op::Eq, Op::NotEq)
            | (Op::NotEq, Op::Eq)
            | (Op::Lt | Op::LtEq, Op::GtEq)
            | (Op::GtEq, Op::Lt | Op::LtEq)
            | (Op::Gt, Op::LtEq)
            | (Op::LtEq, Op::Gt)
    )
}

/// Whether `expr` names a column that is not a subquery's own. A condition that
/// does not holds for every row or for none.
fn depends_on_row(expr: &Expr, dialect: SqlDialect) -> bool {
    let mut search = ColumnSearch { dialect, inner: Vec::new(), found: false };
    walk(expr, &mut search);
    search.found
}

struct ColumnSearch {
    dialect: SqlDialect,
    /// The table names of each query around, in lower case.
    inner: Vec<Vec<String>>,
    found: bool,
}

impl ColumnSearch {
    /// SQLite takes `"x"` for a string where there is no column of that name.
    fn may_be_text(&self, name: &Ident) -> bool {
        matches!(self.dialect, SqlDialect::Sqlite | SqlDialect::Generic)
            && name.quote_style == Some('"')
    }
}

impl Visitor for ColumnSearch {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut names = TableNames(Vec::new());
        walk(query, &mut names);
        self.inner.push(names.0);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inner.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.found = match expr {
            // In a subquery an unqualified column is taken for the subquery's own.
            Expr::Identifier(name) => self.inner.is_empty() && !self.may_be_text(name),
            Expr::CompoundIdentifier(parts) => {
                let qualifier = parts.iter().rev().nth(1).map(|part| part.value.to_lowercase());
                !self.inner.iter().flatten().any(|name| Some(name) == qualifier.as_ref())
            }
            Expr::MatchAgainst { .. } => true,
            _ => false,
        };
        if self.found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The names and aliases of a query's tables.
struct TableNames(Vec<String>);

impl Visitor for TableNames {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let (name, alias) = match factor {
            TableFactor::Table { name, alias, .. } | TableFactor::Function { name, alias, .. } => {
                (name.0.last(), alias)
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => (None, alias),
            _ => (None, &None),
        };
        self.0.extend(name.map(|part| super::names::part_ident(part).value.to_lowercase()));
        self.0.extend(alias.iter().map(|alias| alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}
