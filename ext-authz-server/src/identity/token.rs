//! A credential as the caller sent it.

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use super::error::IdentityError;

/// The longest token that is read. Headers are bounded to 60 KiB by Envoy; honest
/// tokens, deeply nested ones too, stay far below this.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How a token is sent in `Authorization`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has the token may use it (RFC 6750).
    #[default]
    Bearer,
    /// Whoever has the key that the token is bound to may use it (RFC 9449).
    Dpop,
}

impl Scheme {
    /// Its name in `Authorization` and `WWW-Authenticate`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    /// The scheme of an `Authorization` header's value, as far as there is one.
    pub fn of(authorization: &str) -> Option<Self> {
        let name = authorization.trim_start_matches([' ', '\t']).split(' ').next()?;
        [Self::Bearer, Self::Dpop]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.name()))
    }
}

/// A signed JWT in compact form (RFC 7515 section 7.1), not yet believed. It does
/// not print. When it is dropped its signature, without which it is good for nothing,
/// is wiped from memory; to wipe the rest as well would take as long as reading it.
pub struct Token(String);

impl Drop for Token {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        let signature = bytes.iter().rposition(|byte| *byte == b'.').unwrap_or(0);
        if let Some(signature) = bytes.get_mut(signature..) {
            signature.zeroize();
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// The token in the value of an `Authorization` header, and how it is sent
    /// (RFC 6750 section 2.1, RFC 9449 section 7.1).
    ///
    /// # Example
    ///
    /// ```
    /// use chaperone::identity::{Scheme, Token};
    ///
    /// let (scheme, _) = Token::from_authorization("DPoP e30.e30.c2ln").unwrap();
    /// assert_eq!(scheme, Scheme::Dpop);
    /// let two = Token::from_authorization("Bearer e30.e30.c2ln,Bearer e30.e30.c2ln");
    /// assert_eq!(two.unwrap_err().code(), "malformed");
    /// ```
    pub fn from_authorization(value: &str) -> Result<(Scheme, Self), IdentityError> {
        let (scheme, token) = sent(value)?;
        Ok((scheme, Self::parse(token)?))
    }

    /// The whole token.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The token `text` is.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if text.is_empty() {
            return Err(IdentityError::TokenMissing);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(IdentityError::TokenTooLarge { max: MAX_TOKEN_BYTES });
        }
        // Without an early end the loop is one that the compiler does 32 bytes at a time.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'_' | b'.');
        if !text.bytes().fold(true, |all, byte| all & allowed(byte)) {
            return Err(IdentityError::Malformed(
                "a token is made of base64url characters and dots",
            ));
        }
        if text.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(IdentityError::Malformed(
                "a signed token has three parts: header, claims and signature",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// What stands for its text where that must not be kept.
    pub(super) fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The three parts, still encoded.
    pub(super) fn parts(&self) -> Parts<'_> {
        // There are exactly two dots.
        let (signed, signature) = self.0.rsplit_once('.').unwrap_or_default();
        let (header, claims) = signed.split_once('.').unwrap_or_default();
        Parts { signed, header, claims, signature }
    }
}

/// A token that only its issuer can read: any that fits RFC 6750 section 2.1
/// (`b64token`). It does not print, and is wiped from memory when it is dropped.
pub(super) struct OpaqueToken(Zeroizing<String>);

impl OpaqueToken {
    /// The token `text` is.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityError> {
        if text.is_empty() {
            return Err(IdentityError::TokenMissing);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(IdentityError::TokenTooLarge { max: MAX_TOKEN_BYTES });
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let body = text.trim_end_matches('=');
        if body.is_empty() || !body.bytes().all(allowed) {
            return Err(IdentityError::Malformed(
                "a token is made of letters, digits and -._~+/, with = at its end only",
            ));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether it begins with `prefix`.
    pub(super) fn begins_with(&self, prefix: &str) -> bool {
        self.0.starts_with(prefix)
    }

    /// Its digest.
    pub(super) fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// Itself, for its issuer.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpaqueToken(..)")
    }
}

/// The credential in the value of an `Authorization` header, whatever it is, and how it
/// is sent; empty when there is none behind the scheme.
pub(super) fn sent(value: &str) -> Result<(Scheme, &str), IdentityError> {
    let value = value.trim_matches([' ', '\t']);
    if value.is_empty() {
        return Err(IdentityError::TokenMissing);
    }
    // Envoy joins repeated headers with a comma, which no token has.
    if value.contains(',') {
        return Err(IdentityError::Malformed("more than one Authorization header was sent"));
    }
    let scheme = Scheme::of(value).ok_or(IdentityError::Malformed(
        "the Authorization scheme is neither `Bearer` nor `DPoP`",
    ))?;
    let token = value.split_once(' ').map_or("", |(_, token)| token);
    Ok((scheme, token.trim_matches(' ')))
}

/// SHA-256 of a token's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; 32]);

/// The parts of a token, still encoded.
pub(super) struct Parts<'a> {
    /// What is signed: header and claims.
    pub(super) signed: &'a str,
    /// The header.
    pub(super) header: &'a str,
    /// The claims.
    pub(super) claims: &'a str,
    /// The signature.
    pub(super) signature: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(authorization: &str) -> IdentityError {
        Token::from_authorization(authorization).unwrap_err()
    }

