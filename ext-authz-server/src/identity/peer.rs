//! Whoever is at the other end of the connection, as Envoy tells of it.

use std::time::Duration;

use super::certificate::{Certificate, Validity};
use super::claims::seconds;
use super::error::IdentityError;
use super::spiffe::SpiffeId;
use super::thumbprint::Thumbprint;
use super::xfcc;
use crate::time::UnixMillis;

/// How far our clock and that of a certificate's authority may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// What Envoy tells of the peer of a request.
#[derive(Clone, Copy, Default)]
pub struct PeerAttributes<'a> {
    /// `source.principal`: the name in the client certificate of the connection.
    pub principal: Option<&'a str>,
    /// `source.certificate`: that certificate, in URL-encoded PEM.
    pub certificate: Option<&'a str>,
    /// The value of the header `x-forwarded-client-cert`, whoever has written it.
    pub forwarded: Option<&'a str>,
}

/// Where it is told who the peer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerSource {
    /// Nowhere: no certificate counts.
    #[default]
    Nowhere,
    /// By Envoy, of the connection that the request came on.
    Tls,
    /// In `x-forwarded-client-cert`. Whoever can send that header past Envoy can be
    /// anybody, so Envoy must be configured to make it (`forward_client_cert_details`).
    Forwarded {
        /// How many proxies have added an element after that of the caller.
        proxies: usize,
    },
}

impl PeerSource {
    /// The peer, if it has shown a certificate.
    pub(super) fn peer(self, told: &PeerAttributes<'_>) -> Result<Option<Peer>, IdentityError> {
        match self {
            Self::Nowhere => Ok(None),
            Self::Tls => connected(told),
            Self::Forwarded { proxies } => forwarded(told.forwarded, proxies),
        }
    }
}

/// A peer that has shown a certificate, and proved to have its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    /// The thumbprint of the certificate, where that is told.
    pub(super) thumbprint: Option<Thumbprint>,
    /// The workload that it names, if it names one.
    pub(super) id: Option<SpiffeId>,
    /// When it is good, where that is told.
    pub(super) validity: Option<Validity>,
}

impl Peer {
    /// Whether the certificate is good at `now`, give or take [`LEEWAY`]; one whose times
    /// are not told is what Envoy has said of it.
    pub(super) fn is_good_at(&self, now: UnixMillis) -> bool {
        let (now, leeway) = (now.seconds(), seconds(LEEWAY));
        self.validity.as_ref().is_none_or(|validity| {
            validity.not_before <= now.saturating_add(leeway)
                && now < validity.not_after.saturating_add(leeway)
        })
    }

    /// The certificate's thumbprint; an error when Envoy does not tell it.
    pub(super) fn thumbprint(&self) -> Result<Thumbprint, IdentityError> {
        self.thumbprint.ok_or(IdentityError::PeerHidden)
    }

    /// The workload; `None` when the certificate is not one of a workload, an error when
    /// Envoy does not tell.
    pub(super) fn workload(&self) -> Result<Option<&SpiffeId>, IdentityError> {
        match (&self.id, self.thumbprint) {
            (None, None) => Err(IdentityError::PeerHidden),
            (id, _) => Ok(id.as_ref()),
        }
    }
}

impl From<Certificate> for Peer {
    fn from(certificate: Certificate) -> Self {
        let Certificate { thumbprint, id, validity } = certificate;
        Self { thumbprint: Some(thumbprint), id, validity: Some(validity) }
    }
}

/// The principal alone names nobody: of several names, Envoy picks one.
fn connected(told: &PeerAttributes<'_>) -> Result<Option<Peer>, IdentityError> {
    let (certificate, principal) = (given(told.certificate), given(told.principal));
    match certificate {
        Some(certificate) => Ok(Some(Certificate::read(certificate)?.into())),
        None => Ok(principal.map(|_| Peer::default())),
    }
}

