//! gRPC descriptor sets: a file that protobuf's compiler wrote, to the table that the
//! filter reads messages by.

mod descriptor;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chaperone_inspection::plan::{
    GrpcField, GrpcKind, GrpcLabel, GrpcMethod, GrpcPlan, GrpcSchema, grpc_concerns,
};
use prost::Message;

use self::descriptor::FileDescriptorSet;

/// The most fields of messages that a table has whole; of more, it has those that the
/// configured fields lead through. The table is part of the filter's configuration.
const MAX_FIELDS: usize = 2000;

/// What is wrong with how gRPC is configured.
#[derive(Debug, thiserror::Error)]
pub(super) enum GrpcError {
    #[error("`schema` is made from `descriptors`; leave it out")]
    SchemaWritten,
    #[error("`fields` need `descriptors`, without which nothing is known of messages")]
    NoDescriptors,
    #[error("`{file}` cannot be read: {error}")]
    Read { file: String, error: std::io::Error },
    #[error("`{0}` is not a descriptor set, as `buf build` writes it")]
    NotDescriptors(String),
    #[error("the descriptors do not have `{0}`; write them with `--include_imports`")]
    TypeMissing(String),
    #[error("`{0}` has no service with a method")]
    NoMethods(String),
    #[error("`fields` name `{0}`, which is no method of the descriptors")]
    NoMethod(String),
    #[error("the field `{path}` is in no request of `{pattern}`: {why}")]
    NoField { pattern: String, path: String, why: String },
    #[error("`fields` have two paths for `{name}` of `{method}`")]
    TwoPaths { name: String, method: String },
}

/// The plan with its descriptors, a file in `folder`, compiled.
pub(super) fn compile(plan: GrpcPlan, folder: &Path) -> Result<GrpcPlan, GrpcError> {
    if plan.schema.is_some() {
        return Err(GrpcError::SchemaWritten);
    }
    let Some(file) = plan.descriptors else {
        return if plan.fields.is_empty() { Ok(plan) } else { Err(GrpcError::NoDescriptors) };
    };
    let bytes = std::fs::read(folder.join(&file))
        .map_err(|error| GrpcError::Read { file: file.clone(), error })?;
    let set =
        FileDescriptorSet::decode(&*bytes).map_err(|_| GrpcError::NotDescriptors(file.clone()))?;
    let mut schema = table::of(&set).map_err(GrpcError::TypeMissing)?;
    if schema.methods.is_empty() {
        return Err(GrpcError::NoMethods(file));
    }
    let mut plan = GrpcPlan { descriptors: None, ..plan };
    let used = used_messages(&plan, &schema)?;
    refuse_two_paths(&plan, &schema)?;
    if schema.messages.iter().map(Vec::len).sum::<usize>() > MAX_FIELDS {
        schema = trimmed(&schema, &used);
    }
    plan.schema = Some(schema);
    Ok(plan)
}

/// The messages that the configured fields lead through; an error if one leads nowhere.
fn used_messages(plan: &GrpcPlan, schema: &GrpcSchema) -> Result<BTreeSet<usize>, GrpcError> {
    let mut used = BTreeSet::new();
    for (pattern, fields) in &plan.fields {
        let of_pattern = schema.methods.iter().filter(|(name, _)| grpc_concerns(pattern, name));
        let inputs: BTreeSet<usize> =
            of_pattern.filter_map(|(_, method)| place(method.input)).collect();
        if inputs.is_empty() {
            return Err(GrpcError::NoMethod(pattern.clone()));
        }
        for path in fields.values() {
            let walks: Vec<_> =
                inputs.iter().map(|&input| walk(schema, input, path, &mut used)).collect();
            if let Some(Err(why)) = walks.iter().min_by_key(|walk| walk.is_err()) {
                let (pattern, path, why) = (pattern.clone(), path.clone(), why.clone());
                return Err(GrpcError::NoField { pattern, path, why });
            }
        }
    }
    Ok(used)
}

/// Follows a path from a message, and notes the messages that are on it or below its
/// end, which is given whole. The error is why it leads nowhere.
fn walk(
    schema: &GrpcSchema,
    input: usize,
    path: &str,
    used: &mut BTreeSet<usize>,
) -> Result<(), String> {
    let mut kind = GrpcKind::Message(input);
    let mut passed = Vec::new();
    let mut names = path.split('.');
    while let Some(name) = names.next() {
        let index = place(kind).ok_or_else(|| format!("`{name}` is below what is no message"))?;
        passed.push(index);
        let field = schema.messages[index].iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| format!("there is no `{name}`"))?;
        kind = field.kind;
        if field.label == GrpcLabel::Map {
            passed.extend(place(kind));
            if names.next().is_some() {
                kind = schema.map_value(field).map_or(GrpcKind::Opaque, |value| value.kind);
            }
        }
    }
    used.extend(passed);
    let mut open: Vec<usize> = place(kind).into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(index) = open.pop() {
        if seen.insert(index) {
            open.extend(schema.messages[index].iter().filter_map(|field| place(field.kind)));
        }
    }
    used.extend(seen);
    Ok(())
}

fn refuse_two_paths(plan: &GrpcPlan, schema: &GrpcSchema) -> Result<(), GrpcError> {
    for method in schema.methods.keys() {
        let mut names = BTreeSet::new();
        for (name, _) in plan.fields_of(method) {
            if !names.insert(name) {
                let (name, method) = (name.to_owned(), method.clone());
                return Err(GrpcError::TwoPaths { name, method });
            }
        }
    }
    Ok(())
}

/// The table with those messages only; what was of another type is opaque.
fn trimmed(schema: &GrpcSchema, used: &BTreeSet<usize>) -> GrpcSchema {
    let places: BTreeMap<usize, usize> =
        used.iter().enumerate().map(|(new, &old)| (old, new)).collect();
    let moved = |kind| match kind {
        GrpcKind::Message(old) => {
            places.get(&old).map_or(GrpcKind::Opaque, |&new| GrpcKind::Message(new))
        }
        kind => kind,
    };
    let methods = schema.methods.iter().map(|(name, method)| {
        let (input, output) = (moved(method.input), moved(method.output));
        (name.clone(), GrpcMethod { input, output, ..method.clone() })
    });
    let messages = used.iter().map(|&index| {
        let fields = schema.messages[index].iter().cloned();
        fields.map(|field| GrpcField { kind: moved(field.kind), ..field }).collect()
    });
    GrpcSchema {
        methods: methods.collect(),
        messages: messages.collect(),
        enums: schema.enums.clone(),
    }
}

const fn place(kind: GrpcKind) -> Option<usize> {
    match kind {
        GrpcKind::Message(index) => Some(index),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
