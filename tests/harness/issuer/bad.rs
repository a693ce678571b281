//! Tokens that must be refused, one way of being wrong each.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, encode};
use serde_json::{Value, json};

use super::keys::SigningKey;
use super::{DevelopmentIssuer, Issuer, now};
use crate::failure::Result;

/// What every job of these tokens is called: one that the example lets in.
const JOB: &str = "repo:acme/shop:ref:refs/heads/main";

impl DevelopmentIssuer {
    /// Of a CI job, and good.
    pub fn job(&self) -> String {
        self.job_with(json!({}))
    }

    /// Of a CI job, with `claims` over the usual ones.
    fn job_with(&self, mut claims: Value) -> String {
        claims["sub"] = json!(JOB);
        self.mint(Issuer::Github, &claims)
    }

    /// Ran out an hour ago.
    pub fn expired(&self) -> String {
        self.job_with(json!({ "iat": now() - 7200, "exp": now() - 3600 }))
    }

    /// Good in an hour.
    pub fn not_yet_valid(&self) -> String {
        self.job_with(json!({ "nbf": now() + 3600, "exp": now() + 7200 }))
    }

    /// Static: never runs out.
    pub fn without_expiry(&self) -> String {
        self.job_with(json!({ "exp": null }))
    }

    /// Meant for somebody else, who passed it on or lost it.
    pub fn for_another_audience(&self) -> String {
        self.job_with(json!({ "aud": "payments" }))
    }

    /// Of an issuer that is not configured.
    pub fn of_an_unknown_issuer(&self) -> String {
        self.job_with(json!({ "iss": "https://issuer.invalid" }))
    }

    /// Signed with a key that the issuer never published, under a published key's id.
    pub fn signed_by_somebody_else(&self) -> Result<String> {
        let stranger = SigningKey::generate(Algorithm::RS256)?;
        let header = super::header(Algorithm::RS256, self.github_key().1.as_str());
        Ok(stranger.sign_as(&header, &self.job_claims()))
    }

    /// Said to be signed with a key that nobody has ever heard of: `kid`.
    pub fn signed_with_unknown_key(&self, issuer: Issuer, kid: &str) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": issuer.algorithm(), "typ": "JWT", "kid": kid });
        let claims = Value::Object(self.claims(issuer, &json!({ "sub": JOB })));
        format!("{}.{}.{}", part(&header), part(&claims), "A".repeat(86))
    }

    /// Good for a minute by a clock that is ahead of ours by `seconds`, or behind it.
    pub fn by_a_clock_off_by(&self, issuer: Issuer, subject: &str, seconds: i64) -> String {
        let now = now().saturating_add_signed(seconds);
        self.mint(issuer, &json!({ "sub": subject, "iat": now, "nbf": now, "exp": now + 60 }))
    }

    /// `alg: none`, without a signature (RFC 8725 section 2.1).
    pub fn unsigned(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "none", "typ": "JWT", "kid": self.github_key().1 });
        format!("{}.{}.", part(&header), part(&self.job_claims()))
    }

    /// HS256 with the RSA public key as the secret: a verifier that lets the token
    /// choose the algorithm believes it (RFC 8725 section 2.1).
    pub fn signed_with_the_public_key(&self) -> String {
        let (pem, id) = self.github_key();
        let header = super::header(Algorithm::HS256, &id);
        let secret = EncodingKey::from_secret(pem.as_bytes());
        encode(&header, &self.job_claims(), &secret).expect("a secret signs HS256")
    }

    /// A chain of `depth` actors.
    pub fn nested(&self, depth: usize) -> String {
        let names: Vec<_> = (0..depth).map(|hop| format!("hop-{hop}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.mint_nested(JOB, &names, &json!({}))
    }

    fn job_claims(&self) -> Value {
        Value::Object(self.claims(Issuer::Github, &json!({ "sub": JOB })))
    }

    /// The PEM and the id of the key that GitHub signs with.
    fn github_key(&self) -> (String, String) {
        let keys = self.site(Issuer::Github).keys.lock().expect("no holder panics");
        let key = keys.last().expect("there is always one");
        (key.public_pem().expect("GitHub's key is RSA").to_owned(), key.id().to_owned())
    }
}

/// No token at all, in the place of one.
pub const GARBAGE: &str = "not.a.token";
