//! The shapes that our parser gives documents.

use serde_json::{Value, json};

use crate::protocol::graphql::syntax::{Document, Literal, Members, OperationKind, Selection};

/// The same of ours, operations before fragments.
pub(super) fn ours(document: &Document<'_>) -> Value {
    let operations = document.operations.iter().map(|operation| {
        let kind = match operation.kind {
            OperationKind::Query => "query",
            OperationKind::Mutation => "mutation",
            OperationKind::Subscription => "subscription",
        };
        let variables = operation.variables.iter();
        let variables = variables
            .map(|variable| json!([variable.name, variable.default.as_ref().map(our_value)]));
        json!([
            kind,
            operation.name,
            variables.collect::<Vec<_>>(),
            operation.directives,
            our_selections(&operation.selections),
        ])
    });
    let fragments = document.fragments.iter().map(|fragment| {
        let selections = our_selections(&fragment.selections);
        json!(["fragment", fragment.name, fragment.directives, selections])
    });
    operations.chain(fragments).collect()
}

fn our_selections(selections: &[Selection<'_>]) -> Value {
    let shape = |selection: &Selection<'_>| match selection {
        Selection::Field(field) => json!([
            field.name,
            field.aliased,
            our_members(&field.arguments),
            field.directives,
            our_selections(&field.selections),
        ]),
        Selection::Spread { fragment, directives } => json!(["...", fragment, directives]),
        Selection::Inline { directives, selections } => {
            json!(["...", directives, our_selections(selections)])
        }
    };
    selections.iter().map(shape).collect()
}

fn our_members(members: &Members<'_>) -> Value {
    members.iter().map(|(name, value)| json!([name, our_value(value)])).collect()
}

fn our_value(value: &Literal<'_>) -> Value {
    match value {
        Literal::Variable(name) => json!({ "$": name }),
        Literal::Number(number) => json!({ "number": number }),
        Literal::Text(text) => json!({ "text": text }),
        Literal::Bool(value) => json!(value),
        Literal::Null => Value::Null,
        Literal::Enum(name) => json!({ "enum": name }),
        Literal::List(items) => items.iter().map(our_value).collect(),
        Literal::Object(members) => json!({ "object": our_members(members) }),
    }
}
