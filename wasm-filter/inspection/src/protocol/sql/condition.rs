//! Whether a WHERE limits a statement.
//!
//! A conservative look at the text, not a proof. A condition counts if it depends on
//! the row and is not true of every row on its face:
//!
//! - a constant, whatever it is (`1`, `1 < 2`, `(SELECT 1) = 1`, `EXISTS (SELECT 1)`);
//! - something compared with itself (`x = x`, `x + 0 >= x`, `x IN (x, 7)`,
//!   `x LIKE x`, `x BETWEEN x AND x`, `x IN (SELECT x FROM the same table)`);
//! - a pattern that everything matches (`LIKE '%'`, `~ '.*'`);
//! - a value that cancels out (`x - x`, `x * 0`, a CASE whose every branch is true);
//! - alternatives that leave nothing out (`a OR NOT a`, `x < 5 OR x >= 5`, `x <> 1 OR
//!   x <> 2`, `x IS NULL OR x IS NOT NULL`), or one of which is always true.
//!
//! NULL is left aside: a condition that only rows with a NULL fail is none. What needs
//! knowledge of the data still counts (`id > -1`, `length(name) >= 0`, `id IS NOT
//! NULL`): who must not read or change a table is to be forbidden the table.

mod same;

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator as Op, Expr, Ident, InTarget, Query, SetExpr, TableFactor, UnaryOperator, Visit,
    Visitor,
};

use self::same::{bare, number, same, same_predicate, selected, string};
use super::names;
use super::walk::walk;
use crate::plan::SqlDialect;

/// Whether `condition` is there and limits the rows of `tables` (their names without
/// a schema, in lower case).
pub(super) fn limits(condition: Option<&Expr>, tables: &[String], dialect: SqlDialect) -> bool {
    condition.is_some_and(|condition| Reader { tables, dialect }.some_only(condition, true))
}

/// The text that `expr` is, if it is one literally.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    string(expr)
}

struct Reader<'t> {
    tables: &'t [String],
    dialect: SqlDialect,
}

impl Reader<'_> {
    /// Whether `expr` (or, unless `sense`, its negation) may not hold for every row.
    fn some_only(&self, expr: &Expr, sense: bool) -> bool {
        match expr {
            Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => {
                self.some_only(expr, !sense)
            }
            Expr::Nested(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::Cast { expr: inner, .. } => self.some_only(inner, sense),
            Expr::IsFalse(inner) | Expr::IsNotTrue(inner) => self.some_only(inner, !sense),
            Expr::BinaryOp { left, op: op @ (Op::And | Op::Or), right } => {
                // Where both sides must hold, one that limits is enough. NOT turns AND
                // into OR.
                if matches!(op, Op::And) == sense {
                    self.some_only(left, sense) || self.some_only(right, sense)
                } else {
                    self.some_only(left, sense)
                        && self.some_only(right, sense)
                        && !any_complements(expr, sense)
                }
            }
            Expr::Exists { subquery, negated } => self.exists(subquery, *negated != sense),
            other => always(other, self.tables) != Some(sense) && self.varies(other),
        }
    }

    /// EXISTS holds for every row if its query does not look at the row, or selects
    /// without a condition that does.
    fn exists(&self, query: &Query, sense: bool) -> bool {
        let varies = depends_on_row(query, self.dialect);
        match &*query.body {
            SetExpr::Select(select)
                if sense
                    && select.from.iter().all(|table| table.joins.is_empty())
                    && select.having.is_none()
                    && select.prewhere.is_none() =>
            {
                let limits =
                    select.selection.as_ref().is_some_and(|expr| self.some_only(expr, true));
                varies && limits
            }
            _ => varies,
        }
    }

    /// Whether the value of `expr` may differ from row to row.
    fn varies(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => self.varies(inner),
            Expr::BinaryOp { left, op, right } => {
                let cancels = match op {
                    Op::Minus | Op::Divide | Op::Modulo | Op::BitwiseXor => same(left, right),
                    Op::Multiply | Op::BitwiseAnd => is_zero(left) || is_zero(right),
                    _ => false,
                };
                !cancels && (self.varies(left) || self.varies(right))
            }
            Expr::Case { conditions, else_result: Some(otherwise), .. } => {
                let mut results = conditions.iter().map(|when| &when.result);
                !results.all(|result| same(result, otherwise)) && depends_on_row(expr, self.dialect)
            }
            other => depends_on_row(other, self.dialect),
        }
    }
}

/// What a predicate gives for every row, NULL aside; `None` if that depends.
fn always(expr: &Expr, tables: &[String]) -> Option<bool> {
    match expr {
        Expr::BinaryOp { left, op, right } if same(left, right) => reflexive(op),
        Expr::BinaryOp { op, right, .. } => match op {
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::Regexp => {
                matches_all(string(right)?).then_some(true)
            }
            Op::PGRegexNotMatch | Op::PGRegexNotIMatch => {
                matches_all(string(right)?).then_some(false)
            }
            Op::PGLikeMatch | Op::PGILikeMatch => likes_all(string(right)?).then_some(true),
            Op::Glob => string(right)?.bytes().all(|byte| byte == b'*').then_some(true),
            _ => None,
        },
        Expr::IsNotDistinctFrom(left, right) => same(left, right).then_some(true),
        Expr::IsDistinctFrom(left, right) => same(left, right).then_some(false),
        Expr::Like { negated, expr, pattern, .. }
        | Expr::ILike { negated, expr, pattern, .. }
        | Expr::SimilarTo { negated, expr, pattern, .. } => {
            let all = string(pattern).is_some_and(likes_all) || same(expr, pattern);
            all.then_some(!negated)
        }
        Expr::RLike { negated, pattern, .. } => matches_all(string(pattern)?).then_some(!negated),
        Expr::Between { expr, negated, low, high } => {
            (same(expr, low) && same(expr, high)).then_some(!negated)
        }
        Expr::In { expr, target, negated, .. } => {
            let all = match target {
                InTarget::List(items) => items.iter().any(|item| same(expr, item)),
                InTarget::Subquery(query) => selects_itself(expr, query, tables),
                _ => false,
            };
            all.then_some(!negated)
        }
        Expr::AnyOp { left, compare_op: Op::Eq, right, .. } => {
            let Expr::Subquery(query) = bare(right) else { return None };
            selects_itself(left, query, tables).then_some(true)
        }
        _ => None,
    }
}

