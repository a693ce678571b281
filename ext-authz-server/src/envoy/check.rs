//! `envoy.service.auth.v3.Authorization`: Envoy's question in, its answer out.

use std::sync::Arc;

use envoy_types::ext_authz::v3::CheckRequestExt as _;
use envoy_types::ext_authz::v3::pb::{Authorization, CheckRequest, CheckResponse};
use tonic::{Request, Response, Status};

use super::answer::check_response;
use crate::decide::Decider;
use crate::request::{GuardedRequest, RequestHeaders, TlsPeer};

/// The ext_authz service.
#[derive(Debug)]
pub struct CheckService {
    decider: Arc<Decider>,
}

impl CheckService {
    /// A service that answers what `decider` decides.
    pub const fn new(decider: Arc<Decider>) -> Self {
        Self { decider }
    }
}

#[tonic::async_trait]
impl Authorization for CheckService {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let request = guarded_request(request.into_inner())
            .ok_or_else(|| Status::invalid_argument("the Check has no HTTP request"))?;
        Ok(Response::new(check_response(self.decider.decide(&request).await)))
    }
}

fn guarded_request(check: CheckRequest) -> Option<GuardedRequest> {
    let source_address = check.get_client_address().cloned();
    let attributes = check.attributes?;
    let peer = attributes.source.map_or_else(TlsPeer::default, |source| TlsPeer {
        principal: source.principal,
        certificate: source.certificate,
    });
    let mut http = attributes.request?.http?;
    let request_id = http.headers.remove("x-request-id").unwrap_or_default();
    let headers = RequestHeaders::new(http.headers);
    let grpc = headers.get("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
    Some(GuardedRequest {
        request_id,
        headers,
        grpc,
        source_address,
        peer,
        scheme: http.scheme,
        method: http.method,
        authority: http.host,
        path: http.path,
    })
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
    use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, HttpRequest};

    use super::*;

    fn check(headers: &[(&str, &str)]) -> CheckRequest {
        let http = HttpRequest {
            method: "POST".into(),
            host: "customers.example".into(),
            path: "/sql?x=1".into(),
            headers: headers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..Default::default()
        };
        CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(attribute_context::Request { http: Some(http), time: None }),
                ..Default::default()
            }),
        }
    }

    #[test]
    fn a_check_is_read_into_what_is_decided_upon() {
        let request = guarded_request(check(&[
            ("authorization", "Bearer a"),
            ("x-chaperone-facts", "v1"),
            ("x-request-id", "r1"),
            ("content-type", "application/grpc+proto"),
        ]))
        .unwrap();
        assert_eq!(request.headers.get("authorization"), Some("Bearer a"));
        assert_eq!(request.headers.get("x-chaperone-facts"), Some("v1"));
        assert!(request.grpc);
        assert_eq!(request.path, "/sql?x=1");
    }

    #[test]
    fn a_check_without_an_http_request_is_refused() {
        assert!(guarded_request(CheckRequest::default()).is_none());
    }
}
