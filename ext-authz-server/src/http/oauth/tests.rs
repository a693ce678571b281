use std::sync::Arc;

use reqwest::Response;
use serde_json::{Value, json};

use crate::exchange::test_world::{SERVER, World, claims};

/// The routes over real HTTP.
struct Served {
    url: String,
    world: World,
    server: tokio::task::JoinHandle<()>,
}

impl Served {
    async fn start() -> Self {
        Self::with(World::new()).await
    }

    async fn with(world: World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = super::router(Arc::clone(&world.exchanger));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, world, server }
    }

    fn form(&self, more: &[(&str, &str)]) -> String {
        let (subject, actor) =
            (self.world.plain("github", "ci"), self.world.plain("corp", "script"));
        let usual = [
            ("grant_type", super::form::TOKEN_EXCHANGE),
            ("subject_token", &subject),
            ("subject_token_type", super::form::JWT),
            ("actor_token", &actor),
            ("actor_token_type", super::form::ACCESS_TOKEN),
        ];
        let usual = usual.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(usual.chain(more)).finish()
    }

    async fn post(&self, form: String, headers: &[(&str, &str)]) -> Response {
        let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        let mut request = client
            .post(format!("{}/oauth/token", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn response(&self, path: &str) -> Response {
        let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> (Value, String) {
        let response = self.response(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let cache = header(&response, "cache-control");
        (serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(), cache)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_is_given_as_the_rfc_says() {
    let served = Served::start().await;
    let response = served.post(served.form(&[("audience", "customers")]), &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert!(header(&response, "x-chaperone-decision").starts_with("dec_"));
    let body = body(response).await;
    assert_eq!(body["issued_token_type"], super::form::ACCESS_TOKEN);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(90)));
    assert_eq!(claims(body["access_token"].as_str().unwrap())["aud"], "customers");
    assert_eq!(body.get("scope"), None);
    let scoped = served.world.token("github", "ci", &json!({ "scope": "a b" }));
    let form =
        served.form(&[("audience", "customers"), ("subject_token", &scoped), ("scope", "b")]);
    assert_eq!(self::body(served.post(form, &[]).await).await["scope"], "b");
}

#[tokio::test]
async fn a_refusal_names_the_error_and_our_code() {
    let served = Served::start().await;
    let expired = served.world.token("github", "ci", &json!({ "iat": 1, "exp": 2 }));
    for (form, status, error, code) in [
        (served.form(&[("audience", "nowhere")]), 400, "invalid_target", "audience_wider"),
        (served.form(&[]), 400, "invalid_target", "audience_missing"),
        (
            served.form(&[("audience", "customers"), ("resource", "orders")]),
            400,
            "invalid_target",
            "target_ambiguous",
        ),
        (
            served.form(&[("audience", "customers")]) + "&audience=orders",
            400,
            "invalid_target",
            "target_ambiguous",
        ),
        (
            served.form(&[("audience", "customers"), ("scope", "admin")]),
            400,
            "invalid_scope",
            "scope_wider",
        ),
        (served.form(&[("audience", "payments")]), 400, "unauthorized_client", "approval_required"),
        (served.form(&[("subject_token", &expired)]), 400, "invalid_request", "token_expired"),
        (
            served.form(&[("grant_type", "password")]),
            400,
            "unsupported_grant_type",
            "grant_type_unsupported",
        ),
        (
            served.form(&[("actor_token", ""), ("actor_token_type", "")]),
            401,
            "invalid_client",
            "actor_missing",
        ),
        ("x".repeat(super::form::MAX_BYTES + 1), 400, "invalid_request", "request_too_large"),
    ] {
        let response = served.post(form, &[]).await;
        assert_eq!(response.status(), status, "{code}");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "www-authenticate") == "Bearer", status == 401);
        let body = body(response).await;
        assert_eq!(body["error"], error, "{body}");
        let told = body["error_description"].as_str().unwrap();
        assert!(told.starts_with(&format!("{code}: ")), "{told}");
        assert!(!told.contains(&expired));
    }
    // The client sends its own content type before: two of them are none.
    let form = served.form(&[("audience", "customers")]);
    let response = served.post(form, &[("content-type", "application/json")]).await;
    let told = body(response).await["error_description"].as_str().unwrap().to_owned();
    assert!(told.starts_with("content_type_unexpected: "), "{told}");
}

#[tokio::test]
async fn the_actors_token_may_be_the_clients_own_credential() {
    let served = Served::start().await;
    let none = [("actor_token", ""), ("actor_token_type", ""), ("audience", "customers")];
    let bearer = format!("Bearer {}", served.world.plain("corp", "script"));
    let granted = served.post(served.form(&none), &[("authorization", &bearer)]).await;
    assert_eq!(granted.status(), 200);
    let refused = served.post(served.form(&none), &[("authorization", "Bearer a.b.c")]).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(body(refused).await["error"], "invalid_client");
    let form = served.form(&none);
    let refused = served.post(form, &[("authorization", &bearer), ("dpop", "e30.e30.e30")]).await;
    assert_eq!(body(refused).await["error"], "invalid_dpop_proof");
}

#[tokio::test]
async fn the_metadata_leads_to_the_endpoint_and_to_the_keys() {
    let served = Served::start().await;
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let (document, cache) = served.get(path).await;
        assert_eq!(cache, "public, max-age=300");
        assert_eq!(document["issuer"], SERVER);
        assert_eq!(document["token_endpoint"], format!("{SERVER}/oauth/token"));
        assert_eq!(document["jwks_uri"], format!("{SERVER}/oauth/jwks"));
        assert_eq!(document["grant_types_supported"], json!([super::form::TOKEN_EXCHANGE]));
        let proofs = document["dpop_signing_alg_values_supported"].as_array().unwrap();
        assert!(proofs.contains(&json!("ES256")) && !proofs.contains(&json!("none")));
    }
    let (keys, cache) = served.get("/oauth/jwks").await;
    assert_eq!(cache, "public, max-age=300");
    let keys = keys["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 1);
    assert_eq!((&keys[0]["kty"], &keys[0]["alg"]), (&json!("EC"), &json!("ES256")));
    assert_eq!(keys[0].get("d"), None);
}

#[tokio::test]
async fn an_unknown_client_is_challenged_in_the_scheme_that_it_used() {
    let served = Served::start().await;
    let none = [("actor_token", ""), ("actor_token_type", ""), ("audience", "customers")];
    for (sent, challenge) in [
        ("Bearer a.b.c", "Bearer"),
        ("bearer a.b.c", "Bearer"),
        ("DPoP a.b.c", "DPoP algs=\""),
        ("dpop a.b.c", "DPoP algs=\""),
        ("Basic YTpi", "Basic realm=\"chaperone\", Bearer"),
        ("Negotiate x", "Bearer"),
    ] {
        let refused = served.post(served.form(&none), &[("authorization", sent)]).await;
        assert_eq!(refused.status(), 401, "{sent}");
        let told = header(&refused, "www-authenticate");
        assert!(told.starts_with(challenge), "{sent}: {told}");
        assert_eq!(body(refused).await["error"], "invalid_client");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_metadata_where_the_rfc_puts_it() {
    let issuer = "https://mesh.example/identity/chaperone";
    let served = Served::with(World::known_at(issuer)).await;
    let well_known = "/.well-known/oauth-authorization-server";
    let (document, _) = served.get(&format!("{well_known}/identity/chaperone")).await;
    assert_eq!(document["issuer"], issuer);
    for other in ["/identity", "/identity/chaperone/x", "/other"] {
        let response = served.response(&format!("{well_known}{other}")).await;
        assert_eq!(response.status(), 404, "{other}");
    }
    let rootless = Served::start().await;
    assert_eq!(rootless.response(&format!("{well_known}/x")).await.status(), 404);
}

#[tokio::test]
async fn without_a_key_the_endpoint_is_unavailable_and_publishes_nothing() {
    let served = Served::start().await;
    served.world.remove_keys();
    assert_eq!(served.get("/oauth/jwks").await.0, json!({ "keys": [] }));
    let refused = served.post(served.form(&[("audience", "customers")]), &[]).await;
    assert_eq!(
        (refused.status(), header(&refused, "retry-after")),
        (503.try_into().unwrap(), "2".to_owned())
    );
    let told = body(refused).await["error_description"].as_str().unwrap().to_owned();
    assert!(told.starts_with("keys_unavailable: "), "{told}");
}

/// Another implementation reads what we publish and what we sign.
#[tokio::test]
async fn anybody_can_verify_a_token_with_the_published_keys() {
    let served = Served::start().await;
    let form = served.form(&[("audience", "customers")]);
    let token = body(served.post(form, &[]).await).await["access_token"].clone();
    let token = token.as_str().unwrap();
    let (keys, _) = served.get("/oauth/jwks").await;
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    let mut rules = jsonwebtoken::Validation::new(header.alg);
    rules.set_audience(&["customers"]);
    rules.set_issuer(&[SERVER]);
    // The clock of the test stands in the year of its tokens.
    rules.validate_exp = false;
    let read = jsonwebtoken::decode::<Value>(token, &key, &rules).unwrap();
    assert_eq!(read.claims["act"]["sub"], "script");
}
