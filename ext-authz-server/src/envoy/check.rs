//! `envoy.service.auth.v3.Authorization`: Envoy's question in, its answer out.

use std::sync::Arc;

use chaperone_inspection::seal::FACTS_HEADER;
use envoy_types::ext_authz::v3::CheckRequestExt as _;
use envoy_types::ext_authz::v3::pb::{Authorization, CheckRequest, CheckResponse};
use tonic::{Request, Response, Status};

use super::answer::check_response;
use crate::decide::{self, Decider, GuardedRequest};

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
    let mut http = check.attributes?.request?.http?;
    let mut header = |name: &str| http.headers.remove(name);
    let grpc = header("content-type").is_some_and(|value| value.starts_with("application/grpc"));
    Some(GuardedRequest {
        authorization: header("authorization").map(decide::Authorization),
        facts: header(FACTS_HEADER),
        request_id: header("x-request-id").unwrap_or_default(),
        grpc,
        source_address,
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
        assert_eq!(request.authorization.unwrap().0, "Bearer a");
        assert_eq!(request.facts.as_deref(), Some("v1"));
        assert!(request.grpc);
        assert_eq!(request.path, "/sql?x=1");
    }

    #[test]
    fn a_check_without_an_http_request_is_refused() {
        assert!(guarded_request(CheckRequest::default()).is_none());
    }
}
