//! stub: detectors.
use serde::{Deserialize, Serialize};

/// A kind of sensitive value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DetectorId {
    Email,
    PaymentCard,
    UsSsn,
    Iban,
    AwsAccessKeyId,
    Jwt,
    PrivateKey,
}
