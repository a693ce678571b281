//! One walk over the grammar for every purpose.
//!
//! A visitor's type instantiates the walk over the whole grammar anew, which is
//! most of what the module weighs; behind a pointer there is one.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectName, Query, Select, Statement, TableFactor, Visit, Visitor};

/// Shows everything in `node` to `visitor`, until that breaks.
pub(super) fn walk(node: &impl Visit, visitor: &mut dyn Visitor<Break = ()>) {
    // Whether it broke, the visitor knows.
    let _ = node.visit(&mut Pointed(visitor));
}

struct Pointed<'a>(&'a mut dyn Visitor<Break = ()>);

/// Forwards the steps that our visitors take; the others continue by themselves.
impl Visitor for Pointed<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.0.pre_visit_query(query)
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.0.post_visit_query(query)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.0.pre_visit_select(select)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.0.pre_visit_relation(relation)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.0.pre_visit_table_factor(factor)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.0.pre_visit_expr(expr)
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.0.pre_visit_statement(statement)
    }
}
