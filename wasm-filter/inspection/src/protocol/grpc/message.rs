//! Messages of a known type: the fields that the route names.
//!
//! A singular field that is there twice, or two fields of a `oneof`, are refused: the
//! specification lets the last one win, or merges, and not every reader does. So is a
//! known field on another wire type, which some readers skip and some refuse.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::malformed;
use super::wire::{Reader, Wire};
use crate::facts::{Attributes, Unparsed, UnparsedCode};
use crate::plan::{GrpcField, GrpcKind, GrpcLabel, GrpcSchema};

/// What is said of a message: `fields`, attribute names and paths, as far as they are
/// there, and how many fields are unknown.
pub(super) fn attributes(
    schema: &GrpcSchema,
    kind: GrpcKind,
    fields: &[(&str, &str)],
    bytes: &[u8],
    depth: usize,
) -> Result<Attributes, Unparsed> {
    let mut found: Vec<Found> = Vec::new();
    for (_, path) in fields {
        let is_list = is_list(schema, kind, path);
        found.push(Found { values: Vec::new(), is_list });
    }
    let paths: Vec<Path<'_>> =
        fields.iter().enumerate().map(|(place, (_, path))| Path { place, rest: path }).collect();
    let mut messages = Messages { schema, found, unknown: 0 };
    if let GrpcKind::Message(index) = kind {
        messages.read(index, bytes, &paths, false, depth)?;
    }
    let mut named = Map::new();
    for ((name, _), found) in fields.iter().zip(messages.found) {
        let value = if found.is_list {
            Some(Value::Array(found.values))
        } else {
            found.values.into_iter().next()
        };
        if let Some(value) = value {
            named.insert((*name).to_owned(), value);
        }
    }
    let mut attributes = Attributes::new();
    attributes.insert("fields".to_owned(), named.into());
    attributes.insert("unknown_fields".to_owned(), messages.unknown.into());
    Ok(attributes)
}

/// Whether `path` leads through a repeated field.
fn is_list(schema: &GrpcSchema, kind: GrpcKind, path: &str) -> bool {
    let mut kind = kind;
    let mut names = path.split('.');
    while let (GrpcKind::Message(index), Some(name)) = (kind, names.next()) {
        let fields = schema.messages.get(index).map(Vec::as_slice).unwrap_or_default();
        let Some(field) = fields.iter().find(|field| field.name == name) else { break };
        if field.label == GrpcLabel::Repeated {
            return true;
        }
        kind = field.kind;
        if field.label == GrpcLabel::Map && names.next().is_some() {
            kind = schema.map_value(field).map_or(GrpcKind::Opaque, |value| value.kind);
        }
    }
    false
}

/// The values at one path.
struct Found {
    values: Vec<Value>,
    is_list: bool,
}

/// What is left of a path, for the place of what is found.
#[derive(Clone, Copy)]
struct Path<'p> {
    place: usize,
    rest: &'p str,
}

impl Path<'_> {
    /// The path below `name`, if it leads there; empty where it ends.
    fn below(self, name: &str) -> Option<Self> {
        let rest = self.rest.strip_prefix(name).filter(|_| !self.rest.is_empty())?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('.')? };
        Some(Self { rest, ..self })
    }
}

struct Messages<'s> {
    schema: &'s GrpcSchema,
    found: Vec<Found>,
    unknown: usize,
}

