//! gRPC: the service, the method, and the fields of the messages.
//!
//! gRPC-Web in its binary form differs in the content type only; its base64 form is
//! not read.

mod frames;
mod message;
mod wire;

use super::{Reading, RequestHead, content};
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::plan::GrpcPlan;

/// The content types of messages in protobuf.
const CONTENT_TYPES: [&str; 4] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc-web",
    "application/grpc-web+proto",
];

/// The commands of one request: one for each message if their type is known, else one.
pub(super) fn commands(plan: &GrpcPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let Reading { head, limits, .. } = *request;
    check_head(head)?;
    let (name, service, method) = method_of(head.path)?;
    let messages = frames::messages(request)?;
    let command = |fields: Attributes| {
        let mut attributes = fields;
        attributes.insert("service".to_owned(), service.into());
        attributes.insert("method".to_owned(), method.into());
        attributes.insert("messages".to_owned(), messages.len().into());
        let action = Action::named("grpc:call").ok_or_else(|| unknown("the action is unknown"))?;
        Ok(Command { action, resource: name.to_owned(), attributes })
    };
    let Some(schema) = &plan.schema else {
        return Ok(vec![command(Attributes::new())?]);
    };
    let types = schema.methods.get(name).ok_or_else(|| {
        Unparsed::new(
            UnparsedCode::GrpcMethodUnknown,
            "the method is not in the configured descriptors",
        )
    })?;
    if !types.client_streaming && messages.len() != 1 {
        return Err(malformed("the call does not have one message, as its method says"));
    }
    if messages.len() > limits.commands {
        return Err(Unparsed::new(
            UnparsedCode::TooManyCommands,
            "the call has more messages than the limit",
        ));
    }
    if messages.is_empty() {
        return Ok(vec![command(Attributes::new())?]);
    }
    let fields: Vec<_> = plan.fields_of(name).collect();
    let read = |bytes: &[u8]| {
        command(message::attributes(schema, types.input, &fields, bytes, limits.depth)?)
    };
    messages.iter().map(|bytes| read(bytes)).collect()
}

fn check_head(head: &RequestHead<'_>) -> Result<(), Unparsed> {
    if head.method != "POST" {
        return Err(Unparsed::new(UnparsedCode::MethodUnexpected, "gRPC is sent by POST"));
    }
    let media_type = content::media_type(head)?;
    if media_type.starts_with("application/grpc-web-text") {
        return Err(content::unexpected("gRPC-Web in base64 is not read"));
    }
    if !CONTENT_TYPES.contains(&media_type.as_str()) {
        return Err(content::unexpected("the content type is not gRPC with protobuf"));
    }
    // gRPC compresses messages, not bodies; its servers do not look at the header.
    let coding = head.header("content-encoding").unwrap_or_default();
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        return Err(Unparsed::new(
            UnparsedCode::EncodingUnsupported,
            "gRPC has no content encoding",
        ));
    }
    Ok(())
}

/// `package.Service/Method`, and its two parts. Servers compare the path as it is sent.
fn method_of(path: &str) -> Result<(&str, &str, &str), Unparsed> {
    let plain = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        !part.is_empty() && part.bytes().all(plain)
    };
    path.strip_prefix('/')
        .and_then(|name| name.split_once('/').map(|(service, method)| (name, service, method)))
        .filter(|(_, service, method)| plain(service) && plain(method))
        .ok_or_else(|| unknown("the path is not `/package.Service/Method`"))
}

fn unknown(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::EndpointUnknown, why)
}

fn malformed(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::GrpcMalformed, why)
}
