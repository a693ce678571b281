//! Orders over gRPC, served by tonic.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::routing::post;
use tonic::Status;
use tonic::codegen::Service;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use crate::grpc::{Order, PLACE, Placed};

pub(super) fn router() -> Router {
    Router::new().route(PLACE, post(place))
}

async fn place(request: Request) -> Result<Response<Body>, Infallible> {
    let mut server = Grpc::new(ProstCodec::<Placed, Order>::default());
    Ok(server.unary(Place, request).await.map(Body::new))
}

/// The method: takes any order.
struct Place;

impl Service<tonic::Request<Order>> for Place {
    type Response = tonic::Response<Placed>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, order: tonic::Request<Order>) -> Self::Future {
        let address = order.into_inner().ship_to;
        let placed = address.map(|address| Placed { city: address.city });
        let answer = placed.map(tonic::Response::new);
        ready(answer.ok_or_else(|| Status::invalid_argument("where to?")))
    }
}
