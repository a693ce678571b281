//! gRPC by a descriptor set: a real client and a real server, over HTTP/2.

use std::io::Write as _;

use harness::grpc::{Address, Order};
use harness::{Answer, Mesh};
use prost::Message;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::mesh;
use crate::cast;

const HOST: &str = "orders.example";

pub(super) const SERVICES: &str = r"
  orders:
    hosts: [orders.example]
    issuers: [github, platform, chaperone]
    deny_details: policies
    routes:
      - path: /
        inspect:
          grpc:
            descriptors: orders.binpb
            fields:
              acme.shop.Orders/Place: { country: ship_to.country }
";

pub(super) const POLICIES: &str = r#"
@id("orders")
permit (
  principal in Group::"ci-jobs",
  action == Action::"grpc:call",
  resource == GrpcMethod::"acme.shop.Orders/Place"
);

@id("no-orders-to-nowhere")
forbid (principal, action == Action::"grpc:call", resource in Service::"orders")
when {
  context.grpc has fields && context.grpc.fields.hasTag("country") &&
  context.grpc.fields.getTag("country") == "ZZ"
};

@id("no-orders-that-say-more")
forbid (principal, action == Action::"grpc:call", resource in Service::"orders")
when { context.grpc has unknown_fields && context.grpc.unknown_fields > 0 };
"#;

/// A bootstrap whose cluster speaks HTTP/2 to the upstream where the caller does: gRPC
/// has no other way.
pub(super) fn as_callers_speak(bootstrap: &str) -> String {
    let cluster = "    - name: upstream\n      connect_timeout: 1s\n";
    let options = "      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} }
";
    assert!(bootstrap.contains(cluster), "the example's cluster is another one");
    bootstrap.replace(cluster, &format!("{cluster}{options}"))
}

fn order(mark: &str, country: &str) -> Order {
    let address = Address { city: "Bergen".to_owned(), country: country.to_owned() };
    Order { note: mark.to_owned(), ship_to: Some(address) }
}

/// An order by a caller whose own `.proto` has more than one address: on the wire it is
/// one of ours with the field twice, of which protobuf's readers take the last.
#[derive(Clone, PartialEq, prost::Message)]
struct ToSeveral {
    #[prost(string, tag = "1")]
    note: String,
    #[prost(message, repeated, tag = "2")]
    ship_to: Vec<Address>,
}

/// An order by a caller whose own `.proto` has one field more.
#[derive(Clone, PartialEq, prost::Message)]
struct SaysMore {
    #[prost(string, tag = "1")]
    note: String,
    #[prost(message, optional, tag = "2")]
    ship_to: Option<Address>,
    #[prost(string, tag = "9")]
    more: String,
}

/// A refusal is a status that names a decision, which is in the audit log with the same
/// code, and the upstream saw nothing marked `mark`.
fn refused(mesh: &Mesh, status: &Status, code: &str, mark: &str) -> Value {
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(!status.message().is_empty(), "{status:?}");
    let info = status.get_details_error_info().expect("the status says why");
    assert_eq!(info.reason, code.to_uppercase(), "{status:?}");
    let headers = status.metadata().clone().into_headers();
    let answer = Answer { status: 200, headers, body: Vec::new() };
    assert_eq!(answer.decision(), info.metadata.get("decision").map(String::as_str));
    assert!(mesh.upstream.seen_with(mark).is_empty(), "the upstream saw {mark}");
    assert!(!mesh.tap.saw(mark), "Envoy sent something marked {mark}");
    let record = mesh.decision_of(&answer).expect("the decision is in the audit log");
    assert_eq!(record["code"], code, "{record}");
    record
}

/// Refused by this policy, which the status names.
fn denied(mesh: &Mesh, status: &Status, policy: &str, mark: &str) {
    let record = refused(mesh, status, "policy_denied", mark);
    assert!(record.to_string().contains(policy), "{record}");
    assert!(status.message().contains(policy), "{status:?}");
    let info = status.get_details_error_info().expect("the status says why");
    let named = info.metadata.get("policies").map(String::as_str);
    assert_eq!(named, Some(policy), "{status:?}");
}

#[tokio::test]
async fn grpc_messages() {
    let mesh = mesh().await;
    let (client, token) = (mesh.orders(HOST).await.unwrap(), mesh.issuer.job());

    let mark = cast::mark();
    let placed = client.place(&token, order(&mark, "NO")).await.unwrap().into_inner();
    assert_eq!(placed.city, "Bergen");
    assert!(mesh.tap.saw(&mark), "the order did not arrive");
    assert_eq!(mesh.upstream.seen_with(&mark).len(), 1);

    let mark = cast::mark();
    let status = client.place(&token, order(&mark, "ZZ")).await.unwrap_err();
    denied(mesh, &status, "no-orders-to-nowhere", &mark);

    let mark = cast::mark();
    let Order { note, ship_to } = order(&mark, "NO");
    let more = SaysMore { note, ship_to, more: "and a gift".to_owned() };
    let status = client.place(&token, more).await.unwrap_err();
    denied(mesh, &status, "no-orders-that-say-more", &mark);

    let mark = cast::mark();
    let ship_to = ["NO", "ZZ"].map(|country| order("", country).ship_to.unwrap_or_default());
    let several = ToSeveral { note: mark.clone(), ship_to: ship_to.to_vec() };
    let status = client.place(&token, several).await.unwrap_err();
    let record = refused(mesh, &status, "request_unparsed", &mark);
    assert_eq!(record["unparsed"], "grpc_malformed", "{record}");
}

/// A message with its prefix, which says that it is compressed.
fn compressed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    [&[1], length.as_slice(), message].concat()
}

#[tokio::test]
async fn compressed_grpc_messages() {
    let mesh = mesh().await;
    let (client, token) = (mesh.orders(HOST).await.unwrap(), mesh.issuer.job());
    let gzip = |message: &[u8]| {
        // Stored as it is, for its mark to be seen on the way.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(message).unwrap();
        encoder.finish().unwrap()
    };

    let mark = cast::mark();
    let message = gzip(&order(&mark, "ZZ").encode_to_vec());
    let status = client.send(&token, "gzip", compressed(&message)).await.unwrap();
    denied(mesh, &status, "no-orders-to-nowhere", &mark);

    let mark = cast::mark();
    let mut broken = gzip(&order(&mark, "NO").encode_to_vec());
    broken.truncate(broken.len() - 4);
    let status = client.send(&token, "gzip", compressed(&broken)).await.unwrap();
    let record = refused(mesh, &status, "request_unparsed", &mark);
    assert_eq!(record["unparsed"], "encoding_malformed", "{record}");

    // What is not compressed by the way that the call names.
    let mark = cast::mark();
    let plain = order(&mark, "NO").encode_to_vec();
    let status = client.send(&token, "gzip", compressed(&plain)).await.unwrap();
    let record = refused(mesh, &status, "request_unparsed", &mark);
    assert_eq!(record["unparsed"], "encoding_malformed", "{record}");
}
