//! Whether two expressions are the same on their face.
//!
//! Written out for the expressions that tautologies are made of: the derived
//! comparison of the whole syntax tree weighs more than everything else here.

use sqlparser::ast::{
    BinaryOperator as Op, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    InTarget, ObjectName, Query, SelectItem, SetExpr, UnaryOperator, Value,
};

use super::super::names;

/// `expr` without what changes nothing about its value: parentheses, casts,
/// collations, `+ 0`, `* 1`, `|| ''`, and a subquery that only selects it.
pub(super) fn bare(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Nested(inner)
            | Expr::Cast { expr: inner, .. }
            | Expr::Collate { expr: inner, .. }
            | Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => inner,
            Expr::BinaryOp { left, op, right } if is_neutral(op, right) => left,
            Expr::BinaryOp { left, op: Op::Plus | Op::Multiply | Op::StringConcat, right }
                if is_neutral(op_of(expr), left) =>
            {
                right
            }
            Expr::Subquery(query) => match selected(query) {
                Some((inner, None)) => inner,
                _ => return expr,
            },
            _ => return expr,
        }
    }
}

/// The one expression that a query selects, and the one table that it selects it
/// from if there is any; `None` if the query does anything else.
pub(super) fn selected(query: &Query) -> Option<(&Expr, Option<&ObjectName>)> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let [SelectItem::UnnamedExpr(expr)] = select.projection.as_slice() else { return None };
    if select.selection.is_some() || select.having.is_some() || query.with.is_some() {
        return None;
    }
    match select.from.as_slice() {
        [] => Some((expr, None)),
        [table] if table.joins.is_empty() => match &table.relation {
            sqlparser::ast::TableFactor::Table { name, args: None, .. } => Some((expr, Some(name))),
            _ => None,
        },
        _ => None,
    }
}

/// Whether both are the same column, literal, or operation on the same.
pub(super) fn same(one: &Expr, other: &Expr) -> bool {
    match (bare(one), bare(other)) {
        (Expr::Identifier(one), Expr::Identifier(other)) => same_name(one, other),
        // `id = o.id` may be two columns.
        (Expr::CompoundIdentifier(one), Expr::CompoundIdentifier(other)) => {
            one.iter().rev().zip(other.iter().rev()).all(|(one, other)| same_name(one, other))
        }
        (Expr::Value(one), Expr::Value(other)) => same_value(&one.value, &other.value),
        (Expr::UnaryOp { op, expr }, Expr::UnaryOp { op: op2, expr: expr2 }) => {
            op == op2 && same(expr, expr2)
        }
        (
            Expr::BinaryOp { left, op, right },
            Expr::BinaryOp { left: left2, op: op2, right: right2 },
        ) => same_operator(op, op2) && same(left, left2) && same(right, right2),
        (Expr::Function(one), Expr::Function(other)) => same_call(one, other),
        (Expr::Tuple(one), Expr::Tuple(other)) => all_same(one, other),
        (one, other) => same_predicate(one, other) == Some(true),
    }
}

/// Whether two predicates ask the same; `Some(false)` if they ask the opposite.
pub(super) fn same_predicate(one: &Expr, other: &Expr) -> Option<bool> {
    match (one, other) {
        (Expr::IsNull(one), Expr::IsNull(other))
        | (Expr::IsNotNull(one), Expr::IsNotNull(other)) => same(one, other).then_some(true),
        (Expr::IsNull(one), Expr::IsNotNull(other))
        | (Expr::IsNotNull(one), Expr::IsNull(other)) => same(one, other).then_some(false),
        (
            Expr::In { expr, target: InTarget::List(items), negated, .. },
            Expr::In { expr: expr2, target: InTarget::List(items2), negated: negated2, .. },
        ) => (same(expr, expr2) && all_same(items, items2)).then_some(negated == negated2),
        (
            Expr::Between { expr, negated, low, high },
            Expr::Between { expr: expr2, negated: negated2, low: low2, high: high2 },
        ) => (same(expr, expr2) && same(low, low2) && same(high, high2))
            .then_some(negated == negated2),
        (
            Expr::Like { negated, expr, pattern, .. },
            Expr::Like { negated: negated2, expr: expr2, pattern: pattern2, .. },
        )
        | (
            Expr::ILike { negated, expr, pattern, .. },
            Expr::ILike { negated: negated2, expr: expr2, pattern: pattern2, .. },
        ) => (same(expr, expr2) && same(pattern, pattern2)).then_some(negated == negated2),
        _ => None,
    }
}

/// The literal text of `expr`, if it is one.
pub(super) fn string(expr: &Expr) -> Option<&str> {
    match bare(expr) {
        Expr::Value(value) => text(&value.value),
        _ => None,
    }
}

/// The number that `expr` is, if it is one literally.
pub(super) fn number(expr: &Expr) -> Option<f64> {
    match bare(expr) {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(expr).map(|number| -number),
        _ => None,
    }
}

fn all_same(one: &[Expr], other: &[Expr]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
}

fn same_name(one: &Ident, other: &Ident) -> bool {
    one.value.eq_ignore_ascii_case(&other.value)
}

fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one, _), Value::Number(other, _))
        | (Value::Placeholder(one), Value::Placeholder(other)) => one == other,
        (Value::Boolean(one), Value::Boolean(other)) => one == other,
        (Value::Null, Value::Null) => true,
        _ => match (text(one), text(other)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        },
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text)
        | Value::TripleSingleQuotedString(text)
        | Value::TripleDoubleQuotedString(text) => Some(text),
        Value::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}

fn same_call(one: &Function, other: &Function) -> bool {
    let plain = |call: &Function| call.over.is_none() && call.filter.is_none();
    if !plain(one) || !plain(other) || names::function(&one.name) != names::function(&other.name) {
        return false;
    }
    match (&one.args, &other.args) {
        (FunctionArguments::None, FunctionArguments::None) => true,
        (FunctionArguments::List(one), FunctionArguments::List(other)) => {
            one.args.len() == other.args.len()
                && one.args.iter().zip(&other.args).all(|pair| match pair {
                    (
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(one)),
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(other)),
                    ) => same(one, other),
                    _ => false,
                })
        }
        _ => false,
    }
}

/// Operators without a name of their own are not compared.
fn same_operator(one: &Op, other: &Op) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
        && !matches!(one, Op::Custom(_) | Op::PGCustomBinaryOperator(_))
}

fn op_of(expr: &Expr) -> &Op {
    match expr {
        Expr::BinaryOp { op, .. } => op,
        _ => &Op::Plus,
    }
}

/// Whether `x op operand` is `x`.
fn is_neutral(op: &Op, operand: &Expr) -> bool {
    let Expr::Value(value) = operand else { return false };
    match (op, &value.value) {
        (Op::Plus | Op::Minus, Value::Number(digits, _)) => digits == "0",
        (Op::Multiply | Op::Divide, Value::Number(digits, _)) => digits == "1",
        (Op::StringConcat, value) => text(value) == Some(""),
        _ => false,
    }
}
