//! What an operation selects, with its fragments put in their places.
//!
//! Fragments that spread others twice grow exponentially, so they are measured
//! first (each once), and only then walked. `@skip` and `@include` are not weighed:
//! what could be selected counts as selected.

use std::collections::{BTreeMap, BTreeSet};

use super::Budget;
use super::syntax::{Document, Field, Fragment, Selection};
use crate::facts::{Unparsed, UnparsedCode};

/// The most fields of an operation, its fragments put in their places.
const MAX_FIELDS: usize = 4096;
/// The deepest nesting of selections, fragments included. They are walked by
/// recursion, and a Wasm stack is small.
const MAX_NESTING: usize = 256;

/// The size of a selection, its fragments put in their places.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// Fields; may be `usize::MAX` for more.
    pub(super) fields: usize,
    /// Fields with an alias.
    pub(super) aliases: usize,
    /// How deep fields nest.
    pub(super) depth: usize,
    /// How deep selections nest, fragments included.
    nesting: usize,
}

/// The fragments of a document, each of which ends.
#[derive(Debug)]
pub(super) struct Fragments<'d, 't> {
    by_name: BTreeMap<&'t str, &'d Fragment<'t>>,
    sizes: BTreeMap<&'t str, Measure>,
}

#[derive(Clone, Copy, Debug)]
enum Measure {
    /// It is being measured: whoever meets it again is inside it.
    Open,
    Done(Size),
}

impl<'d, 't> Fragments<'d, 't> {
    /// Those of `document`; each has a name of its own, and none spreads itself, by
    /// itself or by way of others.
    pub(super) fn of(document: &'d Document<'t>) -> Result<Self, Unparsed> {
        let mut fragments = Self { by_name: BTreeMap::new(), sizes: BTreeMap::new() };
        for fragment in &document.fragments {
            if fragments.by_name.insert(fragment.name, fragment).is_some() {
                return Err(malformed("two fragments have the same name"));
            }
        }
        for fragment in &document.fragments {
            fragments.size_of(fragment.name, 0)?;
        }
        Ok(fragments)
    }

    /// The size of an operation's selection, which is within bounds: `depth` is the
    /// deepest.
    pub(super) fn measure(
        &mut self,
        selections: &'d [Selection<'t>],
        depth: usize,
    ) -> Result<Size, Unparsed> {
        let size = self.size(selections, 0)?;
        if size.fields > MAX_FIELDS {
            return Err(Unparsed::new(
                UnparsedCode::ExpandsTooMuch,
                "the operation selects too many fields, its fragments put in their places",
            ));
        }
        if size.depth > depth { Err(too_deep()) } else { Ok(size) }
    }

    /// Puts the fields of an operation's selection itself into `fields`.
    pub(super) fn roots(
        &self,
        selections: &'d [Selection<'t>],
        fields: &mut Vec<&'d Field<'t>>,
        directives: &mut BTreeSet<&'t str>,
    ) {
        for selection in selections {
            match selection {
                Selection::Field(field) => fields.push(field),
                other => {
                    let (inner, named) = self.inside(other);
                    directives.extend(named);
                    self.roots(inner, fields, directives);
                }
            }
        }
    }

    /// Puts the path of `field`, which is below `path`, and of what is selected in it
    /// into `paths`: names joined by dots, without aliases.
    pub(super) fn paths(
        &self,
        field: &'d Field<'t>,
        path: &mut String,
        paths: &mut BTreeSet<String>,
        directives: &mut BTreeSet<&'t str>,
        budget: &mut Budget,
    ) -> Result<(), Unparsed> {
        let above = path.len();
        if above > 0 {
            path.push('.');
        }
        path.push_str(field.name);
        budget.spend(path.len())?;
        if !paths.contains(path) {
            paths.insert(path.clone());
        }
        directives.extend(&field.directives);
        self.below(&field.selections, path, paths, directives, budget)?;
        path.truncate(above);
        Ok(())
    }

    fn below(
        &self,
        selections: &'d [Selection<'t>],
        path: &mut String,
        paths: &mut BTreeSet<String>,
        directives: &mut BTreeSet<&'t str>,
        budget: &mut Budget,
    ) -> Result<(), Unparsed> {
        for selection in selections {
            match selection {
                Selection::Field(field) => self.paths(field, path, paths, directives, budget)?,
                other => {
                    let (inner, named) = self.inside(other);
                    directives.extend(named);
                    self.below(inner, path, paths, directives, budget)?;
                }
            }
        }
        Ok(())
    }

    /// What a fragment selects, and the directives on the way to it.
    fn inside(
        &self,
        selection: &'d Selection<'t>,
    ) -> (&'d [Selection<'t>], impl Iterator<Item = &'t str>) {
        let (selections, directives, more): (&[Selection<'_>], &[&str], &[&str]) = match selection {
            Selection::Field(_) => (&[], &[], &[]),
            Selection::Inline { directives, selections } => (selections, directives, &[]),
            Selection::Spread { fragment, directives } => match self.by_name.get(fragment) {
                Some(fragment) => (&fragment.selections, directives, &fragment.directives),
                None => (&[], directives, &[]),
            },
        };
        (selections, directives.iter().chain(more).copied())
    }

    /// The size of a selection that is `nesting` deep already.
    fn size(&mut self, selections: &'d [Selection<'t>], nesting: usize) -> Result<Size, Unparsed> {
        let mut whole = Size::default();
        if nesting > MAX_NESTING {
            return Err(too_deep());
        }
        let nesting = nesting.saturating_add(1);
        for selection in selections {
            let part = match selection {
                Selection::Field(field) => {
                    let inner = self.size(&field.selections, nesting)?;
                    Size {
                        fields: inner.fields.saturating_add(1),
                        aliases: inner.aliases.saturating_add(field.aliased.into()),
                        depth: inner.depth.saturating_add(1),
                        ..inner
                    }
                }
                Selection::Inline { selections, .. } => self.size(selections, nesting)?,
                Selection::Spread { fragment, .. } => self.size_of(fragment, nesting)?,
            };
            whole.fields = whole.fields.saturating_add(part.fields);
            whole.aliases = whole.aliases.saturating_add(part.aliases);
            whole.depth = whole.depth.max(part.depth);
            whole.nesting = whole.nesting.max(part.nesting.saturating_add(1));
        }
        Ok(whole)
    }

    /// The size of the fragment of that name, spread `nesting` deep.
    fn size_of(&mut self, name: &'t str, nesting: usize) -> Result<Size, Unparsed> {
        match self.sizes.get(name) {
            Some(Measure::Open) => return Err(malformed("a fragment spreads itself")),
            Some(Measure::Done(size)) if size.nesting.saturating_add(nesting) > MAX_NESTING => {
                return Err(too_deep());
            }
            Some(Measure::Done(size)) => return Ok(*size),
            None => {}
        }
        let Some(fragment) = self.by_name.get(name).copied() else {
            return Err(malformed("a fragment that is not defined is spread"));
        };
        self.sizes.insert(name, Measure::Open);
        let size = self.size(&fragment.selections, nesting)?;
        self.sizes.insert(name, Measure::Done(size));
        Ok(size)
    }
}

fn too_deep() -> Unparsed {
    Unparsed::new(UnparsedCode::TooDeep, "the selection nests deeper than the limit")
}

fn malformed(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::GraphqlMalformed, why)
}
