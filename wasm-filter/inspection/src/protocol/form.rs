//! `application/x-www-form-urlencoded` forms: plain HTTP, with the fields that the
//! route names.
//!
//! Forms have a parser in the WHATWG's URL standard, and servers that differ from it:
//! in what separates fields, in what a bad escape is, in which of two equal names
//! counts, in names with brackets, and in whether the query belongs to the form. What
//! would make a difference to a field that the route names is refused.

mod fields;
mod names;

pub(super) use self::fields::Collector;
use super::{Reading, RequestHead, content, http, path};
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::{FormPlan, ProtocolPlan, SqlCarrier};

/// The most fields in one form: PHP and others leave out what comes after.
const MAX_FIELDS: usize = 1000;

/// The commands of one request. A form without a body is in the query.
pub(super) fn commands(plan: &FormPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let mut command = http::command(request)?;
    let mut collector = Collector::new(plan, request.head);
    if request.body.is_empty() {
        read(request.head.query().as_bytes(), &mut collector)?;
    } else {
        check_media_type(request.head)?;
        refuse_in_query(&plan.names(), request.head)?;
        read(request.body, &mut collector)?;
    }
    command.attributes.extend(collector.into_attributes());
    Ok(vec![command])
}

/// The only value of the field `name` in a form; `None` if it has no such field, an
/// error if some reader could find another one.
pub(super) fn only_value(request: &Reading<'_>, name: &str) -> Result<Option<String>, Unparsed> {
    check_media_type(request.head)?;
    refuse_in_query(&[name], request.head)?;
    let mut found = None;
    each(request.body, &mut |key, value| {
        if names::may_be(key, name) {
            if key != name || found.is_some() {
                return Err(repeated());
            }
            found = Some(text(value)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Why a plan contradicts itself, if it does: every field that it names has a name, and
/// none could be taken for another.
pub(super) fn contradiction(plan: &FormPlan) -> Option<&'static str> {
    let names = plan.names();
    if names.iter().any(|name| name.is_empty()) {
        return Some("a field of the form has an empty name");
    }
    if plan.lists.keys().any(|name| plan.fields.contains_key(name)) {
        return Some("`fields` and `lists` have an attribute of the same name");
    }
    let alike = names.iter().enumerate().any(|(index, name)| {
        names.iter().skip(index.saturating_add(1)).any(|other| names::may_be(other, name))
    });
    alike.then_some("two fields of the form have names that some server takes for one")
}

/// An error if the query has a field that could be one of `names`: many frameworks
/// look for fields in both, or if it names another method.
pub(super) fn refuse_in_query(names: &[&str], head: &RequestHead<'_>) -> Result<(), Unparsed> {
    let query = head.query().as_bytes();
    for (key, value) in pairs(query, |byte| matches!(byte, b'&' | b';')) {
        let key = text(key)?;
        if names.iter().any(|name| names::may_be(&key, name)) {
            return Err(malformed("the query string has a field of the form as well"));
        }
        if names::may_be(&key, fields::METHOD) {
            fields::check_method(&key, &text(value)?, head)?;
        }
    }
    Ok(())
}

/// An error if a server that does not undo content encodings could find in `sent`, an
/// encoded body, what a route is configured to look for.
pub(super) fn refuse_undecoded(
    plan: &ProtocolPlan,
    head: &RequestHead<'_>,
    sent: &[u8],
) -> Result<(), Unparsed> {
    let names = match plan {
        ProtocolPlan::Form(plan) => plan.names(),
        ProtocolPlan::Multipart(_) => return super::multipart::refuse_undecoded(head, sent),
        ProtocolPlan::Sql(plan) => match &plan.statement {
            SqlCarrier::FormField(name) => vec![name.as_str()],
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    for field in sent.split(|&byte| matches!(byte, b'&' | b';')) {
        // Without an equals sign, a short name would be found in any long body.
        let Some(end) = field.iter().position(|&byte| byte == b'=') else { continue };
        let key = decode(field.get(..end).unwrap_or_default());
        let key = key.map(|key| String::from_utf8_lossy(&key).into_owned());
        let is_read = |name: &&str| key.as_ref().is_ok_and(|key| names::may_be(key, name));
        if names.iter().chain(&[fields::METHOD]).any(is_read) {
            return Err(malformed("the encoded body could be read as a form as well"));
        }
    }
    Ok(())
}

/// Gives the fields of a form to `collector`.
fn read(form: &[u8], collector: &mut Collector<'_>) -> Result<(), Unparsed> {
    each(form, &mut |key, value| collector.take(key, || text(value)))
}

fn check_media_type(head: &RequestHead<'_>) -> Result<(), Unparsed> {
    if content::media_type(head)? == "application/x-www-form-urlencoded" {
        return Ok(());
    }
    Err(content::unexpected("the content type is not `application/x-www-form-urlencoded`"))
}

/// Calls `visit` with the fields of a form: their names, and their values as they are
/// written.
fn each(form: &[u8], visit: &mut Visit<'_>) -> Result<(), Unparsed> {
    // To some readers a semicolon separates fields, to others it does not; and some
    // cut off the end of a line.
    if form.contains(&b';') {
        return Err(malformed("the form has a semicolon that is not encoded"));
    }
    if form.iter().any(u8::is_ascii_control) {
        return Err(malformed("the form has a control character that is not encoded"));
    }
    for (index, (key, value)) in pairs(form, |byte| byte == b'&').enumerate() {
        if index >= MAX_FIELDS {
            return Err(too_many());
        }
        visit(&text(key)?, value)?;
    }
    Ok(())
}

type Visit<'v> = dyn FnMut(&str, &[u8]) -> Result<(), Unparsed> + 'v;

/// Names and values as they are written; empty fields are none.
fn pairs(form: &[u8], separates: fn(u8) -> bool) -> impl Iterator<Item = (&[u8], &[u8])> {
    form.split(move |&byte| separates(byte)).filter(|field| !field.is_empty()).map(|field| {
        let at = field.iter().position(|&byte| byte == b'=').unwrap_or(field.len());
        let (key, value) = field.split_at_checked(at).unwrap_or((field, &[]));
        (key, value.strip_prefix(b"=").unwrap_or(value))
    })
}

fn text(field: &[u8]) -> Result<String, Unparsed> {
    String::from_utf8(decode(field)?).map_err(|_| {
        Unparsed::new(UnparsedCode::Utf8Invalid, "a name or a value of the form is not UTF-8")
    })
}

fn decode(field: &[u8]) -> Result<Vec<u8>, Unparsed> {
    path::form_decode(field)
        .ok_or_else(|| malformed("the form has a percent sign that begins no escape"))
}

fn repeated() -> Unparsed {
    malformed("a field that matters is in the form more than once, or by a similar name as well")
}

pub(super) fn too_many() -> Unparsed {
    malformed("the form has more than 1000 fields")
}

pub(super) fn malformed(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::FormMalformed, why)
}