/// The element that the proxy next to the caller has added: those after it are known to
/// be there, those before it could be the caller's own.
fn forwarded(header: Option<&str>, proxies: usize) -> Result<Option<Peer>, IdentityError> {
    let Some(header) = given(header) else { return Ok(None) };
    let malformed = IdentityError::PeerMalformed("x-forwarded-client-cert cannot be read");
    let elements = xfcc::parse(header).map_err(|_| malformed.clone())?;
    let Some(element) = elements.into_iter().rev().nth(proxies) else { return Ok(None) };
    let hash = element.hash.as_deref().map(|hash| Thumbprint::from_hex(hash).ok_or(malformed));
    let hash = hash.transpose()?;
    if let Some(certificate) = &element.certificate {
        let certificate = Certificate::read(certificate)?;
        if hash.is_some_and(|hash| hash != certificate.thumbprint) {
            return Err(IdentityError::PeerMalformed("`Hash` and `Cert` are of two certificates"));
        }
        return Ok(Some(certificate.into()));
    }
    let id = match element.uris.as_slice() {
        [only] => only.parse().ok(),
        _ => None,
    };
    Ok(Some(Peer { thumbprint: hash, id, validity: None }))
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::test_certificate::TestCertificate;
    use super::*;

    const JOB: &str = "spiffe://cluster.local/ns/shop/sa/job";
    const PROXY: &str = "spiffe://cluster.local/ns/edge/sa/proxy";

    fn told<'a>(certificate: &'a TestCertificate, header: &'a str) -> PeerAttributes<'a> {
        PeerAttributes {
            principal: Some(JOB),
            certificate: Some(&certificate.encoded),
            forwarded: Some(header),
        }
    }

    fn id(peer: Option<Peer>) -> Option<String> {
        peer?.id.map(|id| id.to_string())
    }

    #[test]
    fn only_what_is_configured_to_tell_counts() {
        let job = TestCertificate::new(JOB);
        let header = format!("URI={PROXY}");
        let told = told(&job, &header);
        assert_eq!(PeerSource::default().peer(&told), Ok(None));
        let peer = PeerSource::Tls.peer(&told).unwrap();
        assert_eq!(peer.as_ref().unwrap().thumbprint(), Ok(job.thumbprint()));
        assert_eq!(id(peer).as_deref(), Some(JOB));
        let peer = PeerSource::Forwarded { proxies: 0 }.peer(&told).unwrap();
        assert_eq!(peer.as_ref().unwrap().thumbprint(), Err(IdentityError::PeerHidden));
        assert_eq!(id(peer).as_deref(), Some(PROXY));
        for source in [PeerSource::Tls, PeerSource::Forwarded { proxies: 0 }] {
            assert_eq!(source.peer(&PeerAttributes::default()), Ok(None));
        }
    }

    #[test]
    fn a_certificate_that_envoy_does_not_tell_is_told_to_the_operator() {
        let told = PeerAttributes { principal: Some(JOB), ..PeerAttributes::default() };
        let peer = PeerSource::Tls.peer(&told).unwrap().unwrap();
        assert_eq!(peer.workload(), Err(IdentityError::PeerHidden));
        assert_eq!(peer.thumbprint(), Err(IdentityError::PeerHidden));
    }

    #[test]
    fn the_element_of_the_proxy_next_to_the_caller_counts() {
        let forged = "URI=spiffe://cluster.local/ns/kube-system/sa/admin";
        let header = format!("{forged},URI={JOB},By=x;URI={PROXY}");
        let source = |proxies| PeerSource::Forwarded { proxies };
        let told = PeerAttributes { forwarded: Some(&header), ..PeerAttributes::default() };
        assert_eq!(id(source(0).peer(&told).unwrap()).as_deref(), Some(PROXY));
        assert_eq!(id(source(1).peer(&told).unwrap()).as_deref(), Some(JOB));
        assert_eq!(source(3).peer(&told), Ok(None));
    }

    #[test]
    fn a_forwarded_certificate_is_read_and_agrees_with_its_hash() {
        let job = TestCertificate::new(JOB);
        let source = PeerSource::Forwarded { proxies: 0 };
        let peer = |header: &str| {
            source.peer(&PeerAttributes { forwarded: Some(header), ..PeerAttributes::default() })
        };
        let hash = hex::encode(job.thumbprint().as_bytes());
        let header = format!("Hash={hash};Cert=\"{}\";URI={PROXY}", job.encoded);
        let read = peer(&header).unwrap();
        assert!(read.as_ref().unwrap().validity.is_some());
        assert_eq!(id(read).as_deref(), Some(JOB), "the certificate says who");
        let only_hash = peer(&format!("Hash={hash};URI=\"\"")).unwrap().unwrap();
        assert_eq!(only_hash.thumbprint(), Ok(job.thumbprint()));
        assert_eq!(only_hash.workload(), Ok(None));
        let two = format!("URI={JOB};URI={PROXY};Hash={hash}");
        assert_eq!(id(peer(&two).unwrap()), None);
        let other = hex::encode([7; 32]);
        for odd in [format!("Hash={other};Cert={}", job.encoded), "Hash=zz".into(), "x".into()] {
            assert_eq!(peer(&odd).unwrap_err().code(), "peer_malformed", "{odd}");
        }
    }
}
