//! What an allowed request carries to the service: nothing that the client says about
//! itself, and of credentials what the service's configuration names.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use crate::identity::HeaderName;

/// The longest credential that is sent along.
const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// How often a credential's file is looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Headers that say who a client is to whoever believes them, as proxies in front of
/// services set them (Envoy and oauth2-proxy, IAP, ALB, Access, Pomerium, Kubernetes). From a
/// client they are a lie or no use.
const IDENTITY_HEADERS: [&str; 18] = [
    "cf-access-authenticated-user-email",
    "cf-access-jwt-assertion",
    "impersonate-group",
    "impersonate-uid",
    "impersonate-user",
    "remote-groups",
    "remote-user",
    "txn-token",
    "x-forwarded-access-token",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-goog-iap-jwt-assertion",
    "x-jwt-payload",
    "x-ms-client-principal",
    "x-remote-user",
    "x-remote-group",
];

/// How families of such headers begin.
const IDENTITY_PREFIXES: [&str; 9] = [
    "impersonate-extra-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-chaperone-",
    "x-goog-authenticated-user-",
    "x-ms-client-principal-",
    "x-pomerium-",
    "x-remote-extra-",
    "x-webauth-",
];

/// Whether a header says who a client is. Names are in lower case; to many a service
/// `_` is the same as `-`.
pub fn is_identity_header(name: &str) -> bool {
    let name = name.replace('_', "-");
    let name = name.as_str();
    IDENTITY_HEADERS.contains(&name)
        || IDENTITY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What becomes of credentials on the way to a service.
#[derive(Clone, Debug)]
pub enum UpstreamCredentials {
    /// The caller's go on as they are.
    Keep,
    /// The caller's stay here, and the service gets none.
    Remove,
    /// The caller's stay here, and the service gets its own, which agents never hold.
    Own(Arc<OwnCredential>),
    /// The caller's stay here, and the service gets a short-lived token that says who
    /// calls, for whom, and by which decision; our published keys verify it.
    Token(UpstreamToken),
}

/// A token for a service.
#[derive(Clone, Debug)]
pub struct UpstreamToken {
    /// Its `aud`.
    pub audience: String,
    /// The header that it is sent in.
    pub header: HeaderName,
    /// What stands before it in that header.
    pub scheme: Option<String>,
    /// How long it lives.
    pub lifetime: Duration,
}

impl UpstreamToken {
    /// The header with that token in it.
    pub fn header(&self, token: &str) -> SetHeader {
        let value = with_scheme(token, self.scheme.as_deref());
        SetHeader { name: self.header.clone(), value: Arc::new(value) }
    }
}

/// A service's own credential: a header's value, read from a file or from the
/// environment. It does not print.
pub struct OwnCredential {
    header: HeaderName,
    scheme: Option<String>,
    source: Source,
    value: ArcSwap<Zeroizing<String>>,
}

enum Source {
    File(PathBuf),
    Environment,
}

impl fmt::Debug for OwnCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCredential").field("header", &self.header).finish_non_exhaustive()
    }
}

/// A credential cannot be sent along.
#[derive(Debug, thiserror::Error)]
pub enum OwnCredentialError {
    /// Its file cannot be read.
    #[error("cannot read the credential's file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Its variable is not set.
    #[error("the environment variable {0} is not set")]
    Variable(String),
    /// It is no header's value.
    #[error(
        "the credential is empty, longer than {MAX_CREDENTIAL_BYTES} bytes, or has characters \
         that no header can carry"
    )]
    Value,
}

impl OwnCredential {
    /// The credential in the file at `path`, sent in `header` after `scheme`, if there
    /// is one. White space around it is not part of it.
    pub fn from_file(
        header: HeaderName,
        scheme: Option<String>,
        path: PathBuf,
    ) -> Result<Self, OwnCredentialError> {
        let value = written(&path, scheme.as_deref())?;
        Ok(Self { header, scheme, source: Source::File(path), value: ArcSwap::from_pointee(value) })
    }

