//! What it costs to know who calls: verification of a token that was not seen before
//! beside the bare signature check of the cryptographic library, and of one that was.
//!
//! `cargo bench -p chaperone --bench identity`

use std::cell::Cell;
use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as alg, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chaperone::identity::{
    Acceptance, Algorithm, Authenticator, AuthenticatorSettings, IssuerSettings, IssuerUrl, JwkSet,
    KeySource, Presented,
};
use chaperone::time::UnixMillis;
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];
const DEPTHS: [usize; 3] = [1, 3, 8];
/// How many tokens a sample has: each is seen once.
const SAMPLE: u32 = 50;
const NOW: i64 = 1_800_000_000;
const ISS: &str = "https://idp.example";

/// The signature check alone, with a key as it is published: what any verifier pays.
#[divan::bench(args = ALGORITHMS, sample_size = SAMPLE)]
fn bare_signature(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let (key, tokens) = tokens(algorithm, 1);
    let next = Cell::new(0);
    bencher
        .with_inputs(|| {
            let (signed, signature) = turn(&tokens, &next).rsplit_once('.').unwrap();
            (signed, URL_SAFE_NO_PAD.decode(signature).unwrap())
        })
        .bench_local_refs(|(signed, signature)| key.verifies(signed.as_bytes(), signature));
}

/// A token that was not seen before, from the header's value to the credential.
#[divan::bench(args = ALGORITHMS, sample_size = SAMPLE)]
fn cold(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    verify_cold(bencher, algorithm, 1);
}

/// The same, by the number of hops.
#[divan::bench(args = DEPTHS, sample_size = SAMPLE)]
fn cold_es256_by_hops(bencher: Bencher<'_, '_>, hops: usize) {
    verify_cold(bencher, Algorithm::Es256, hops);
}

/// A token that was seen before.
#[divan::bench(args = DEPTHS)]
fn cached_by_hops(bencher: Bencher<'_, '_>, hops: usize) {
    let (key, tokens) = tokens(Algorithm::Es256, hops);
    let verifier = Verifier::new(&key);
    let header = format!("Bearer {}", tokens[0]);
    verifier.verify(&header);
    bencher.bench_local(|| verifier.verify(black_box(&header)));
}

fn verify_cold(bencher: Bencher<'_, '_>, algorithm: Algorithm, hops: usize) {
    let (key, tokens) = tokens(algorithm, hops);
    let headers: Vec<_> = tokens.iter().map(|token| format!("Bearer {token}")).collect();
    let verifier = Verifier::new(&key);
    let next = Cell::new(0);
    bencher
        .with_inputs(|| {
            verifier.authenticator.clear();
            turn(&headers, &next)
        })
        .bench_local_values(|header| verifier.verify(header));
}

fn turn<'a>(all: &'a [String], next: &Cell<usize>) -> &'a str {
    let at = next.get();
    next.set((at + 1) % all.len());
    &all[at]
}

struct Verifier {
    authenticator: Authenticator,
    acceptance: Acceptance,
}

impl Verifier {
    fn new(key: &Key) -> Self {
        let issuer = IssuerUrl::parse(ISS).unwrap();
        let set = JwkSet::from_json(json!({ "keys": [key.jwk()] })).unwrap();
        let settings = IssuerSettings {
            audiences: BTreeSet::from(["customers".to_owned()]),
            algorithms: Algorithm::ALL.into(),
            ..IssuerSettings::new("idp".parse().unwrap(), issuer, KeySource::Document(set))
        };
        let authenticator = Authenticator::new(AuthenticatorSettings::new(vec![settings])).unwrap();
        Self { authenticator, acceptance: Acceptance::default() }
    }

    fn verify(&self, header: &str) -> usize {
        let presented = Presented { authorization: Some(header), ..Presented::default() };
        let now = UnixMillis::new(NOW * 1000);
        let verified = pin!(self.authenticator.authenticate(&presented, &self.acceptance, now));
        // Keys that are written in the configuration are not waited for.
        match verified.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(credential) => credential.unwrap().chain.depth(),
            Poll::Pending => unreachable!(),
        }
    }
}

/// A key, and a sample of tokens of a chain of so many hops that it signed.
fn tokens(algorithm: Algorithm, hops: usize) -> (Key, Vec<String>) {
    let key = Key::new(algorithm);
    let token = |nth| {
        let mut claims = json!({
            "iss": ISS, "sub": "repo:acme/shop:ref:refs/heads/main", "aud": "customers",
            "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": format!("0190c8e0-0000-{nth:012}"),
        });
        let act = (1..hops).fold(Value::Null, |earlier, hop| {
            let mut act = json!({ "sub": format!("system:serviceaccount:shop:worker-{hop}") });
            if !earlier.is_null() {
                act["act"] = earlier;
            }
            act
        });
        if !act.is_null() {
            claims["act"] = act;
        }
        key.mint(&claims)
    };
    let tokens = (0..SAMPLE).map(token).collect();
    (key, tokens)
}

struct Key {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding, &'static RsaParameters),
    Ec(EcdsaKeyPair, &'static dyn VerificationAlgorithm),
    Ed(Ed25519KeyPair),
}

impl Key {
    fn new(algorithm: Algorithm) -> Self {
        let rsa = |encoding, parameters| {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            Pair::Rsa(Box::new(pair), encoding, parameters)
        };
        let pair = match algorithm {
            Algorithm::Rs256 => rsa(&alg::RSA_PKCS1_SHA256, &alg::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs512 => rsa(&alg::RSA_PKCS1_SHA512, &alg::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => rsa(&alg::RSA_PSS_SHA256, &alg::RSA_PSS_2048_8192_SHA256),
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&alg::ECDSA_P256_SHA256_FIXED_SIGNING);
                Pair::Ec(pair.unwrap(), &alg::ECDSA_P256_SHA256_FIXED)
            }
            Algorithm::Es384 => {
                let pair = EcdsaKeyPair::generate(&alg::ECDSA_P384_SHA384_FIXED_SIGNING);
                Pair::Ec(pair.unwrap(), &alg::ECDSA_P384_SHA384_FIXED)
            }
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            other => unreachable!("{other} is not measured"),
        };
        Self { algorithm, pair }
    }

    fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair, ..) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": encode(&public.n), "e": encode(&public.e) })
            }
            Pair::Ec(pair, _) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": crv, "x": encode(x), "y": encode(y) })
            }
            Pair::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!("k1");
        jwk
    }

    fn mint(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm.name(), "kid": "k1", "typ": "at+jwt" });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair, encoding, _) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair, _) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) {
        let verified = match &self.pair {
            Pair::Rsa(pair, _, parameters) => {
                UnparsedPublicKey::new(*parameters, pair.public_key()).verify(message, signature)
            }
            Pair::Ec(pair, algorithm) => {
                UnparsedPublicKey::new(*algorithm, pair.public_key()).verify(message, signature)
            }
            Pair::Ed(pair) => {
                UnparsedPublicKey::new(&alg::ED25519, pair.public_key()).verify(message, signature)
            }
        };
        verified.unwrap();
    }
}
