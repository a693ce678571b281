//! The arguments of a field as JSON, with the variables' values in their places
//! (September 2025, sections 6.1.2 and 6.4.1; what needs a schema is left as it is).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Budget;
use super::syntax::{Literal, Members, Operation};
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::document;

/// The variables of one operation.
#[derive(Debug)]
pub(super) struct Variables<'a, 't> {
    /// Those that the operation declares, with their defaults.
    declared: BTreeMap<&'t str, Option<&'a Literal<'t>>>,
    /// The values that the request gives.
    given: &'a Map<String, Value>,
    /// How deep values nest at most.
    depth: usize,
}

impl<'a, 't> Variables<'a, 't> {
    /// Those of `operation`, with the values that the request gives; they nest at most
    /// `depth` deep.
    pub(super) fn of(
        operation: &'a Operation<'t>,
        given: &'a Map<String, Value>,
        depth: usize,
    ) -> Self {
        let variables = operation.variables.iter();
        let declared = variables.map(|variable| (variable.name, variable.default.as_ref()));
        Self { declared: declared.collect(), given, depth }
    }

    /// What `members` stand for: without those whose variable has no value.
    pub(super) fn members(
        &self,
        members: &Members<'_>,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Map<String, Value>, Unparsed> {
        let mut values = Map::new();
        for (name, literal) in members {
            budget.spend(name.len())?;
            if let Some(value) = self.value(literal, depth, budget)? {
                values.insert((*name).to_owned(), value);
            }
        }
        Ok(values)
    }

    /// `None` for a variable without a value.
    fn value(
        &self,
        literal: &Literal<'_>,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Option<Value>, Unparsed> {
        self.check(depth)?;
        let deeper = depth.saturating_add(1);
        budget.spend(1)?;
        Ok(Some(match literal {
            Literal::Variable(name) => return self.variable(name, depth, budget),
            // GraphQL writes numbers as JSON does.
            Literal::Number(number) => document::parse(number.as_bytes(), 0)?,
            Literal::Text(text) => {
                budget.spend(text.len())?;
                Value::from(&**text)
            }
            Literal::Enum(name) => {
                budget.spend(name.len())?;
                Value::from(*name)
            }
            Literal::Bool(value) => Value::from(*value),
            Literal::Null => Value::Null,
            Literal::List(items) => {
                let mut values = Vec::new();
                for item in items {
                    values.push(self.value(item, deeper, budget)?.unwrap_or_default());
                }
                Value::from(values)
            }
            Literal::Object(members) => self.members(members, deeper, budget)?.into(),
        }))
    }

    fn variable(
        &self,
        name: &str,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Option<Value>, Unparsed> {
        let Some(default) = self.declared.get(name) else {
            return Err(Unparsed::new(
                UnparsedCode::GraphqlMalformed,
                "a variable that the operation does not declare is used",
            ));
        };
        match (self.given.get(name), default) {
            (Some(value), _) => {
                self.charge(value, depth, budget)?;
                Ok(Some(value.clone()))
            }
            // A default has no variables in it, so this goes no further.
            (None, Some(default)) => self.value(default, depth, budget),
            (None, None) => Ok(None),
        }
    }

    /// A short document can repeat a long variable, and nest it in a deep one.
    fn charge(&self, value: &Value, depth: usize, budget: &mut Budget) -> Result<(), Unparsed> {
        self.check(depth)?;
        let deeper = depth.saturating_add(1);
        budget.spend(1)?;
        match value {
            Value::String(text) => budget.spend(text.len()),
            Value::Array(items) => {
                items.iter().try_for_each(|item| self.charge(item, deeper, budget))
            }
            Value::Object(members) => members.iter().try_for_each(|(name, value)| {
                budget.spend(name.len())?;
                self.charge(value, deeper, budget)
            }),
            _ => Ok(()),
        }
    }

    fn check(&self, depth: usize) -> Result<(), Unparsed> {
        if depth <= self.depth {
            return Ok(());
        }
        Err(Unparsed::new(UnparsedCode::TooDeep, "an argument nests deeper than the limit"))
    }
}
