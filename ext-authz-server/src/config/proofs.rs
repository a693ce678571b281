//! What callers prove to have.

use std::time::Duration;

use chaperone_inspection::seal::FactsKey;

use super::error::ConfigError;
use super::file;
use crate::identity::{NonceKey, PeerSource, ProofSettings};

/// What keeps nonces and facts apart, which are made with one secret.
const NONCES: &[u8] = b"chaperone dpop nonces";

/// The longest that a proof may be good: it is made for one request.
const LONGEST: Duration = Duration::from_mins(10);

/// Where it is told who the peer of a request is.
pub(super) fn peer(written: Option<&file::Peer>, errors: &mut Vec<ConfigError>) -> PeerSource {
    let Some(file::Peer { from, proxies }) = written else { return PeerSource::Nowhere };
    match from {
        file::PeerFrom::Xfcc => PeerSource::Forwarded { proxies: *proxies },
        file::PeerFrom::Tls => {
            if *proxies > 0 {
                errors.push(ConfigError::general(
                    "peer.proxies is about x-forwarded-client-cert; leave it out, or write from: xfcc",
                ));
            }
            PeerSource::Tls
        }
    }
}

/// How proofs are judged. The keys of nonces are made of the facts keys: replicas share
/// those already, and rotate them.
pub(super) fn settings(
    written: &file::Dpop,
    facts_keys: &[FactsKey],
    errors: &mut Vec<ConfigError>,
) -> ProofSettings {
    for (name, time) in [("max_age", written.max_age.0), ("max_ahead", written.max_ahead.0)] {
        if time > LONGEST {
            errors.push(ConfigError::general(format!(
                "dpop.{name} is more than {} minutes; a proof is made for one request",
                LONGEST.as_secs() / 60
            )));
        }
    }
    if written.max_age.0 < Duration::from_secs(1) {
        errors.push(ConfigError::general("dpop.max_age is less than 1s; no proof could be good"));
    }
    if written.remembered == 0 {
        errors.push(ConfigError::general("dpop.remembered is 0; no proof could be used"));
    }
    let nonce_key = |key: &FactsKey| NonceKey::new(key.mac(NONCES));
    ProofSettings {
        max_age: written.max_age.0,
        max_ahead: written.max_ahead.0,
        nonce_keys: match written.nonce {
            file::Nonce::Off => Vec::new(),
            file::Nonce::Required => facts_keys.iter().map(nonce_key).collect(),
        },
        remembered: written.remembered,
    }
}
