//! GraphQL over HTTP: one command for each field that an operation selects at its
//! root (GraphQL, September 2025; the GraphQL-over-HTTP draft).
//!
//! There is no schema here, so a document is read as it is written: every fragment
//! counts, whatever its type condition, and so does what `@skip` would leave out.

mod arguments;
mod lexer;
mod request;
mod selection;
mod syntax;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use self::arguments::Variables;
use self::request::Parameters;
use self::selection::{Fragments, Size};
use self::syntax::{Document, Field, Operation, OperationKind};
use super::Reading;
use crate::digest::Digest;
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::json::document;
use crate::plan::{GraphqlPlan, Limits};

/// The commands of one request.
pub(super) fn commands(
    plan: &GraphqlPlan,
    request: &Reading<'_>,
) -> Result<Vec<Command>, Unparsed> {
    let asked = request::read(plan, request)?;
    let mut reader = Reader {
        plan,
        limits: request.limits,
        by_get: asked.by_get,
        batch_size: asked.operations.len(),
        budget: Budget { left: request.limits.decoded_bytes },
        commands: Vec::new(),
    };
    for parameters in &asked.operations {
        reader.read(parameters)?;
    }
    Ok(reader.commands)
}

/// Why a persisted document of the plan cannot be used, if one cannot.
pub(super) fn refuse_persisted(plan: &GraphqlPlan) -> Result<(), String> {
    for (id, text) in &plan.persisted {
        let refuse = |why: &str| Err(format!("persisted document `{id}` {why}"));
        if id.is_empty() {
            return refuse("has an empty id");
        }
        if id.starts_with("sha256:") && Digest::of(text.as_bytes()).to_string() != *id {
            return refuse("has another digest than its id");
        }
        let read = syntax::parse(text, document::MAX_DEPTH).map_err(Unparsed::from);
        let checked = read.and_then(|document| {
            let mut fragments = Fragments::of(&document)?;
            let mut operations = document.operations.iter();
            operations.try_for_each(|operation| {
                fragments.measure(&operation.selections, document::MAX_DEPTH).map(drop)
            })?;
            check_names(&document)
        });
        if let Err(unparsed) = checked {
            return refuse(&format!("cannot be read: {}", unparsed.detail));
        }
    }
    Ok(())
}

/// How many bytes of facts a request may still make: a short document can repeat a
/// long variable, or a long path, many times.
#[derive(Debug)]
struct Budget {
    left: usize,
}

impl Budget {
    fn spend(&mut self, bytes: usize) -> Result<(), Unparsed> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            Unparsed::new(
                UnparsedCode::ExpandsTooMuch,
                "the operation's fields and arguments are larger than the limit",
            )
        })?;
        Ok(())
    }
}

struct Reader<'r> {
    plan: &'r GraphqlPlan,
    limits: &'r Limits,
    by_get: bool,
    batch_size: usize,
    budget: Budget,
    commands: Vec<Command>,
}

