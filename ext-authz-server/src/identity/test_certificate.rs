//! Client certificates for tests, as Envoy would tell of them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rcgen::{CertificateParams, KeyPair, SanType};

use super::thumbprint::Thumbprint;

/// A certificate of a workload, good for the year 2027.
pub(crate) struct TestCertificate {
    /// URL-encoded PEM.
    pub(crate) encoded: String,
    der: Vec<u8>,
}

impl TestCertificate {
    /// The certificate of the workload `id`.
    pub(crate) fn new(id: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        parameters.not_before = rcgen::date_time_ymd(2027, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2028, 1, 1);
        let certificate = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let encoded = utf8_percent_encode(&certificate.pem(), NON_ALPHANUMERIC).to_string();
        Self { encoded, der: certificate.der().to_vec() }
    }

    /// Its thumbprint, as `x5t#S256` has it.
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.der)
    }
}
