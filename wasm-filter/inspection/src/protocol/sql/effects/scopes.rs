//! Which names are CTEs where: a CTE hides a table of its name, but only from the
//! query that defines it on, and not from the CTE's own body.

use sqlparser::ast::{Ident, Query, SetExpr};

use super::super::names;
use super::address;
use crate::plan::SqlDialect;

/// The queries around the place that is walked.
#[derive(Default)]
pub(super) struct Scopes(Vec<Scope>);

/// The CTEs of a query, and how many of them can be seen from where the walk is.
struct Scope {
    query: usize,
    ctes: Vec<CteName>,
    visible: usize,
}

struct CteName {
    name: Ident,
    /// The address of its body.
    body: usize,
    /// Whether its body may name it: a recursive CTE is a UNION.
    recursive: bool,
}

impl Scope {
    fn of(query: &Query) -> Self {
        let ctes = query.with.iter().flat_map(|with| {
            with.cte_tables.iter().map(|cte| CteName {
                name: cte.alias.name.clone(),
                body: address(&*cte.query),
                recursive: with.recursive
                    && matches!(*cte.query.body, SetExpr::SetOperation { .. }),
            })
        });
        let ctes: Vec<_> = ctes.collect();
        Self { query: address(query), visible: ctes.len(), ctes }
    }

    fn cte(&self, body: usize) -> Option<(usize, &CteName)> {
        self.ctes.iter().enumerate().find(|(_, cte)| cte.body == body)
    }
}

impl Scopes {
    /// The walk comes to `query`.
    pub(super) fn enter(&mut self, query: &Query) {
        if let Some(scope) = self.0.last_mut()
            && let Some((place, cte)) = scope.cte(address(query))
        {
            // The earlier ones, and itself if it is recursive.
            scope.visible = place.saturating_add(usize::from(cte.recursive));
        }
        self.0.push(Scope::of(query));
    }

    /// The walk leaves `query`.
    pub(super) fn leave(&mut self, query: &Query) {
        let at = address(query);
        if self.0.pop_if(|scope| scope.query == at).is_some()
            && let Some(scope) = self.0.last_mut()
            && scope.cte(at).is_some()
        {
            scope.visible = scope.ctes.len();
        }
    }

    /// Whether `used` is sure to name a CTE here.
    pub(super) fn define(&self, used: &Ident, dialect: SqlDialect) -> bool {
        let visible = self.0.iter().flat_map(|scope| scope.ctes.iter().take(scope.visible));
        visible.into_iter().any(|cte| names::surely_same(&cte.name, used, dialect))
    }
}
