//! Certificates for a mesh with mutual TLS: an authority, Envoy's own certificate, and
//! those of workloads.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use reqwest::{Certificate, Identity};
use sha2::{Digest as _, Sha256};

use crate::failure::{Failure, Result};
use crate::request::HOST_NAME;
use crate::workdir::Workdir;

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a caller needs to show a client certificate.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    authority_pem: String,
    /// The certificate and its key, in PEM; `None` for a caller that shows none.
    own: Option<Own>,
}

#[derive(Clone, Debug)]
struct Own {
    pem: String,
    der: Vec<u8>,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Result<Self> {
        let mut parameters = named("authority", Vec::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let issuer = CertifiedIssuer::self_signed(parameters, key).map_err(failed)?;
        Ok(Self { issuer })
    }

    /// Writes what Envoy needs into `workdir`: its certificate, its key and the
    /// authority.
    pub fn write_for_envoy(&self, workdir: &Workdir) -> Result<()> {
        let mut parameters = named("envoy", vec![HOST_NAME.to_owned()])?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(failed)?;
        workdir.write("ca.pem", self.issuer.pem())?;
        workdir.write("server.pem", certificate.pem())?;
        workdir.write("server.key", key.serialize_pem())?;
        Ok(())
    }

    /// The certificate of a workload, such as `spiffe://cluster.local/ns/shop/sa/job`.
    pub fn workload(&self, id: &str) -> Result<ClientCertificate> {
        let mut parameters = named("workload", Vec::new())?;
        parameters.subject_alt_names = vec![SanType::URI(id.try_into().map_err(failed)?)];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(failed)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        let own = Own { pem, der: certificate.der().to_vec() };
        Ok(ClientCertificate { own: Some(own), ..self.nobody() })
    }

    /// A caller that knows the authority and shows no certificate.
    pub fn nobody(&self) -> ClientCertificate {
        ClientCertificate { authority_pem: self.issuer.pem(), own: None }
    }
}

impl ClientCertificate {
    /// The SHA-256 of the certificate, which tokens are bound to (RFC 8705 section 3.1).
    ///
    /// # Panics
    ///
    /// When it is the caller without one.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.own.as_ref().expect("a certificate").der).into()
    }

    /// The same certificate for a caller that trusts `authority`, whoever has signed it.
    #[must_use]
    pub fn trusting(self, authority: &Authority) -> Self {
        Self { own: self.own, ..authority.nobody() }
    }

    pub(crate) fn authority(&self) -> Result<Certificate> {
        let failed = |error| Failure::unexpected("reading an authority", error);
        Certificate::from_pem(self.authority_pem.as_bytes()).map_err(failed)
    }

    pub(crate) fn identity(&self) -> Result<Option<Identity>> {
        let failed = |error| Failure::unexpected("reading a certificate", error);
        let identity = |own: &Own| Identity::from_pem(own.pem.as_bytes()).map_err(failed);
        self.own.as_ref().map(identity).transpose()
    }
}

/// A certificate whose subject is not its issuer's: Envoy takes one for self-signed.
fn named(name: &str, hosts: Vec<String>) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(hosts).map_err(failed)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}

fn failed(error: rcgen::Error) -> Failure {
    Failure::unexpected("making a certificate", error)
}
