//! The shapes that `apollo-parser` gives documents.

use apollo_parser::cst::{self, CstNode};
use serde_json::{Value, json};

/// Where `apollo-parser` goes on although there is no value.
pub(super) const MISSING: &str = "\"missing\"";

/// What `apollo-parser` makes of a document; `None` if it refuses.
pub(super) fn theirs(text: &str) -> Option<Value> {
    let tree = apollo_parser::Parser::new(text).parse();
    if tree.errors().len() > 0 {
        return None;
    }
    let definitions = tree.document().definitions();
    Some(definitions.map(|definition| their_definition(&definition)).collect())
}

fn their_definition(definition: &cst::Definition) -> Value {
    match definition {
        cst::Definition::OperationDefinition(operation) => {
            let kind = operation.operation_type().map_or("query".to_owned(), |kind| {
                kind.syntax().text().to_string().trim().to_owned()
            });
            let mut directives = Vec::new();
            let declared = operation.variable_definitions().into_iter();
            let mut variables = Vec::new();
            for variable in declared.flat_map(|all| all.variable_definitions()) {
                directives.extend(their_directives(variable.directives()));
                let name = variable.variable().unwrap().text().to_string();
                let default = variable.default_value();
                variables.push(json!([name, default.map(|default| their_option(default.value()))]));
            }
            directives.extend(their_directives(operation.directives()));
            let name = operation.name().map(|name| name.text().to_string());
            let selections = their_selections(operation.selection_set());
            json!([kind, name, variables, directives, selections])
        }
        cst::Definition::FragmentDefinition(fragment) => json!([
            "fragment",
            fragment.fragment_name().unwrap().name().unwrap().text().to_string(),
            their_directives(fragment.directives()),
            their_selections(fragment.selection_set()),
        ]),
        _ => json!("type system"),
    }
}

fn their_directives(directives: Option<cst::Directives>) -> Vec<String> {
    let directives = directives.into_iter().flat_map(|all| all.directives());
    let shape = |directive: cst::Directive| {
        let arguments = their_arguments(directive.arguments()).to_string();
        let missing = arguments.contains(MISSING).then(|| "missing".to_owned());
        std::iter::once(directive.name().unwrap().text().to_string()).chain(missing)
    };
    directives.flat_map(shape).collect()
}

fn their_selections(selections: Option<cst::SelectionSet>) -> Value {
    let selections = selections.into_iter().flat_map(|all| all.selections());
    let shape = |selection| match selection {
        cst::Selection::Field(field) => json!([
            field.name().unwrap().text().to_string(),
            field.alias().is_some(),
            their_arguments(field.arguments()),
            their_directives(field.directives()),
            their_selections(field.selection_set()),
        ]),
        cst::Selection::FragmentSpread(spread) => json!([
            "...",
            spread.fragment_name().unwrap().name().unwrap().text().to_string(),
            their_directives(spread.directives()),
        ]),
        cst::Selection::InlineFragment(inline) => json!([
            "...",
            their_directives(inline.directives()),
            their_selections(inline.selection_set()),
        ]),
    };
    selections.map(shape).collect()
}

fn their_arguments(arguments: Option<cst::Arguments>) -> Value {
    let arguments = arguments.into_iter().flat_map(|all| all.arguments());
    let shape = |argument: cst::Argument| {
        json!([argument.name().unwrap().text().to_string(), their_option(argument.value())])
    };
    arguments.map(shape).collect()
}

fn their_option(value: Option<cst::Value>) -> Value {
    value.map_or(json!("missing"), |value| their_value(&value))
}

fn their_value(value: &cst::Value) -> Value {
    let written = |node: &apollo_parser::SyntaxNode| {
        node.first_token().map(|token| token.text().to_owned()).unwrap()
    };
    match value {
        cst::Value::Variable(variable) => json!({ "$": variable.text().to_string() }),
        cst::Value::StringValue(text) => json!({ "text": String::from(text) }),
        cst::Value::FloatValue(number) => json!({ "number": written(number.syntax()) }),
        cst::Value::IntValue(number) => json!({ "number": written(number.syntax()) }),
        cst::Value::BooleanValue(value) => json!(value.true_token().is_some()),
        cst::Value::NullValue(_) => Value::Null,
        cst::Value::EnumValue(value) => json!({ "enum": value.text().to_string() }),
        cst::Value::ListValue(list) => list.values().map(|value| their_value(&value)).collect(),
        cst::Value::ObjectValue(object) => {
            let shape = |field: cst::ObjectField| {
                json!([field.name().unwrap().text().to_string(), their_option(field.value())])
            };
            json!({ "object": object.object_fields().map(shape).collect::<Vec<_>>() })
        }
    }
}
