//! Paths with named segments: what requests are named by.

use serde::{Deserialize, Serialize};

/// A path with named segments: `/customers/{id}`, `/files/{rest*}`.
///
/// A segment is a literal, `{name}` for one segment that is not empty, or, as the last
/// one, `{name*}` for all that follow, at least one. Literals are plain ASCII without
/// escapes, as [`RoutePlan::path`](super::RoutePlan::path) is; a slash at the end counts.
///
/// # Examples
///
/// ```
/// use chaperone_inspection::plan::PathTemplate;
///
/// assert!(PathTemplate::try_from("/customers/{id}".to_owned()).is_ok());
/// let error = PathTemplate::try_from("/customers/{id}.json".to_owned()).unwrap_err();
/// assert_eq!(error.to_string(), "a segment is a name in braces, or has no brace in it");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct PathTemplate {
    text: String,
    segments: Vec<TemplateSegment>,
}

/// One segment of a [`PathTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateSegment {
    /// These characters.
    Literal(String),
    /// One segment of that name.
    Named(String),
    /// All the rest, by that name.
    Rest(String),
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathTemplateError {
    /// It has no slash at its beginning.
    #[error("a path with named segments begins with a slash")]
    Relative,
    /// An empty segment, or one of dots.
    #[error("a segment is empty, or is dots or ends with one")]
    Segment,
    /// A character that no normal path has, or that would be escaped in it.
    #[error("a segment has a character that is not plain ASCII, or an escape, space or delimiter")]
    Character,
    /// `{id}.json`.
    #[error("a segment is a name in braces, or has no brace in it")]
    Brace,
    /// `{}`.
    #[error("the name of a segment is not letters, digits and underscores")]
    Name,
    /// A name twice.
    #[error("two segments have the same name")]
    Repeated,
    /// `{rest*}/x`.
    #[error("a name with an asterisk stands for the rest and so is the last segment")]
    RestNotLast,
}

impl PathTemplate {
    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments, at least one; a slash at its end is an empty literal.
    pub fn segments(&self) -> &[TemplateSegment] {
        &self.segments
    }

    /// Why no path can be told to be of `self` or of `other`; none when it always can: no
    /// path is of both, or one of them has a literal wherever the other has one.
    pub fn conflict(&self, other: &Self) -> Option<&'static str> {
        let rest =
            |template: &Self| matches!(template.segments.last(), Some(TemplateSegment::Rest(_)));
        let (a, b) = (self.fixed(), other.fixed());
        let apart = match (rest(self), rest(other)) {
            (false, false) => a.len() != b.len(),
            (true, false) => b.len() <= a.len(),
            (false, true) => a.len() <= b.len(),
            (true, true) => false,
        };
        let (mut ours, mut theirs) = (false, false);
        for (a, b) in a.iter().zip(b) {
            match (a, b) {
                (TemplateSegment::Literal(a), TemplateSegment::Literal(b)) if a == b => {}
                (TemplateSegment::Literal(_), TemplateSegment::Literal(_)) => return None,
                (TemplateSegment::Literal(_), _) => ours = true,
                // A name stands for a segment with something in it.
                (_, TemplateSegment::Literal(literal)) if literal.is_empty() => return None,
                (_, TemplateSegment::Literal(_)) => theirs = true,
                _ => {}
            }
        }
        if apart {
            return None;
        }
        // The one without a rest, or with more segments before it, says more as well.
        match (rest(self), rest(other)) {
            (false, true) => ours = true,
            (true, false) => theirs = true,
            (true, true) if a.len() > b.len() => ours = true,
            (true, true) if a.len() < b.len() => theirs = true,
            _ => {}
        }
        match (ours, theirs) {
            (true, true) => Some("each has a literal where the other has a name"),
            (false, false) => Some("they are of the same paths"),
            _ => None,
        }
    }

    /// The segments before the rest.
    fn fixed(&self) -> &[TemplateSegment] {
        match self.segments.split_last() {
            Some((TemplateSegment::Rest(_), fixed)) => fixed,
            _ => &self.segments,
        }
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = PathTemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let below = text.strip_prefix('/').ok_or(PathTemplateError::Relative)?;
        let mut segments: Vec<TemplateSegment> = Vec::new();
        let mut written = below.split('/').peekable();
        while let Some(part) = written.next() {
            let segment = segment(part, written.peek().is_none())?;
            let name = name(&segment);
            if name.is_some() && segments.iter().any(|earlier| self::name(earlier) == name) {
                return Err(PathTemplateError::Repeated);
            }
            segments.push(segment);
        }
        Ok(Self { text, segments })
    }
}