/// What an operator gives when both of its sides are the same, NULL aside.
const fn reflexive(op: &Op) -> Option<bool> {
    match op {
        Op::Eq | Op::GtEq | Op::LtEq | Op::Spaceship => Some(true),
        Op::NotEq | Op::Gt | Op::Lt => Some(false),
        _ => None,
    }
}

/// Whether `query` is `SELECT expr`, from nothing or from one of `tables`.
fn selects_itself(expr: &Expr, query: &Query, tables: &[String]) -> bool {
    selected(query).is_some_and(|(item, from)| {
        let own = from.is_none_or(|name| {
            let last = name.0.last().map(|part| names::part_ident(part).value.to_lowercase());
            last.is_some_and(|last| tables.contains(&last))
        });
        own && same(expr, item)
    })
}

fn likes_all(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'%')
}

/// Whether everything matches a regular expression on its face.
fn matches_all(pattern: &str) -> bool {
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let ended = inner.strip_suffix('$');
    let inner = ended.unwrap_or(inner);
    let group = inner.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    match group.unwrap_or(inner) {
        // An empty pattern is found in every text, `^$` only in the empty one.
        "" => ended.is_none() || !pattern.starts_with('^'),
        // These are found in every text, or in every one that is not empty.
        other => [".*", ".*?", ".", ".+", "[\\s\\S]", "[\\s\\S]*", "[\\s\\S]+"].contains(&other),
    }
}

fn is_zero(expr: &Expr) -> bool {
    number(expr) == Some(0.0)
}

/// Whether two parts of a chain of OR leave nothing out: `a OR NOT a`. Unless
/// `sense`, the chain is one of AND under a NOT.
fn any_complements(chain: &Expr, sense: bool) -> bool {
    /// Chains are compared pair by pair.
    const MOST: usize = 32;
    let mut parts = Vec::new();
    let mut open = vec![chain];
    while let Some(expr) = open.pop() {
        match bare(expr) {
            Expr::BinaryOp { left, op, right }
                if matches!((op, sense), (Op::Or, true) | (Op::And, false)) =>
            {
                open.extend([&**left, &**right]);
            }
            part => parts.push(part),
        }
    }
    let parts = parts.get(..parts.len().min(MOST)).unwrap_or_default();
    parts.iter().enumerate().any(|(index, one)| {
        parts.iter().skip(index.saturating_add(1)).any(|other| {
            negates(one, other) || negates(other, one) || leave_nothing_out(one, other, sense)
        })
    })
}

fn negates(negation: &Expr, plain: &Expr) -> bool {
    match negation {
        Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => {
            same(expr, plain)
        }
        _ => false,
    }
}

/// Whether one of the two holds of every row, NULL aside.
fn leave_nothing_out(one: &Expr, other: &Expr, sense: bool) -> bool {
    if same_predicate(one, other) == Some(false) {
        return true;
    }
    let (
        Expr::BinaryOp { left, op, right },
        Expr::BinaryOp { left: left2, op: op2, right: right2 },
    ) = (one, other)
    else {
        return false;
    };
    if !same(left, left2) {
        return false;
    }
    let (op, op2) = if sense { (op, op2) } else { (negated(op), negated(op2)) };
    if same(right, right2) {
        return complementary(op, op2);
    }
    let (Some(bound), Some(bound2)) = (literal(right), literal(right2)) else { return false };
    match (op, op2) {
        // The bounds differ, so a value is not one or not the other.
        (Op::NotEq, Op::NotEq) => true,
        (Op::Gt | Op::GtEq, Op::Lt | Op::LtEq) => bound < bound2,
        (Op::Lt | Op::LtEq, Op::Gt | Op::GtEq) => bound2 < bound,
        _ => false,
    }
}

/// A literal in the order of its kind: numbers before texts.
fn literal(expr: &Expr) -> Option<(f64, &str)> {
    number(expr).map(|number| (number, "")).or_else(|| Some((f64::INFINITY, string(expr)?)))
}

const fn negated(op: &Op) -> &Op {
    match op {
        Op::Eq => &Op::NotEq,
        Op::NotEq => &Op::Eq,
        Op::Lt => &Op::GtEq,
        Op::LtEq => &Op::Gt,
        Op::Gt => &Op::LtEq,
        Op::GtEq => &Op::Lt,
        other => other,
    }
}

/// Whether the two leave no value out: `<` and `>=`, but also `<=` and `>=`.
const fn complementary(one: &Op, other: &Op) -> bool {
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

/// Whether `node` names a column that is not a subquery's own. A condition that does
/// not holds for every row or for none.
fn depends_on_row(node: &impl Visit, dialect: SqlDialect) -> bool {
    let mut search = ColumnSearch { dialect, inner: Vec::new(), found: false };
    walk(node, &mut search);
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
        self.0.extend(name.map(|part| names::part_ident(part).value.to_lowercase()));
        self.0.extend(alias.iter().map(|alias| alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}