    /// The credential in the environment variable `name`.
    pub fn from_environment(
        header: HeaderName,
        scheme: Option<String>,
        name: &str,
    ) -> Result<Self, OwnCredentialError> {
        let text = std::env::var(name)
            .map_err(|_| OwnCredentialError::Variable(name.to_owned()))
            .map(Zeroizing::new)?;
        let value = header_value(&text, scheme.as_deref())?;
        Ok(Self {
            header,
            scheme,
            source: Source::Environment,
            value: ArcSwap::from_pointee(value),
        })
    }

    /// Reads the file again whenever it changes, until it is dropped. A file that is
    /// no credential, or gone, leaves the last good one in use.
    pub async fn watch(self: Arc<Self>) {
        let Source::File(path) = &self.source else { return };
        let mut seen = modified(path);
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let now = modified(path);
            if now == seen {
                continue;
            }
            match written(path, self.scheme.as_deref()) {
                Ok(value) => {
                    seen = now;
                    self.value.store(Arc::new(value));
                    tracing::info!(path = %path.display(), "a service's credential was replaced");
                }
                // It may be half written; it is looked at again.
                Err(error) => tracing::warn!(%error, "a service's credential was not replaced"),
            }
        }
    }

    /// The header and its value.
    pub fn header(&self) -> SetHeader {
        SetHeader { name: self.header.clone(), value: self.value.load_full() }
    }
}

/// A header that a request gets on its way to the service. Its value does not print.
#[derive(Clone)]
pub struct SetHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: Arc<Zeroizing<String>>,
}

impl fmt::Debug for SetHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What Envoy changes of an allowed request's headers.
#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    /// Names of headers that are taken away.
    pub remove: BTreeSet<String>,
    /// Headers that are set, whatever the client sent.
    pub set: Vec<SetHeader>,
}

impl UpstreamCredentials {
    /// The name in configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Remove => "remove",
            Self::Own(_) => "own",
            Self::Token(_) => "token",
        }
    }

    /// What to change of a request with headers of those `names`; `credentials` are
    /// the headers that callers' credentials may be in, `token` the header with the
    /// service's token where it gets one.
    pub fn changes<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        credentials: &[&str],
        token: Option<SetHeader>,
    ) -> HeaderChanges {
        let keeps = matches!(self, Self::Keep);
        let set: Vec<_> = match self {
            Self::Keep | Self::Remove => Vec::new(),
            Self::Own(own) => vec![own.header()],
            Self::Token(_) => token.into_iter().collect(),
        };
        let remove = names.filter(|name| {
            // Envoy would take away what it has just set.
            let replaced = set.iter().any(|header| header.name.as_str() == *name);
            let credential = credentials.contains(&name.replace('_', "-").as_str());
            !replaced && if credential { !keeps } else { is_identity_header(name) }
        });
        HeaderChanges { remove: remove.map(str::to_owned).collect(), set }
    }

    /// The credential that must be kept up to date with its file, if there is one.
    pub fn watched(&self) -> Option<Arc<OwnCredential>> {
        match self {
            Self::Own(own) => Some(Arc::clone(own)),
            Self::Keep | Self::Remove | Self::Token(_) => None,
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn written(path: &Path, scheme: Option<&str>) -> Result<Zeroizing<String>, OwnCredentialError> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| OwnCredentialError::File { path: path.to_owned(), source })?;
    header_value(&text, scheme)
}

fn header_value(text: &str, scheme: Option<&str>) -> Result<Zeroizing<String>, OwnCredentialError> {
    let text = text.trim();
    let allowed = |byte: u8| matches!(byte, b' '..=b'~');
    if text.is_empty() || text.len() > MAX_CREDENTIAL_BYTES || !text.bytes().all(allowed) {
        return Err(OwnCredentialError::Value);
    }
    Ok(with_scheme(text, scheme))
}