impl Reader<'_> {
    /// Adds the commands of one operation.
    fn read(&mut self, parameters: &Parameters) -> Result<(), Unparsed> {
        let text = parameters.document(self.plan)?;
        let document = syntax::parse(text, self.limits.depth)?;
        check_names(&document)?;
        let mut fragments = Fragments::of(&document)?;
        // A server may validate the whole document, and so the others are read too.
        for operation in &document.operations {
            fragments.measure(&operation.selections, self.limits.depth)?;
        }
        let operation = chosen(&document, parameters.operation_name.as_deref())?;
        if self.by_get && operation.kind == OperationKind::Mutation {
            return Err(Unparsed::new(
                UnparsedCode::MethodUnexpected,
                "a mutation by GET, which is safe by definition (RFC 9110 section 9.2.1)",
            ));
        }
        let size = fragments.measure(&operation.selections, self.limits.depth)?;
        let mut directives: BTreeSet<&str> = operation.directives.iter().copied().collect();
        let mut roots = Vec::new();
        fragments.roots(&operation.selections, &mut roots, &mut directives);
        // Each command says what all of them are, so their number is bounded first.
        if self.commands.len().saturating_add(roots.len()) > self.limits.commands {
            return Err(Unparsed::new(
                UnparsedCode::TooManyCommands,
                format!("the request makes more than {} commands", self.limits.commands),
            ));
        }
        let variables = Variables::of(operation, &parameters.variables, self.limits.depth);
        let own = roots.iter().map(|root| self.own(root, &fragments, &variables, &mut directives));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        let shared = self.shared(text, operation, &roots, &directives, size);
        let action = action(operation.kind)?;
        for (root, mut attributes) in roots.into_iter().zip(own) {
            attributes.extend(shared.clone());
            self.commands.push(Command { action, resource: root.name.to_owned(), attributes });
        }
        Ok(())
    }

    /// What the command of one root field says; its directives join `directives`.
    fn own<'t>(
        &mut self,
        root: &Field<'t>,
        fragments: &Fragments<'_, 't>,
        variables: &Variables<'_, 't>,
        directives: &mut BTreeSet<&'t str>,
    ) -> Result<Attributes, Unparsed> {
        let mut paths = BTreeSet::new();
        let path = &mut String::new();
        fragments.paths(root, path, &mut paths, directives, &mut self.budget)?;
        let arguments = variables.members(&root.arguments, 1, &mut self.budget)?;
        let mut attributes = Attributes::new();
        let mut insert = |name: &str, value| attributes.insert(name.to_owned(), value);
        insert("introspection", matches!(root.name, "__schema" | "__type").into());
        insert("fields", paths.into_iter().collect());
        insert("arguments", arguments.into());
        Ok(attributes)
    }

    /// What every command of an operation says.
    fn shared(
        &self,
        text: &str,
        operation: &Operation<'_>,
        roots: &[&Field<'_>],
        directives: &BTreeSet<&str>,
        size: Size,
    ) -> Attributes {
        let digest = Digest::of(text.as_bytes()).to_string();
        let names: BTreeSet<&str> = roots.iter().map(|root| root.name).collect();
        let mut attributes = Attributes::new();
        let mut insert = |name: &str, value| attributes.insert(name.to_owned(), value);
        if let Some(name) = operation.name {
            insert("operation_name", name.into());
        }
        insert("root_fields", names.into_iter().collect());
        insert("directives", directives.iter().copied().collect());
        insert("depth", size.depth.into());
        insert("field_count", size.fields.into());
        insert("aliases", size.aliases.into());
        insert("batch_size", self.batch_size.into());
        insert("persisted", self.plan.persisted.values().any(|known| known == text).into());
        insert("document_sha256", Value::from(digest));
        attributes
    }
}

/// An operation has a name of its own, or is alone (section 5.2).
fn check_names(document: &Document<'_>) -> Result<(), Unparsed> {
    let mut names = BTreeSet::new();
    let distinct = document.operations.iter().all(|operation| names.insert(operation.name));
    match (document.operations.len(), names.contains(&None)) {
        (0, _) => Err(malformed("the document has no operation")),
        (2.., true) => Err(malformed("an operation without a name is not alone")),
        _ if !distinct => Err(malformed("two operations have the same name")),
        _ => Ok(()),
    }
}

/// The operation that is meant (section 6.1, `GetOperation`).
fn chosen<'d, 't>(
    document: &'d Document<'t>,
    name: Option<&str>,
) -> Result<&'d Operation<'t>, Unparsed> {
    match (name, document.operations.as_slice()) {
        (None, [operation]) => Ok(operation),
        (None, _) => Err(malformed("which of the operations is meant is not said")),
        (Some(name), operations) => operations
            .iter()
            .find(|operation| operation.name == Some(name))
            .ok_or_else(|| malformed("the document has no operation of the name that is meant")),
    }
}

fn action(kind: OperationKind) -> Result<Action, Unparsed> {
    let name = match kind {
        OperationKind::Query => "graphql:query",
        OperationKind::Mutation => "graphql:mutation",
        OperationKind::Subscription => "graphql:subscription",
    };
    // Every name stands in the vocabulary; a test holds that.
    Action::named(name).ok_or_else(|| malformed("the operation is not in the vocabulary"))
}

fn malformed(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::GraphqlMalformed, why)
}
