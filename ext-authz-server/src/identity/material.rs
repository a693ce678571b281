//! Public keys as the cryptographic library has them: parsed once, not at every
//! signature.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::signature::{
    self as alg, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use sha2::{Digest as _, Sha256};

use super::algorithm::Algorithm;

/// What tells a key from every other one: SHA-256 of all that it is.
pub(super) type Fingerprint = [u8; 32];

/// The algorithms of RSA keys.
const ALGORITHMS: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &alg::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &alg::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &alg::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &alg::RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &alg::RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &alg::RSA_PSS_2048_8192_SHA512),
];

/// A public key.
pub(super) enum Material {
    /// RSA, good for six algorithms.
    Rsa(Box<Rsa>),
    /// A point on a curve, good for one algorithm.
    Point { algorithm: Algorithm, parsed: ParsedPublicKey },
}

/// An RSA key. The library ties a parsed key to its algorithm, so it is parsed for each
/// when that is first seen; an issuer uses one.
pub(super) struct Rsa {
    components: RsaPublicKeyComponents<Vec<u8>>,
    parsed: [OnceLock<Option<ParsedPublicKey>>; ALGORITHMS.len()],
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(..)")
    }
}

impl Material {
    /// The RSA key with those numbers, big-endian, without leading zeros.
    pub(super) fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Self {
        let components = RsaPublicKeyComponents { n: modulus, e: exponent };
        Self::Rsa(Box::new(Rsa { components, parsed: Default::default() }))
    }

    /// The point that `bytes` are, on the curve of `algorithm`, if they are one.
    pub(super) fn point(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let curve: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Es256 => &alg::ECDSA_P256_SHA256_FIXED,
            Algorithm::Es384 => &alg::ECDSA_P384_SHA384_FIXED,
            Algorithm::Es512 => &alg::ECDSA_P521_SHA512_FIXED,
            Algorithm::EdDsa => &alg::ED25519,
            _ => return None,
        };
        let parsed = ParsedPublicKey::new(curve, bytes).ok()?;
        Some(Self::Point { algorithm, parsed })
    }

    /// Whether the key's owner signed `message` with `algorithm`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.parsed(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    /// The fingerprint of the key under that name, reserved for that algorithm.
    pub(super) fn fingerprint(
        &self,
        kid: Option<&str>,
        reserved: Option<Algorithm>,
    ) -> Fingerprint {
        let (kind, parts): (_, [&[u8]; 2]) = match self {
            Self::Rsa(rsa) => ("RSA", [&rsa.components.n, &rsa.components.e]),
            Self::Point { algorithm, parsed } => (algorithm.name(), [parsed.as_ref(), &[]]),
        };
        let mut hash = Sha256::new();
        let texts = [Some(kind), kid, reserved.map(Algorithm::name)];
        let texts = texts.into_iter().map(|text| text.map(str::as_bytes));
        for part in texts.chain(parts.map(Some)) {
            // What is not there is told from what is empty.
            hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        hash.finalize().into()
    }

    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        match self {
            Self::Point { algorithm: only, parsed } => (*only == algorithm).then_some(parsed),
            Self::Rsa(rsa) => rsa.parsed(algorithm),
        }
    }
}

impl Rsa {
    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let mut slots = ALGORITHMS.iter().zip(&self.parsed);
        let ((_, parameters), parsed) = slots.find(|((name, _), _)| *name == algorithm)?;
        parsed.get_or_init(|| self.components.to_parsed_public_key(parameters).ok()).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_makes_another_fingerprint() {
        let key = |modulus: u8| Material::rsa(vec![modulus; 256], vec![1, 0, 1]);
        let print = |material: &Material| material.fingerprint(None, None);
        assert_eq!(print(&key(1)), print(&key(1)));
        let all = [
            print(&key(1)),
            print(&key(2)),
            key(1).fingerprint(Some("a"), None),
            key(1).fingerprint(Some("b"), None),
            key(1).fingerprint(Some(""), None),
            key(1).fingerprint(None, Some(Algorithm::Rs256)),
            key(1).fingerprint(Some("RS256"), None),
        ];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
    }

    #[test]
    fn a_point_that_is_not_on_its_curve_is_no_key() {
        let mut point = vec![1; 65];
        point[0] = 4;
        assert!(Material::point(Algorithm::Es256, &point).is_none());
        assert!(Material::point(Algorithm::Es256, &[4; 97]).is_none());
        assert!(Material::point(Algorithm::EdDsa, &[1; 31]).is_none());
        assert!(Material::point(Algorithm::Rs256, &point).is_none());
    }
}
