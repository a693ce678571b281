//! Descriptors to the table: names resolved to places, and nothing that is not needed.

use std::collections::BTreeMap;

use chaperone_inspection::plan::{GrpcField, GrpcKind, GrpcLabel, GrpcMethod, GrpcSchema};

use super::descriptor::{
    DescriptorProto, EnumDescriptorProto, FeatureSet, FieldDescriptorProto, FileDescriptorSet,
};

/// The table of every method in `set`, with all that its messages are made of; the
/// error is the name of a type that is not there.
pub(super) fn of(set: &FileDescriptorSet) -> Result<GrpcSchema, String> {
    let types = Types::of(set);
    let mut table = Table {
        types: &types,
        schema: GrpcSchema::default(),
        places: BTreeMap::new(),
        open: Vec::new(),
    };
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let service = joined(&file.package, &service.name);
                let types = GrpcMethod {
                    input: table.named(&method.input_type)?,
                    output: table.named(&method.output_type)?,
                    client_streaming: method.client_streaming,
                };
                table.schema.methods.insert(format!("{service}/{}", method.name), types);
            }
        }
    }
    while let Some((index, message, features)) = table.open.pop() {
        let fields: Result<_, _> =
            message.field.iter().map(|field| table.field(field, features)).collect();
        table.schema.messages[index] = fields?;
    }
    Ok(table.schema)
}

/// What a set declares, by full names with a dot before them.
#[derive(Default)]
struct Types<'s> {
    messages: BTreeMap<String, (&'s DescriptorProto, Features)>,
    enums: BTreeMap<String, &'s EnumDescriptorProto>,
}

/// What is said for everything in a file or a message.
#[derive(Clone, Copy)]
struct Features {
    /// Whether a field that is not there has its default value.
    implicit: bool,
}

impl Features {
    fn over(self, own: Option<&FeatureSet>) -> Self {
        const IMPLICIT: i32 = 2;
        match own.and_then(|features| features.field_presence) {
            Some(presence) => Self { implicit: presence == IMPLICIT },
            None => self,
        }
    }
}

impl<'s> Types<'s> {
    fn of(set: &'s FileDescriptorSet) -> Self {
        let mut types = Self::default();
        for file in &set.file {
            let own = file.options.as_ref().and_then(|options| options.features.as_ref());
            let features = Features { implicit: file.syntax == "proto3" }.over(own);
            let scope =
                if file.package.is_empty() { String::new() } else { format!(".{}", file.package) };
            for message in &file.message_type {
                types.add(&scope, message, features);
            }
            types.add_enums(&scope, &file.enum_type);
        }
        types
    }

    fn add(&mut self, scope: &str, message: &'s DescriptorProto, features: Features) {
        let name = format!("{scope}.{}", message.name);
        let own = message.options.as_ref().and_then(|options| options.features.as_ref());
        let features = features.over(own);
        for nested in &message.nested_type {
            self.add(&name, nested, features);
        }
        self.add_enums(&name, &message.enum_type);
        self.messages.insert(name, (message, features));
    }

    fn add_enums(&mut self, scope: &str, enums: &'s [EnumDescriptorProto]) {
        for item in enums {
            self.enums.insert(format!("{scope}.{}", item.name), item);
        }
    }
}

/// The table as it is made.
struct Table<'t> {
    types: &'t Types<'t>,
    schema: GrpcSchema,
    /// Full names to kinds.
    places: BTreeMap<&'t str, GrpcKind>,
    /// Messages that have a place and no fields yet.
    open: Vec<(usize, &'t DescriptorProto, Features)>,
}

impl Table<'_> {
    /// The message or the enum of that name.
    fn named(&mut self, name: &str) -> Result<GrpcKind, String> {
        if let Some(&kind) = self.places.get(name) {
            return Ok(kind);
        }
        if let Some((name, &(message, features))) = self.types.messages.get_key_value(name) {
            let index = self.schema.messages.len();
            self.schema.messages.push(Vec::new());
            self.open.push((index, message, features));
            self.places.insert(name, GrpcKind::Message(index));
            return Ok(GrpcKind::Message(index));
        }
        let (name, item) = self.types.enums.get_key_value(name).ok_or_else(|| name.to_owned())?;
        let index = self.schema.enums.len();
        let mut names = BTreeMap::new();
        for value in &item.value {
            // Of several names for a number (`allow_alias`), the first one.
            names.entry(value.number).or_insert_with(|| value.name.clone());
        }
        self.schema.enums.push(names);
        self.places.insert(name, GrpcKind::Enum(index));
        Ok(GrpcKind::Enum(index))
    }

    fn field(
        &mut self,
        field: &FieldDescriptorProto,
        features: Features,
    ) -> Result<GrpcField, String> {
        const REPEATED: i32 = 3;
        let kind = self.kind(field)?;
        let options = field.options.as_ref();
        let features = features.over(options.and_then(|options| options.features.as_ref()));
        let is_message = matches!(kind, GrpcKind::Message(_) | GrpcKind::Opaque);
        let map_entry = self.types.messages.get(&field.type_name).is_some_and(|(message, _)| {
            message.options.as_ref().is_some_and(|options| options.map_entry)
        });
        let label = match field.label {
            REPEATED if map_entry => GrpcLabel::Map,
            REPEATED => GrpcLabel::Repeated,
            _ if is_message || field.oneof_index.is_some() => GrpcLabel::Singular,
            _ if features.implicit => GrpcLabel::Implicit,
            _ => GrpcLabel::Singular,
        };
        let number = u32::try_from(field.number).unwrap_or_default();
        // `optional` in proto3 is a `oneof` of one field.
        let oneof = field.oneof_index.filter(|_| !field.proto3_optional);
        Ok(GrpcField {
            number,
            name: field.name.clone(),
            kind,
            label,
            oneof: oneof.and_then(|index| u32::try_from(index).ok()),
            redact: options.is_some_and(|options| options.debug_redact),
        })
    }

    fn kind(&mut self, field: &FieldDescriptorProto) -> Result<GrpcKind, String> {
        Ok(match field.r#type {
            1 => GrpcKind::Double,
            2 => GrpcKind::Float,
            3 => GrpcKind::Int64,
            4 => GrpcKind::Uint64,
            5 => GrpcKind::Int32,
            6 => GrpcKind::Fixed64,
            7 => GrpcKind::Fixed32,
            8 => GrpcKind::Bool,
            9 => GrpcKind::String,
            11 | 14 => self.named(&field.type_name)?,
            12 => GrpcKind::Bytes,
            13 => GrpcKind::Uint32,
            15 => GrpcKind::Sfixed32,
            16 => GrpcKind::Sfixed64,
            17 => GrpcKind::Sint32,
            18 => GrpcKind::Sint64,
            // Groups, which are refused where they are.
            _ => GrpcKind::Opaque,
        })
    }
}

fn joined(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}
