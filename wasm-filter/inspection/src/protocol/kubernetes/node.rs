//! A place in an object, or in a patch of one.
//!
//! What an object does not say has its default; what a patch does not say stays as it
//! is. So a place knows which of the two it is in.

use serde_json::{Map, Value};

use super::malformed;
use crate::facts::Unparsed;
use crate::json::document;

/// How what is not said is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It has its default.
    Whole,
    /// It stays; lists are replaced as a whole (RFC 7396).
    Merge,
    /// It stays; items of lists are merged by name, and `$patch` says otherwise
    /// (`k8s.io/apimachinery/pkg/util/strategicpatch`).
    Strategic,
}

/// What is said of a field.
pub(super) enum Said<T> {
    /// Nothing: it stays.
    Nothing,
    /// It has its default, by being left out or by being taken away.
    Default,
    /// This.
    Value(T),
}

impl<T> Said<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// An object in a document; none where it is taken away.
#[derive(Clone, Copy)]
pub(super) struct Node<'v> {
    object: Option<&'v Map<String, Value>>,
    mode: Mode,
}

impl<'v> Node<'v> {
    /// The object `value`; null is one without members.
    pub(super) fn of(value: &'v Value, mode: Mode) -> Result<Self, Unparsed> {
        match value {
            Value::Null => Ok(Self { object: None, mode: Mode::Whole }),
            Value::Object(object) => {
                let mode = match directive(object, mode)? {
                    Some("replace" | "delete") => Mode::Whole,
                    _ => mode,
                };
                Ok(Self { object: Some(object), mode })
            }
            _ => Err(malformed("an object was expected")),
        }
    }

    /// The same, as an object that says all there is.
    pub(super) const fn whole(self) -> Self {
        Self { mode: Mode::Whole, ..self }
    }

    pub(super) fn is_whole(self) -> bool {
        self.mode == Mode::Whole
    }

    /// Whether it has a member of that name, which is not null.
    pub(super) fn has(self, name: &str) -> Result<bool, Unparsed> {
        Ok(self.member(name)?.value().is_some())
    }

    /// A member that is an object. Where none is said of a whole object, it has all of
    /// its defaults.
    pub(super) fn object(self, name: &str) -> Result<Option<Self>, Unparsed> {
        match self.member(name)? {
            Said::Nothing => Ok(None),
            Said::Default => Ok(Some(Self { object: None, mode: Mode::Whole })),
            Said::Value(value) => Self::of(value, self.mode).map(Some),
        }
    }

    /// The objects of a list; of a patch those that are not taken away.
    pub(super) fn items(self, name: &str) -> Result<Vec<Self>, Unparsed> {
        let Some(value) = self.member(name)?.value() else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(|| malformed(no(name, "a list")))?;
        let mut replaces = false;
        let mut items = Vec::new();
        for value in values.iter().filter(|value| !value.is_null()) {
            let mode = if self.mode == Mode::Merge { Mode::Whole } else { self.mode };
            let object = value.as_object().ok_or_else(|| malformed("an object was expected"))?;
            let directive = directive(object, mode)?;
            replaces |= directive == Some("replace");
            if directive == Some("delete") || (directive.is_some() && object.len() == 1) {
                continue;
            }
            items.push(Self::of(value, mode)?);
        }
        if replaces {
            items = items.into_iter().map(Self::whole).collect();
        }
        Ok(items)
    }

    pub(super) fn flag(self, name: &str) -> Result<Said<bool>, Unparsed> {
        self.scalar(name, Value::as_bool, "true or false")
    }

    pub(super) fn integer(self, name: &str) -> Result<Said<i64>, Unparsed> {
        self.scalar(name, Value::as_i64, "a whole number")
    }

    /// A text with something in it.
    pub(super) fn text(self, name: &str) -> Result<Option<&'v str>, Unparsed> {
        let text = self.scalar(name, Value::as_str, "a text")?.value();
        Ok(text.filter(|text| !text.is_empty()))
    }

    pub(super) fn texts(self, name: &str) -> Result<Vec<&'v str>, Unparsed> {
        let Some(value) = self.member(name)?.value() else { return Ok(Vec::new()) };
        let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        texts.ok_or_else(|| malformed(no(name, "a list of texts")))
    }

    fn scalar<T>(
        self,
        name: &str,
        read: fn(&'v Value) -> Option<T>,
        kind: &str,
    ) -> Result<Said<T>, Unparsed> {
        match self.member(name)? {
            Said::Value(value) => {
                read(value).map(Said::Value).ok_or_else(|| malformed(no(name, kind)))
            }
            Said::Default => Ok(Said::Default),
            Said::Nothing => Ok(Said::Nothing),
        }
    }

    fn member(self, name: &str) -> Result<Said<&'v Value>, Unparsed> {
        let absent = if self.is_whole() { Said::Default } else { Said::Nothing };
        let Some(object) = self.object else { return Ok(absent) };
        document::only_spelling(object, name)?;
        Ok(match object.get(name) {
            None => absent,
            Some(Value::Null) => Said::Default,
            Some(value) => Said::Value(value),
        })
    }
}

/// What a strategic merge patch does with an object.
fn directive(object: &Map<String, Value>, mode: Mode) -> Result<Option<&str>, Unparsed> {
    if mode != Mode::Strategic {
        return Ok(None);
    }
    match object.get("$patch") {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(known @ ("replace" | "delete" | "merge")) => Ok(Some(known)),
            _ => Err(malformed("`$patch` is none of `replace`, `delete` and `merge`")),
        },
    }
}

fn no(name: &str, kind: &str) -> String {
    format!("`{name}` is not {kind}")
}