impl Messages<'_> {
    /// Reads a message: gives it whole if `whole`, and puts down what `paths` lead to.
    fn read(
        &mut self,
        index: usize,
        bytes: &[u8],
        paths: &[Path<'_>],
        whole: bool,
        depth: usize,
    ) -> Result<Map<String, Value>, Unparsed> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Unparsed::new(
                UnparsedCode::TooDeep,
                "a message nests deeper than the limit",
            ));
        };
        let schema = self.schema;
        let fields = schema.messages.get(index).map(Vec::as_slice).unwrap_or_default();
        let mut message = Map::new();
        let mut seen = Seen::default();
        let mut reader = Reader(bytes);
        while !reader.is_empty() {
            let (number, wire) = reader.field()?;
            let Some(field) = fields.iter().find(|field| field.number == number) else {
                self.unknown = self.unknown.saturating_add(1);
                continue;
            };
            seen.note(field)?;
            let below: Vec<Path<'_>> =
                paths.iter().filter_map(|path| path.below(&field.name)).collect();
            let ends = whole || below.iter().any(|path| path.rest.is_empty());
            if field.label == GrpcLabel::Map {
                self.entry(field, wire, &below, ends, &mut message, depth)?;
            } else {
                self.field(field, wire, &below, ends, &mut message, depth)?;
            }
        }
        for field in fields {
            let ends = |path: &Path<'_>| path.rest == field.name;
            if !whole && !paths.iter().any(ends) {
                continue;
            }
            if let Some(value) =
                absent(schema, field).filter(|_| !message.contains_key(&field.name))
            {
                message.insert(field.name.clone(), value);
            }
            for path in paths.iter().filter(|path| ends(path)) {
                self.put_down(path.place, message.get(&field.name));
            }
        }
        Ok(message)
    }

    fn put_down(&mut self, place: usize, value: Option<&Value>) {
        let (Some(found), Some(value)) = (self.found.get_mut(place), value) else { return };
        match value {
            Value::Array(values) => found.values.extend(values.iter().cloned()),
            value => found.values.push(value.clone()),
        }
    }

    /// Reads one field, or one element of it, or several that are packed.
    fn field(
        &mut self,
        field: &GrpcField,
        wire: Wire<'_>,
        paths: &[Path<'_>],
        ends: bool,
        message: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), Unparsed> {
        if field.label != GrpcLabel::Repeated {
            let value = self.value(field.kind, wire, paths, ends, depth)?;
            if ends {
                message.insert(field.name.clone(), value);
            }
            return Ok(());
        }
        let mut values = Vec::new();
        match (wire, wire_of(field.kind)) {
            (Wire::Bytes(packed), Shape::Bytes) => {
                values.push(self.value(field.kind, Wire::Bytes(packed), paths, ends, depth)?);
            }
            (Wire::Bytes(packed), shape) => {
                let mut reader = Reader(packed);
                while !reader.is_empty() {
                    let wire = match shape {
                        Shape::Fixed64 => Wire::Fixed64(reader.fixed()?),
                        Shape::Fixed32 => Wire::Fixed32(reader.fixed()?),
                        _ => Wire::Varint(reader.varint()?),
                    };
                    let value = self.value(field.kind, wire, &[], false, depth)?;
                    if ends {
                        values.push(value);
                    }
                }
            }
            (wire, _) => values.push(self.value(field.kind, wire, paths, ends, depth)?),
        }
        if ends {
            let list =
                message.entry(field.name.clone()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.append(&mut values);
            }
        }
        Ok(())
    }

    /// Reads one entry of a map.
    fn entry(
        &mut self,
        field: &GrpcField,
        wire: Wire<'_>,
        paths: &[Path<'_>],
        ends: bool,
        message: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), Unparsed> {
        let (Some(key_field), Some(value_field), Wire::Bytes(bytes)) =
            (self.schema.map_key(field), self.schema.map_value(field), wire)
        else {
            return Err(other_wire_type());
        };
        let (mut key, mut value) = (None, None);
        let mut reader = Reader(bytes);
        while !reader.is_empty() {
            let place = match reader.field()? {
                (1, wire) => (&mut key, wire),
                (2, wire) => (&mut value, wire),
                _ => {
                    self.unknown = self.unknown.saturating_add(1);
                    continue;
                }
            };
            if place.0.replace(place.1).is_some() {
                return Err(twice());
            }
        }
        let key = match key {
            Some(wire) => self.value(key_field.kind, wire, &[], true, depth)?,
            None => default(self.schema, key_field.kind),
        };
        let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let below: Vec<Path<'_>> = paths.iter().filter_map(|path| path.below(&key)).collect();
        let whole = ends || below.iter().any(|path| path.rest.is_empty());
        let value = match (value, value_field.kind) {
            (Some(wire), kind) => self.value(kind, wire, &below, whole, depth)?,
            (None, kind @ GrpcKind::Message(_)) => {
                self.value(kind, Wire::Bytes(&[]), &below, whole, depth)?
            }
            (None, kind) => default(self.schema, kind),
        };
        for path in below.iter().filter(|path| path.rest.is_empty()) {
            self.put_down(path.place, Some(&value));
        }
        // The keys are kept to know them again, the values if they are wanted.
        let value = if ends { value } else { Value::Null };
        let map = message.entry(field.name.clone()).or_insert_with(|| Map::new().into());
        let repeated = map.as_object_mut().is_none_or(|map| map.insert(key, value).is_some());
        if repeated { Err(malformed("a map has the same key twice")) } else { Ok(()) }
    }

    /// The value of a field, if it is `wanted`; else it is only seen to be one.
    fn value(
        &mut self,
        kind: GrpcKind,
        wire: Wire<'_>,
        paths: &[Path<'_>],
        wanted: bool,
        depth: usize,
    ) -> Result<Value, Unparsed> {
        Ok(match (kind, wire) {
            (GrpcKind::Message(index), Wire::Bytes(bytes)) => {
                self.read(index, bytes, paths, wanted, depth)?.into()
            }
            (GrpcKind::String, Wire::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes).map_err(|_| {
                    Unparsed::new(UnparsedCode::Utf8Invalid, "a string of a message is not UTF-8")
                })?;
                if wanted { text.into() } else { Value::Null }
            }
            (GrpcKind::Bytes, Wire::Bytes(bytes)) if wanted => BASE64_STANDARD.encode(bytes).into(),
            (GrpcKind::Bytes | GrpcKind::Opaque, Wire::Bytes(_)) => Value::Null,
            (GrpcKind::Enum(index), Wire::Varint(number)) => {
                enum_value(self.schema, index, signed(number)?)
            }
            (_, Wire::Varint(number)) => integer(kind, number)?,
            (GrpcKind::Double, Wire::Fixed64(bytes)) => float(f64::from_le_bytes(bytes)),
            (GrpcKind::Fixed64, Wire::Fixed64(bytes)) => u64::from_le_bytes(bytes).into(),
            (GrpcKind::Sfixed64, Wire::Fixed64(bytes)) => i64::from_le_bytes(bytes).into(),
            (GrpcKind::Float, Wire::Fixed32(bytes)) => float(f32::from_le_bytes(bytes).into()),
            (GrpcKind::Fixed32, Wire::Fixed32(bytes)) => u32::from_le_bytes(bytes).into(),
            (GrpcKind::Sfixed32, Wire::Fixed32(bytes)) => i32::from_le_bytes(bytes).into(),
            _ => return Err(other_wire_type()),
        })
    }
}

/// Which singular fields and groups were there.
#[derive(Default)]
struct Seen {
    numbers: BTreeSet<u32>,
    oneofs: BTreeSet<u32>,
}

impl Seen {
    fn note(&mut self, field: &GrpcField) -> Result<(), Unparsed> {
        if matches!(field.label, GrpcLabel::Repeated | GrpcLabel::Map) {
            return Ok(());
        }
        if !self.numbers.insert(field.number) {
            return Err(twice());
        }
        if field.oneof.is_some_and(|oneof| !self.oneofs.insert(oneof)) {
            return Err(malformed("a message has two fields of which one may be there"));
        }
        Ok(())
    }
}

/// How a kind is written where it is not packed.
#[derive(Clone, Copy)]
enum Shape {
    Varint,
    Fixed64,
    Fixed32,
    Bytes,
}

const fn wire_of(kind: GrpcKind) -> Shape {
    match kind {
        GrpcKind::Double | GrpcKind::Fixed64 | GrpcKind::Sfixed64 => Shape::Fixed64,
        GrpcKind::Float | GrpcKind::Fixed32 | GrpcKind::Sfixed32 => Shape::Fixed32,
        GrpcKind::String | GrpcKind::Bytes | GrpcKind::Message(_) | GrpcKind::Opaque => {
            Shape::Bytes
        }
        _ => Shape::Varint,
    }
}

/// What a field that is not there is to its reader, if it is anything.
fn absent(schema: &GrpcSchema, field: &GrpcField) -> Option<Value> {
    match field.label {
        GrpcLabel::Singular => None,
        GrpcLabel::Implicit => Some(default(schema, field.kind)),
        GrpcLabel::Repeated => Some(Value::Array(Vec::new())),
        GrpcLabel::Map => Some(Map::new().into()),
    }
}

fn default(schema: &GrpcSchema, kind: GrpcKind) -> Value {
    match kind {
        GrpcKind::Enum(index) => enum_value(schema, index, 0),
        GrpcKind::String | GrpcKind::Bytes => "".into(),
        GrpcKind::Bool => false.into(),
        GrpcKind::Message(_) | GrpcKind::Opaque => Value::Null,
        _ => 0.into(),
    }
}

/// The name of an enum's value, or its number if it has none.
fn enum_value(schema: &GrpcSchema, index: usize, number: i32) -> Value {
    let name = schema.enums.get(index).and_then(|names| names.get(&number));
    name.map_or_else(|| number.into(), |name| name.as_str().into())
}

/// Readers cut a number to the size of its type, or refuse it: here it fits.
fn integer(kind: GrpcKind, number: u64) -> Result<Value, Unparsed> {
    Ok(match kind {
        GrpcKind::Int64 => number.cast_signed().into(),
        GrpcKind::Uint64 => number.into(),
        GrpcKind::Int32 => signed(number)?.into(),
        GrpcKind::Uint32 => u32::try_from(number).map_err(|_| too_large())?.into(),
        GrpcKind::Bool => (number != 0).into(),
        GrpcKind::Sint64 => zigzag(number).into(),
        GrpcKind::Sint32 => {
            u32::try_from(number).map_err(|_| too_large())?;
            zigzag(number).into()
        }
        _ => return Err(other_wire_type()),
    })
}

fn signed(number: u64) -> Result<i32, Unparsed> {
    i32::try_from(number.cast_signed()).map_err(|_| too_large())
}

const fn zigzag(number: u64) -> i64 {
    let half = (number >> 1).cast_signed();
    if number & 1 == 0 { half } else { !half }
}

/// As protobuf's JSON has it.
fn float(number: f64) -> Value {
    if number.is_finite() {
        number.into()
    } else if number.is_nan() {
        "NaN".into()
    } else if number > 0.0 {
        "Infinity".into()
    } else {
        "-Infinity".into()
    }
}

fn too_large() -> Unparsed {
    malformed("a number does not fit the type of its field")
}

fn twice() -> Unparsed {
    malformed("a field that is not repeated is there twice")
}

fn other_wire_type() -> Unparsed {
    malformed("a field is not of the type that the descriptors say")
}
