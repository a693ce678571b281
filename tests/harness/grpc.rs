//! A service over gRPC: its messages, and a client of it. The upstream serves it.

use std::future::poll_fn;
use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http;
use tonic::client::{Grpc, GrpcService as _};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::failure::{Failure, Result};

/// The service, as its callers and Chaperone know it.
pub const PROTO: &str = r#"
syntax = "proto3";
package acme.shop;

service Orders {
  rpc Place(Order) returns (Placed);
}

message Order {
  string note = 1;
  Address ship_to = 2;
}

message Address {
  string city = 1;
  string country = 2;
}

message Placed {
  string city = 1;
}
"#;

/// The path of its only method.
pub const PLACE: &str = "/acme.shop.Orders/Place";

/// What is ordered, and where it goes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Order {
    /// Anything; stories mark theirs by it.
    #[prost(string, tag = "1")]
    pub note: String,
    /// Where it goes.
    #[prost(message, optional, tag = "2")]
    pub ship_to: Option<Address>,
}

/// Where an order goes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Address {
    /// The city.
    #[prost(string, tag = "1")]
    pub city: String,
    /// The country's code.
    #[prost(string, tag = "2")]
    pub country: String,
}

/// That an order was placed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Placed {
    /// Where it goes.
    #[prost(string, tag = "1")]
    pub city: String,
}

/// A client of the service over HTTP/2 without TLS.
#[derive(Clone, Debug)]
pub struct OrdersClient {
    channel: Channel,
}

impl OrdersClient {
    /// Connects to `target` and names `host` in every request.
    pub async fn connect(target: SocketAddr, host: &str) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Failure::unexpected("a gRPC client", error);
        let endpoint =
            Endpoint::from_shared(format!("http://{target}")).map_err(|error| failed(&error))?;
        let origin = format!("http://{host}").parse();
        let endpoint =
            endpoint.origin(origin.map_err(|error: http::uri::InvalidUri| failed(&error))?);
        let channel = endpoint.connect().await.map_err(|error| failed(&error))?;
        Ok(Self { channel })
    }

    /// Places an order: a message of any type, since a caller may have made its own.
    pub async fn place<M: prost::Message + Default + 'static>(
        &self,
        token: &str,
        order: M,
    ) -> std::result::Result<Response<Placed>, Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let mut request = Request::new(order);
        request.metadata_mut().insert("authorization", bearer(token));
        let codec = ProstCodec::<M, Placed>::default();
        client.unary(request, http::uri::PathAndQuery::from_static(PLACE), codec).await
    }

    /// Sends a body as it is, with its prefixes and the name of its compression, and gives
    /// the status that is in the headers of the answer.
    pub async fn send(
        &self,
        token: &str,
        encoding: &str,
        body: impl Into<Bytes>,
    ) -> Result<Status> {
        let failed = |error: &dyn std::fmt::Display| Failure::unexpected("a gRPC call", error);
        let mut channel = self.channel.clone();
        poll_fn(|context| channel.poll_ready(context)).await.map_err(|error| failed(&error))?;
        let body = tonic::body::Body::new(axum::body::Body::from(body.into()));
        let request = http::Request::post(PLACE)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-encoding", encoding)
            .header("authorization", format!("Bearer {token}"))
            .body(body)
            .map_err(|error| failed(&error))?;
        let answer = channel.call(request).await.map_err(|error| failed(&error))?;
        let status = Status::from_header_map(answer.headers());
        status.ok_or_else(|| failed(&"the answer has no status in its headers"))
    }
}

fn bearer(token: &str) -> MetadataValue<Ascii> {
    format!("Bearer {token}").parse().expect("a token is a header's value")
}
