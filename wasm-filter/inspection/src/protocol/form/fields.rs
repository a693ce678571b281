//! The fields of a form that the route names.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{RequestHead, content};
use super::{malformed, names, repeated};
use crate::facts::{Attributes, Unparsed, UnparsedCode};
use crate::plan::FormPlan;

/// The field by which frameworks let a form be sent by another method.
pub(super) const METHOD: &str = "_method";

/// Picks the fields that a plan names, as a form is read.
pub(in super::super) struct Collector<'a> {
    plan: &'a FormPlan,
    head: &'a RequestHead<'a>,
    fields: Attributes,
    files: BTreeSet<String>,
    file_types: BTreeSet<String>,
}

impl<'a> Collector<'a> {
    pub(in super::super) fn new(plan: &'a FormPlan, head: &'a RequestHead<'a>) -> Self {
        let mut fields = Attributes::new();
        // A list that is not there is an empty one to every reader.
        for name in plan.lists.keys() {
            fields.insert(name.clone(), Value::Array(Vec::new()));
        }
        let (files, file_types) = (BTreeSet::new(), BTreeSet::new());
        Self { plan, head, fields, files, file_types }
    }

    /// Takes a text; `value` is called if the field matters.
    pub(in super::super) fn take(
        &mut self,
        key: &str,
        value: impl Fn() -> Result<String, Unparsed>,
    ) -> Result<(), Unparsed> {
        if key.contains(char::is_control) {
            return Err(malformed("the name of a field has a control character"));
        }
        if names::may_be(key, METHOD) {
            check_method(key, &value()?, self.head)?;
        }
        if key.eq_ignore_ascii_case("_charset_") && !value()?.eq_ignore_ascii_case("utf-8") {
            return Err(content::charset("the form's charset is not UTF-8"));
        }
        for (name, field) in &self.plan.fields {
            if names::may_be(key, field)
                && (key != field || self.fields.insert(name.clone(), value()?.into()).is_some())
            {
                return Err(repeated());
            }
        }
        for (name, field) in &self.plan.lists {
            if !names::may_be(key, field) {
                continue;
            }
            match self.fields.get_mut(name) {
                Some(Value::Array(values)) if key == field => values.push(value()?.into()),
                _ => return Err(repeated()),
            }
        }
        Ok(())
    }

    /// Takes a file: its name, which is empty if none was chosen, and its media type.
    pub(in super::super) fn take_file(
        &mut self,
        key: &str,
        file: String,
        media_type: String,
    ) -> Result<(), Unparsed> {
        let matters = self.plan.names().into_iter().chain([METHOD, "_charset_"]);
        if matters.into_iter().any(|field| names::may_be(key, field)) {
            return Err(Unparsed::new(
                UnparsedCode::FieldMalformed,
                "a field that matters is a file",
            ));
        }
        if !file.is_empty() {
            self.files.insert(file);
            self.file_types.insert(media_type);
        }
        Ok(())
    }

    /// What was found, as attributes of the command.
    pub(in super::super) fn into_attributes(self) -> Attributes {
        let mut attributes = Attributes::new();
        attributes.insert("fields".to_owned(), self.fields.into());
        if !self.files.is_empty() {
            let set = |set: BTreeSet<String>| Value::from_iter(set);
            attributes.insert("files".to_owned(), set(self.files));
            attributes.insert("file_types".to_owned(), set(self.file_types));
        }
        attributes
    }
}

/// An error unless the field of that name says the method that the request has.
pub(super) fn check_method(key: &str, value: &str, head: &RequestHead<'_>) -> Result<(), Unparsed> {
    if key == METHOD && value == head.method {
        return Ok(());
    }
    Err(malformed("the form names another method than the request's"))
}