    #[test]
    fn the_scheme_is_bearer_or_dpop_in_any_case() {
        for (header, expected) in [
            ("Bearer a.b.c", Scheme::Bearer),
            ("bearer a.b.c", Scheme::Bearer),
            ("BEARER  a.b.c", Scheme::Bearer),
            (" Bearer a.b.c ", Scheme::Bearer),
            ("DPoP a.b.c", Scheme::Dpop),
            ("dpop  a.b.c", Scheme::Dpop),
        ] {
            let (scheme, token) = Token::from_authorization(header).unwrap();
            assert_eq!(scheme, expected, "{header}");
            assert_eq!(token.parts().signed, "a.b");
            assert_eq!(token.parts().signature, "c");
        }
        for header in ["Basic YTpi", "DPoPa.b.c", "a.b.c", "Bearera.b.c"] {
            assert_eq!(refusal(header).code(), "malformed", "{header}");
        }
    }

    #[test]
    fn two_authorization_headers_are_said_to_be_two() {
        let error = refusal("Bearer a.b.c,Bearer a.b.c");
        assert_eq!(error.code(), "malformed");
        assert!(error.to_string().contains("more than one Authorization header"), "{error}");
    }

    #[test]
    fn an_empty_credential_is_a_missing_one() {
        for header in ["", "  ", "Bearer", "Bearer  "] {
            assert_eq!(refusal(header), IdentityError::TokenMissing, "{header:?}");
        }
    }

    #[test]
    fn what_is_no_compact_jws_is_malformed() {
        for text in ["a", "a.b", "a.b.c.d", "a.b.c.d.e", "a.b.c d", "a.b.ü", "a.b.c=", "a.b.\0"] {
            assert_eq!(Token::parse(text).unwrap_err().code(), "malformed", "{text:?}");
        }
    }

    #[test]
    fn size_is_bounded_before_anything_is_read() {
        let longest = format!("a.b.{}", "c".repeat(MAX_TOKEN_BYTES - 4));
        assert!(Token::parse(&longest).is_ok());
        assert_eq!(Token::parse(&format!("{longest}c")).unwrap_err().code(), "token_too_large");
    }

    #[test]
    fn an_opaque_token_has_the_alphabet_of_rfc_6750_and_a_bound() {
        for text in ["a", "mF_9.B5f-4.1JqM", "a~b+c/d", "YWJj==", "a.b.c"] {
            assert_eq!(OpaqueToken::parse(text).unwrap().as_str(), text);
        }
        for text in ["=", "a=b", "a b", "a,b", "a\"b", "ä", "a\0", "a:b"] {
            assert_eq!(OpaqueToken::parse(text).unwrap_err().code(), "malformed", "{text:?}");
        }
        assert_eq!(OpaqueToken::parse("").unwrap_err(), IdentityError::TokenMissing);
        let long = "a".repeat(MAX_TOKEN_BYTES + 1);
        assert_eq!(OpaqueToken::parse(&long).unwrap_err().code(), "token_too_large");
        let printed = format!("{:?}", OpaqueToken::parse("secret").unwrap());
        assert!(!printed.contains("secret"));
    }

    #[test]
    fn a_token_does_not_print() {
        let printed = format!("{:?}", Token::parse("secret.secret.secret").unwrap());
        assert_eq!(printed, "Token(..)");
    }
}
