//! `multipart/form-data` forms (RFC 7578): plain HTTP, with the fields that the route
//! names, and what files come along.

mod parts;

use self::parts::Part;
use super::form::{self, Collector};
use super::{Reading, RequestHead, content, http};
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::FormPlan;

/// The commands of one request. A form without a body is in the query.
pub(super) fn commands(plan: &FormPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    if request.body.is_empty() {
        return form::commands(plan, request);
    }
    let mut command = http::command(request)?;
    let boundary = boundary(request.head)?;
    form::refuse_in_query(&plan.names(), request.head)?;
    let mut collector = Collector::new(plan, request.head);
    for part in parts::of(request.body, &boundary)? {
        match part {
            Part { file: None, name, content, .. } => collector.take(&name, || text(content))?,
            // The field of a file that was not chosen: readers differ in what it is.
            Part { file: Some(file), content, .. } if file.is_empty() && !content.is_empty() => {
                return Err(form::malformed("a file of the form has no name"));
            }
            Part { file: Some(file), name, media_type, .. } => {
                collector.take_file(&name, file, media_type)?;
            }
        }
    }
    command.attributes.extend(collector.into_attributes());
    Ok(vec![command])
}

/// An error if `sent`, an encoded body, has the boundary in it.
pub(super) fn refuse_undecoded(head: &RequestHead<'_>, sent: &[u8]) -> Result<(), Unparsed> {
    let boundary = boundary(head)?;
    if sent.windows(boundary.len()).any(|window| window == boundary.as_bytes()) {
        return Err(form::malformed("the encoded body could be read as a form as well"));
    }
    Ok(())
}

/// The boundary that the content type names.
fn boundary(head: &RequestHead<'_>) -> Result<String, Unparsed> {
    let content_type = head.header("content-type").unwrap_or_default();
    let (media_type, parameters) = content::content_type_of(&content_type)?;
    if media_type != "multipart/form-data" {
        return Err(content::unexpected("the content type is not `multipart/form-data`"));
    }
    content::check_charset(&parameters)?;
    let mut boundaries =
        parameters.iter().filter(|parameter| parameter.name.starts_with("boundary"));
    let (Some(boundary), None) = (boundaries.next(), boundaries.next()) else {
        return Err(content::unexpected("the content type does not have one boundary"));
    };
    let value = boundary.value.unwrap_or_default();
    // RFC 2046 section 5.1.1 without comma and space, which readers cut at.
    let allowed =
        |byte: u8| parts::is_token(byte) || (boundary.is_quoted && b"()/:=?".contains(&byte));
    let length = value.len();
    if boundary.name != "boundary" || length == 0 || length > 70 || !value.bytes().all(allowed) {
        return Err(content::unexpected("the boundary of the content type is not well-formed"));
    }
    Ok(value.to_owned())
}

fn text(content: &[u8]) -> Result<String, Unparsed> {
    let text = std::str::from_utf8(content).map_err(|_| {
        Unparsed::new(UnparsedCode::Utf8Invalid, "a field of the form is not UTF-8")
    })?;
    Ok(text.to_owned())
}
