//! Client certificates, as Envoy tells of them.
//!
//! Envoy has verified the certificate and that its peer has the key: what is read here
//! is who it names and when it ends, not whether it is good.

use percent_encoding::percent_decode_str;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::error::IdentityError;
use super::spiffe::SpiffeId;
use super::thumbprint::Thumbprint;

/// The longest certificate that is read, in its encoded form.
const MAX_BYTES: usize = 64 * 1024;

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Its thumbprint (RFC 8705 section 3.1).
    pub(super) thumbprint: Thumbprint,
    /// The workload that it names, if it is the certificate of one.
    pub(super) id: Option<SpiffeId>,
    /// When it is good.
    pub(super) validity: Validity,
}

/// The first and the last second of a certificate, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Certificate {
    /// Reads PEM in URL encoding.
    pub(super) fn read(encoded: &str) -> Result<Self, IdentityError> {
        if encoded.len() > MAX_BYTES {
            return Err(IdentityError::PeerMalformed("the certificate is too long"));
        }
        let pem: Vec<u8> = percent_decode_str(encoded).collect();
        let (_, pem) = parse_x509_pem(&pem)
            .ok()
            .filter(|(_, pem)| pem.label == "CERTIFICATE")
            .ok_or(IdentityError::PeerMalformed("the certificate is not in PEM"))?;
        let malformed = IdentityError::PeerMalformed("the certificate is not X.509");
        let certificate = pem.parse_x509().map_err(|_| malformed.clone())?;
        let validity = certificate.validity();
        Ok(Self {
            thumbprint: Thumbprint::of(&pem.contents),
            id: workload(&certificate).ok_or(malformed)?,
            validity: Validity {
                not_before: validity.not_before.timestamp(),
                not_after: validity.not_after.timestamp(),
            },
        })
    }
}

/// The workload that the certificate is one of (X509-SVID, sections 2 and 4.1): it has
/// one URI, which is a SPIFFE ID, and signs no other certificates. The outer `None` says
/// that it cannot be read.
#[expect(clippy::option_option, reason = "to name nobody is not to be malformed")]
fn workload(certificate: &X509Certificate<'_>) -> Option<Option<SpiffeId>> {
    let names = certificate.subject_alternative_name().ok()?;
    let mut uris =
        names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
    let only = uris.next().filter(|_| uris.next().is_none());
    let signs = certificate.basic_constraints().ok()?.is_some_and(|basic| basic.value.ca)
        || certificate.key_usage().ok()?.is_some_and(|usage| usage.value.key_cert_sign());
    Some(only.and_then(|uri| uri.parse().ok()).filter(|_| !signs))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType};
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn made(uris: &[&str], change: impl Fn(&mut CertificateParams)) -> (String, Vec<u8>) {
        let mut parameters = CertificateParams::new(["job.example".to_owned()]).unwrap();
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        parameters.subject_alt_names.extend(uris);
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
        change(&mut parameters);
        let certificate = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let encoded = utf8_percent_encode(&certificate.pem(), NON_ALPHANUMERIC).to_string();
        (encoded, certificate.der().to_vec())
    }

    fn id(uris: &[&str], change: impl Fn(&mut CertificateParams)) -> Option<String> {
        let certificate = Certificate::read(&made(uris, change).0).unwrap();
        certificate.id.map(|id| id.to_string())
    }

    #[test]
    fn a_workloads_certificate_names_it_and_has_the_thumbprint_of_its_bytes() {
        let uri = "spiffe://cluster.local/ns/shop/sa/deploy";
        let (encoded, der) = made(&[uri], |_| ());
        let certificate = Certificate::read(&encoded).unwrap();
        assert_eq!(certificate.id.unwrap().as_str(), uri);
        assert_eq!(certificate.thumbprint.as_bytes(), &Sha256::digest(der)[..]);
        assert_eq!(certificate.validity.not_before, 1_767_225_600);
        assert_eq!(certificate.validity.not_after, 1_798_761_600);
    }

    #[test]
    fn a_certificate_that_is_no_workloads_names_nobody() {
        let uri = "spiffe://cluster.local/job";
        assert_eq!(id(&[], |_| ()), None);
        assert_eq!(id(&["https://job.example/"], |_| ()), None);
        assert_eq!(id(&[uri, "spiffe://cluster.local/other"], |_| ()), None);
        assert_eq!(id(&[uri, "https://job.example/"], |_| ()), None);
        let authority =
            |made: &mut CertificateParams| made.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        assert_eq!(id(&[uri], authority), None);
        let signs =
            |made: &mut CertificateParams| made.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        assert_eq!(id(&[uri], signs), None);
        assert!(id(&[uri], |_| ()).is_some());
    }

    #[test]
    fn what_is_no_certificate_is_malformed() {
        let (encoded, _) = made(&[], |_| ());
        let key = KeyPair::generate().unwrap().serialize_pem();
        let key = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
        let long = "A".repeat(MAX_BYTES + 1);
        for odd in ["", "%", "garbage", &encoded[..encoded.len() / 2], &key, &long] {
            assert_eq!(Certificate::read(odd).unwrap_err().code(), "peer_malformed");
        }
    }
}
