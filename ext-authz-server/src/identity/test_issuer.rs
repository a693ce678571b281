//! An issuer for tests: keys made on the spot, tokens minted with them, and a JWK
//! Set published over real HTTP.
//!
//! It signs with the cryptographic library directly, so that what verifies is not
//! tested against itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as alg, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
    RsaPublicKeyComponents,
};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::algorithm::{Algorithm, KeyType};
use super::fetch::JwksUrl;

/// RSA keys take long to make; one is enough for most tests.
static RSA: LazyLock<Arc<RsaKeyPair>> =
    LazyLock::new(|| Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));

/// A key that tokens can be signed with.
pub(crate) struct TestKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(Arc<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl TestKey {
    /// A key for that algorithm; RSA keys are all the same one.
    pub(crate) fn new(kid: &str, algorithm: Algorithm) -> Self {
        let pair = match algorithm.key_type() {
            KeyType::Rsa => Pair::Rsa(Arc::clone(&RSA)),
            KeyType::P256 => {
                Pair::Ec(EcdsaKeyPair::generate(&alg::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
            }
            KeyType::P521 => {
                Pair::Ec(EcdsaKeyPair::generate(&alg::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap())
            }
            KeyType::P384 => {
                Pair::Ec(EcdsaKeyPair::generate(&alg::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
            }
            KeyType::Ed25519 => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
        };
        Self { kid: kid.to_owned(), algorithm, pair }
    }

    /// Its public part.
    pub(crate) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": encode(&public.n), "e": encode(&public.e) })
            }
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = match x.len() {
                    32 => "P-256",
                    48 => "P-384",
                    _ => "P-521",
                };
                json!({ "kty": "EC", "crv": crv, "x": encode(x), "y": encode(y) })
            }
            Pair::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key as a PEM file has it: what a confused verifier would take for
    /// an HMAC secret.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// A token with the usual header.
    pub(crate) fn mint(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm.name(), "kid": self.kid, "typ": "JWT" });
        self.mint_with(&header, &claims.to_string())
    }

    /// A token with that header and those claims, signed whatever they say.
    pub(crate) fn mint_with(&self, header: &Value, claims: &str) -> String {
        let signed = signing_input(header, claims);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(self.rsa_encoding(), &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn rsa_encoding(&self) -> &'static dyn RsaEncoding {
        match self.algorithm {
            Algorithm::Rs384 => &alg::RSA_PKCS1_SHA384,
            Algorithm::Rs512 => &alg::RSA_PKCS1_SHA512,
            Algorithm::Ps256 => &alg::RSA_PSS_SHA256,
            Algorithm::Ps384 => &alg::RSA_PSS_SHA384,
            Algorithm::Ps512 => &alg::RSA_PSS_SHA512,
            _ => &alg::RSA_PKCS1_SHA256,
        }
    }
}

/// Header and claims, encoded.
pub(crate) fn signing_input(header: &Value, claims: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims))
}

/// What a publisher answers when it is asked for its keys.
#[derive(Clone)]
pub(crate) enum Answer {
    Text(String),
    /// The text, late enough for others to ask meanwhile.
    Late(String),
    Status(u16),
    Redirect,
    Never,
}

impl Answer {
    pub(crate) fn keys(keys: &[&TestKey]) -> Self {
        Self::Text(Self::set(keys))
    }

    pub(crate) fn late_keys(keys: &[&TestKey]) -> Self {
        Self::Late(Self::set(keys))
    }

    fn set(keys: &[&TestKey]) -> String {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        json!({ "keys": keys }).to_string()
    }
}

/// An HTTP server that publishes a JWK Set.
pub(crate) struct Publisher {
    address: SocketAddr,
    state: Arc<Published>,
    server: Mutex<Option<JoinHandle<()>>>,
}

struct Published {
    keys: Mutex<Answer>,
    discovery: Mutex<String>,
    hits: AtomicUsize,
}

impl Publisher {
    pub(crate) async fn start(answer: Answer) -> Self {
        let state = Arc::new(Published {
            keys: Mutex::new(answer),
            discovery: Mutex::default(),
            hits: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/jwks", get(publish))
            .route("/issuer/.well-known/openid-configuration", get(discover))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state, server: Mutex::new(Some(server)) }
    }

    pub(crate) fn jwks_url(&self) -> JwksUrl {
        JwksUrl::parse(&format!("http://{}/jwks", self.address)).unwrap()
    }

    /// The issuer that is discovered here.
    pub(crate) fn issuer(&self) -> String {
        format!("http://{}/issuer", self.address)
    }

    /// Answers differently from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.state.keys.lock().unwrap() = answer;
    }

    /// Sets the discovery document.
    pub(crate) fn discovery(&self, document: &str) {
        document.clone_into(&mut self.state.discovery.lock().unwrap());
    }

    /// How often keys were asked for.
    pub(crate) fn hits(&self) -> usize {
        self.state.hits.load(Ordering::SeqCst)
    }

    /// Listens no longer.
    pub(crate) async fn stop(&self) {
        let server = self.server.lock().unwrap().take();
        if let Some(server) = server {
            server.abort();
            let _ = server.await;
        }
    }
}

async fn publish(State(state): State<Arc<Published>>) -> Response {
    state.hits.fetch_add(1, Ordering::SeqCst);
    let answer = state.keys.lock().unwrap().clone();
    match answer {
        Answer::Text(text) => text.into_response(),
        Answer::Late(text) => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            text.into_response()
        }
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/jwks")]).into_response(),
        Answer::Never => std::future::pending().await,
    }
}

async fn discover(State(state): State<Arc<Published>>) -> String {
    state.discovery.lock().unwrap().clone()
}