fn with_scheme(text: &str, scheme: Option<&str>) -> Zeroizing<String> {
    Zeroizing::new(match scheme {
        Some(scheme) => format!("{scheme} {text}"),
        None => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 9] = [
        "accept",
        "x_remote_user",
        "impersonate-user",
        "authorization",
        "dpop",
        "x-forwarded-user",
        "x-pomerium-claim-email",
        "x-chaperone-facts",
        "x-api-key",
    ];

    fn changes(credentials: &UpstreamCredentials) -> (Vec<String>, Vec<String>) {
        let names = ["authorization", "dpop"];
        let HeaderChanges { remove, set } = credentials.changes(NAMES.into_iter(), &names, None);
        let set = set.iter().map(|header| format!("{}: {}", header.name.as_str(), **header.value));
        (remove.into_iter().collect(), set.collect())
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credential");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn what_a_client_says_of_itself_never_reaches_the_service() {
        let said = [
            "impersonate-user",
            "x-chaperone-facts",
            "x-forwarded-user",
            "x-pomerium-claim-email",
            "x_remote_user",
        ];
        assert_eq!(changes(&UpstreamCredentials::Keep), (said.map(String::from).into(), vec![]));
        let (removed, _) = changes(&UpstreamCredentials::Remove);
        assert_eq!(removed, [&["authorization", "dpop"][..], &said].concat());
    }

    #[test]
    fn a_services_own_credential_takes_the_place_of_the_callers() {
        let (_folder, path) = file("s3cret\n");
        let bearer = Some("Bearer".to_owned());
        let header: HeaderName = "x-api-key".parse().unwrap();
        let own = OwnCredential::from_file(header, None, path.clone()).unwrap();
        assert!(!format!("{own:?} {:?}", own.header()).contains("s3cret"));
        let (removed, set) = changes(&UpstreamCredentials::Own(Arc::new(own)));
        assert_eq!(set, ["x-api-key: s3cret"]);
        assert!(removed.contains(&"authorization".to_owned()));
        let own = OwnCredential::from_file(HeaderName::authorization(), bearer, path).unwrap();
        let (removed, set) = changes(&UpstreamCredentials::Own(Arc::new(own)));
        assert_eq!(set, ["authorization: Bearer s3cret"]);
        assert!(!removed.contains(&"authorization".to_owned()));
        assert!(removed.contains(&"dpop".to_owned()));
    }

    #[test]
    fn a_credential_that_no_header_can_carry_is_refused() {
        for text in ["", " \n", "a\nb", "gr\u{fc}n", &"x".repeat(MAX_CREDENTIAL_BYTES + 1)] {
            let (_folder, path) = file(text);
            let refused = OwnCredential::from_file(HeaderName::authorization(), None, path);
            assert!(matches!(refused, Err(OwnCredentialError::Value)), "{text:?}");
        }
        let header = HeaderName::authorization();
        let absent = OwnCredential::from_file(header, None, "/nonexistent".into());
        assert!(matches!(absent, Err(OwnCredentialError::File { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_credential_is_replaced_when_its_file_changes_and_kept_when_that_is_broken() {
        let (_folder, path) = file("old");
        let own = OwnCredential::from_file(HeaderName::authorization(), None, path.clone());
        let own = Arc::new(own.unwrap());
        let watching = tokio::spawn(Arc::clone(&own).watch());
        let replace = async |text: &str, age: u64| {
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(age)).unwrap();
            tokio::time::sleep(LOOK_EVERY * 3).await;
            own.header().value.to_string()
        };
        tokio::time::sleep(LOOK_EVERY).await;
        assert_eq!(replace("new", 10).await, "new");
        assert_eq!(replace("a\nb", 20).await, "new");
        std::fs::remove_file(&path).unwrap();
        tokio::time::sleep(LOOK_EVERY * 3).await;
        assert_eq!(own.header().value.to_string(), "new");
        assert_eq!(replace("newest", 30).await, "newest");
        watching.abort();
    }
}
