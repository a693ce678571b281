//! The path with named segments that a request's path is one of.

use serde_json::Value;

use super::path::NormalPath;
use crate::facts::{Attributes, Unparsed, UnparsedCode};
use crate::plan::{PathTemplate, TemplateSegment};

/// A template, and what its names stand for.
pub(super) struct Match<'p> {
    pub(super) template: &'p PathTemplate,
    pub(super) segments: Attributes,
}

/// The template of a path: of several the one with a literal where the others have a
/// name; none if it is of none.
///
/// An error if an upstream that does not mind case, or a slash at the end, would take
/// the path for one of another template.
pub(super) fn find<'p>(
    templates: &'p [PathTemplate],
    path: &NormalPath<'_>,
) -> Result<Option<Match<'p>>, Unparsed> {
    if templates.is_empty() {
        return Ok(None);
    }
    let exact = best(templates, path.as_str(), |literal, segment| literal == segment);
    let liberal = |path: &str| best(templates, path, str::eq_ignore_ascii_case);
    let slash = match path.as_str().strip_suffix('/') {
        Some(without) => liberal(without),
        None => liberal(&format!("{}/", path.as_str())),
    };
    let same = |other: &Match<'p>| {
        exact.as_ref().is_some_and(|exact| exact.template.as_str() == other.template.as_str())
    };
    if liberal(path.as_str()).is_some_and(|found| !same(&found)) {
        return Err(ambiguous("it differs from a path with named segments in case only"));
    }
    // With both of them in the plan, the operator knows of the two.
    if exact.is_none() && slash.is_some() {
        return Err(ambiguous(
            "it differs from a path with named segments in the slash at its end",
        ));
    }
    Ok(exact)
}

fn best<'p>(
    templates: &'p [PathTemplate],
    path: &str,
    equal: fn(&str, &str) -> bool,
) -> Option<Match<'p>> {
    let matches = templates.iter().filter_map(|template| {
        let segments = segments(template, path, equal)?;
        Some(Match { template, segments })
    });
    matches.max_by_key(|found| precedence(found.template))
}

/// Orders the templates of one path, of which one always says more than the other.
fn precedence(template: &PathTemplate) -> (bool, usize, usize) {
    let segments = template.segments();
    let whole = !matches!(segments.last(), Some(TemplateSegment::Rest(_)));
    let literal = |segment: &&TemplateSegment| matches!(segment, TemplateSegment::Literal(_));
    (whole, segments.iter().filter(literal).count(), segments.len())
}

fn segments(
    template: &PathTemplate,
    path: &str,
    equal: fn(&str, &str) -> bool,
) -> Option<Attributes> {
    let mut named = Attributes::new();
    let mut rest = Some(path.strip_prefix('/')?);
    for segment in template.segments() {
        let below = rest?;
        let (this, after) = match below.split_once('/') {
            Some((this, after)) => (this, Some(after)),
            None => (below, None),
        };
        rest = after;
        match segment {
            TemplateSegment::Literal(literal) if equal(literal, this) => {}
            TemplateSegment::Named(name) if !this.is_empty() => {
                named.insert(name.clone(), Value::from(this));
            }
            TemplateSegment::Rest(name) if !below.is_empty() => {
                named.insert(name.clone(), Value::from(below));
                rest = None;
            }
            _ => return None,
        }
    }
    rest.is_none().then_some(named)
}

fn ambiguous(why: &str) -> Unparsed {
    Unparsed::new(
        UnparsedCode::PathAmbiguous,
        format!("the path can be read in more than one way: {why}"),
    )
}