impl From<PathTemplate> for String {
    fn from(template: PathTemplate) -> Self {
        template.text
    }
}

fn name(segment: &TemplateSegment) -> Option<&str> {
    match segment {
        TemplateSegment::Literal(_) => None,
        TemplateSegment::Named(name) | TemplateSegment::Rest(name) => Some(name),
    }
}

fn segment(text: &str, last: bool) -> Result<TemplateSegment, PathTemplateError> {
    if let Some(name) = text.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        let (name, rest) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(PathTemplateError::Name);
        }
        return match (rest, last) {
            (true, false) => Err(PathTemplateError::RestNotLast),
            (true, true) => Ok(TemplateSegment::Rest(name.to_owned())),
            (false, _) => Ok(TemplateSegment::Named(name.to_owned())),
        };
    }
    if text.contains(['{', '}']) {
        return Err(PathTemplateError::Brace);
    }
    if (text.is_empty() && !last) || text.ends_with('.') {
        return Err(PathTemplateError::Segment);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic())
        || text.contains(['%', '?', '#', ';', '\\'])
    {
        return Err(PathTemplateError::Character);
    }
    Ok(TemplateSegment::Literal(text.to_owned()))
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::try_from(text.to_owned()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_text_that_could_match_no_normal_path_is_refused_with_the_reason() {
        use PathTemplateError::*;
        for (text, expected) in [
            ("", Relative),
            ("a/{b}", Relative),
            ("/a//{b}", Segment),
            ("/a/../{b}", Segment),
            ("/a./{b}", Segment),
            ("/caf\u{e9}/{b}", Character),
            ("/a%20/{b}", Character),
            ("/a b", Character),
            ("/a?b={b}", Brace),
            ("/a;b/{c}", Character),
            ("/{a}.json", Brace),
            ("/x{a}", Brace),
            ("/{}", Name),
            ("/{*}", Name),
            ("/{a-b}", Name),
            ("/{a}/{a}", Repeated),
            ("/{a}/{a*}", Repeated),
            ("/{a*}/b", RestNotLast),
        ] {
            assert_eq!(PathTemplate::try_from(text.to_owned()), Err(expected), "{text}");
        }
        for text in ["/", "/a", "/a/", "/{a}/", "/a/{b_1}/c.d", "/a/{rest*}", "/{rest*}"] {
            assert_eq!(template(text).as_str(), text);
        }
    }

    #[test]
    fn two_templates_are_of_one_path_only_where_one_says_more() {
        let same = Some("they are of the same paths");
        let crossed = Some("each has a literal where the other has a name");
        for (one, other, expected) in [
            ("/a/{b}", "/a/{c}", same),
            ("/a/{b*}", "/a/{c*}", same),
            ("/a", "/a", same),
            ("/a/{b}/c", "/a/x/{y}", crossed),
            ("/{a}/x/y", "/b/{rest*}", crossed),
            ("/{a}/x/{b}", "/b/{rest*}", crossed),
            ("/{a}/x/{rest*}", "/b/{rest*}", crossed),
            ("/a/{b}", "/a/me", None),
            ("/a/{b}", "/{x}/{y}", None),
            ("/a/{b}", "/a/{b}/", None),
            ("/a/{b}", "/c/{b}", None),
            ("/a/{b*}", "/a/{b}/{c*}", None),
            ("/a/{b*}", "/a/{b}", None),
            ("/a/{b*}", "/a", None),
            ("/a/{b}", "/a/", None),
        ] {
            let (one, other) = (template(one), template(other));
            assert_eq!(one.conflict(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.conflict(&one), expected, "{other:?} {one:?}");
        }
    }
}
