use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use rcgen::{CertifiedKey, KeyPair};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;
use crate::identity::Algorithm;
use crate::identity::test_issuer::{Answer, Publisher, TestKey};

const SHORT: Duration = Duration::from_millis(300);

fn fetcher(location: Location, settings: FetchSettings) -> KeyFetcher {
    KeyFetcher::new(location, settings, &mut Clients::default()).unwrap()
}

async fn fetched_by(fetcher: &KeyFetcher) -> Result<usize, FetchError> {
    match fetcher.fetch(None).await? {
        Fetched::Keys(set, _) => Ok(set.len()),
        Fetched::Same => panic!("the same as what?"),
    }
}

async fn fetched(publisher: &Publisher) -> Result<usize, FetchError> {
    let location = Location::Keys(publisher.jwks_url());
    let settings = FetchSettings { timeout: SHORT, ..FetchSettings::default() };
    fetched_by(&fetcher(location, settings)).await
}

#[tokio::test]
async fn keys_are_fetched_over_http() {
    let key = TestKey::new("k1", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    assert_eq!(fetched(&publisher).await, Ok(1));
}

#[tokio::test]
async fn what_is_no_timely_small_direct_answer_is_an_error() {
    let key = TestKey::new("k1", Algorithm::Es256);
    let publisher = Publisher::start(Answer::Status(500)).await;
    assert_eq!(fetched(&publisher).await, Err(FetchError::Status(500)));
    publisher.answer(Answer::Redirect);
    assert_eq!(fetched(&publisher).await, Err(FetchError::Redirect(302)));
    assert_eq!(publisher.hits(), 2, "a redirect was followed");
    publisher.answer(Answer::Never);
    assert_eq!(fetched(&publisher).await, Err(FetchError::Timeout(SHORT)));
    let padded =
        json!({ "keys": [key.jwk()], "padding": "x".repeat(FetchSettings::default().max_bytes) });
    publisher.answer(Answer::Text(padded.to_string()));
    assert_eq!(fetched(&publisher).await, Err(FetchError::TooLarge(256 * 1024)));
    publisher.answer(Answer::Text("<html>".into()));
    assert_eq!(fetched(&publisher).await, Err(FetchError::Keys(JwkSetError::NotASet)));
    publisher.answer(Answer::Text(r#"{"keys":[]}"#.into()));
    assert_eq!(fetched(&publisher).await, Err(FetchError::Keys(JwkSetError::Empty)));
    publisher.stop().await;
    assert_eq!(fetched(&publisher).await, Err(FetchError::Connect));
}

async fn discovered(publisher: &Publisher, document: &str) -> Result<usize, FetchError> {
    publisher.discovery(document);
    let issuer = IssuerUrl::parse(&publisher.issuer()).unwrap();
    let location = Location::discovery(&issuer).unwrap();
    fetched_by(&fetcher(location, FetchSettings::default())).await
}

#[tokio::test]
async fn discovery_leads_to_the_keys_of_the_same_issuer_only() {
    let key = TestKey::new("k1", Algorithm::EdDsa);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let issuer = publisher.issuer();
    let jwks_uri = publisher.jwks_url().to_string();
    let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
    assert_eq!(discovered(&publisher, &document).await, Ok(1));
    let document = json!({ "issuer": format!("{issuer}/"), "jwks_uri": jwks_uri }).to_string();
    assert_eq!(discovered(&publisher, &document).await, Err(FetchError::OtherIssuer));
    let document = json!({ "issuer": issuer, "jwks_uri": "http://idp.example/k" }).to_string();
    let refused = Err(FetchError::JwksUri(JwksUrlError::Plain));
    assert_eq!(discovered(&publisher, &document).await, refused);
    assert_eq!(discovered(&publisher, "{}").await, Err(FetchError::NotDiscovery));
}

#[test]
fn keys_come_by_https_or_from_this_machine() {
    for url in ["https://idp.example/k", "http://localhost:1/k", "http://[::1]/k"] {
        assert!(JwksUrl::parse(url).is_ok(), "{url}");
    }
    for (url, error) in [
        ("http://idp.example/k", JwksUrlError::Plain),
        ("http://localhost.evil.example/k", JwksUrlError::Plain),
        ("http://127.0.0.1.evil.example/k", JwksUrlError::Plain),
        ("http://10.0.0.1/k", JwksUrlError::Plain),
        ("file:///etc/keys", JwksUrlError::Scheme),
        ("https://a:b@idp.example/k", JwksUrlError::Userinfo),
        ("http://localhost@idp.example/k", JwksUrlError::Userinfo),
        ("/keys", JwksUrlError::NotAUrl),
    ] {
        assert_eq!(JwksUrl::parse(url), Err(error), "{url}");
    }
    let issuer = IssuerUrl::parse("https://idp.example/?tenant=a").unwrap();
    assert_eq!(Location::discovery(&issuer).unwrap_err(), JwksUrlError::NotDiscoverable);
}

/// A server that answers every connection with a head and then with `part`, again and
/// again, so many times, with `pause` before each.
struct Raw {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Raw {
    async fn start(head: &str, part: Vec<u8>, times: usize, pause: Duration) -> Self {
        Self::serving(None, head, part, times, pause).await
    }

    /// One document, over TLS with that certificate.
    async fn tls(certificate: &CertifiedKey<KeyPair>, document: &str) -> Self {
        let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", document.len());
        Self::serving(Some(acceptor), &head, document.into(), 1, Duration::ZERO).await
    }

    async fn serving(
        tls: Option<TlsAcceptor>,
        head: &str,
        part: Vec<u8>,
        times: usize,
        pause: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, sent) = (Arc::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        let answering = Answering {
            head: head.to_owned(),
            part: part.into(),
            times,
            pause,
            requests: Arc::clone(&requests),
            sent: Arc::clone(&sent),
        };
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answering, tls) = (answering.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => answering.answer(stream).await,
                        Some(tls) => answering.answer(tls.accept(stream).await?).await,
                    }
                });
            }
        });
        Self { port, requests, sent, tasks }
    }

    fn url(&self, scheme: &str, host: &str) -> JwksUrl {
        JwksUrl::parse(&format!("{scheme}://{host}:{}/jwks", self.port)).unwrap()
    }
}

#[derive(Clone)]
struct Answering {
    head: String,
    part: Arc<[u8]>,
    times: usize,
    pause: Duration,
    requests: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl Answering {
    async fn answer(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await?);
        }
        self.requests.lock().unwrap().push(String::from_utf8(request).unwrap());
        stream.write_all(self.head.as_bytes()).await?;
        for _ in 0..self.times {
            tokio::time::sleep(self.pause).await;
            stream.write_all(&self.part).await?;
            stream.flush().await?;
            self.sent.fetch_add(self.part.len(), Ordering::SeqCst);
        }
        stream.shutdown().await
    }
}

#[tokio::test]
async fn a_document_that_drips_is_given_up_in_time() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let server = Raw::start(head, b" ".into(), 1000, Duration::from_millis(10)).await;
    let settings = FetchSettings { timeout: SHORT, ..FetchSettings::default() };
    let fetcher = fetcher(Location::Keys(server.url("http", "127.0.0.1")), settings);
    let asked = Instant::now();
    assert_eq!(fetched_by(&fetcher).await, Err(FetchError::Timeout(SHORT)));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(server.sent.load(Ordering::SeqCst) > 1, "it did not drip");
}

#[tokio::test]
async fn of_a_gigabyte_no_more_is_read_than_is_allowed() {
    const GIGABYTE: usize = 1 << 30;
    let part = vec![b' '; 1 << 16];
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n"),
    ] {
        let server = Raw::start(&head, part.clone(), GIGABYTE >> 16, Duration::ZERO).await;
        let location = Location::Keys(server.url("http", "127.0.0.1"));
        let fetcher = fetcher(location, FetchSettings::default());
        assert_eq!(fetched_by(&fetcher).await, Err(FetchError::TooLarge(256 * 1024)));
        // What the two kernels hold, and a little.
        let sent = server.sent.load(Ordering::SeqCst);
        assert!(sent < 32 << 20, "{sent} bytes were sent");
        drop(server.tasks);
    }
}

#[tokio::test]
async fn ten_thousand_keys_are_read_where_that_is_allowed() {
    let keys = (0..10_000).map(|nth| {
        let mut key = RSA_JWK.clone();
        key["kid"] = json!(format!("k{nth}"));
        key
    });
    let keys: Vec<_> = keys.collect();
    let publisher = Publisher::start(Answer::Text(json!({ "keys": keys }).to_string())).await;
    let with = |max_bytes, max_keys| FetchSettings { max_bytes, max_keys, ..Default::default() };
    let location = || Location::Keys(publisher.jwks_url());
    let refused = fetched_by(&fetcher(location(), FetchSettings::default())).await;
    assert_eq!(refused, Err(FetchError::TooLarge(256 * 1024)));
    let refused = fetched_by(&fetcher(location(), with(8 << 20, 1000))).await;
    assert_eq!(refused, Err(FetchError::Keys(JwkSetError::TooMany { max: 1000 })));
    let all = fetcher(location(), with(8 << 20, 10_000));
    let Fetched::Keys(set, digest) = all.fetch(None).await.unwrap() else { unreachable!() };
    assert_eq!(set.len(), 10_000);
    assert_eq!(set.candidates(Some("k9999"), Algorithm::Rs256).unwrap().len(), 1);
    assert_eq!(set.candidates(None, Algorithm::Rs256).unwrap().len(), 8, "no more are tried");
    assert!(matches!(all.fetch(Some(&digest)).await, Ok(Fetched::Same)));
}

static RSA_JWK: LazyLock<Value> = LazyLock::new(|| TestKey::new("r", Algorithm::Rs256).jwk());

#[tokio::test]
async fn a_discovered_url_does_not_lead_into_the_network() {
    let key = TestKey::new("k1", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let issuer = publisher.issuer();
    for inside in [
        "https://10.0.0.1/jwks",
        "https://169.254.169.254/jwks",
        "https://[fd00::1]/jwks",
        "https://192.168.1.1:8443/jwks",
        "https://2130706433.example.invalid@10.0.0.1/",
    ] {
        let document = json!({ "issuer": issuer, "jwks_uri": inside }).to_string();
        let refused = discovered(&publisher, &document).await;
        let userinfo = Err(FetchError::JwksUri(JwksUrlError::Userinfo));
        assert!(refused == Err(FetchError::OutOfReach) || refused == userinfo, "{inside}");
    }
    assert_eq!(publisher.hits(), 0);
}

/// As DNS rebinding would have it: a name that the operator wrote is at a private
/// address when it is resolved.
#[tokio::test]
async fn a_name_does_not_lead_into_the_network_unless_that_is_allowed() {
    let (_, ca_file, server) = with_certificate("localhost.idp.example").await;
    let fetched = async |private_addresses, host: &str| {
        let settings = FetchSettings {
            ca_file: Some(ca_file.path().to_owned()),
            private_addresses,
            ..FetchSettings::default()
        };
        let mut fetcher = fetcher(Location::Keys(server.url("https", host)), settings);
        // The name is written; that it is one of this machine is not.
        fetcher.reach = Reach::new(private_addresses, &Url::parse("https://idp.example").unwrap());
        fetched_by(&fetcher).await
    };
    let refused = fetched(PrivateAddresses::Deny, "localhost").await;
    assert_eq!(refused, Err(FetchError::OutOfReach));
    let refused = fetched(PrivateAddresses::Deny, "127.0.0.1").await;
    assert_eq!(refused, Err(FetchError::OutOfReach));
    assert!(server.requests.lock().unwrap().is_empty());
    // The certificate is for another name.
    assert_eq!(fetched(PrivateAddresses::Allow, "localhost").await, Err(FetchError::Connect));
}

/// A server with a self-signed certificate for that name, and the file that it is in.
async fn with_certificate(name: &str) -> (TestKey, NamedTempFile, Raw) {
    let key = TestKey::new("k1", Algorithm::Es256);
    let certificate = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let ca_file = NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), certificate.cert.pem()).unwrap();
    let document = json!({ "keys": [key.jwk()] }).to_string();
    let server = Raw::tls(&certificate, &document).await;
    (key, ca_file, server)
}

#[tokio::test]
async fn the_certificate_authorities_that_are_named_are_trusted_and_no_others() {
    let (_, ca_file, server) = with_certificate("localhost").await;
    let (_, other_file, _) = with_certificate("localhost").await;
    let trusting = |ca_file: Option<&Path>| {
        let settings =
            FetchSettings { ca_file: ca_file.map(Path::to_owned), ..FetchSettings::default() };
        fetcher(Location::Keys(server.url("https", "localhost")), settings)
    };
    let trusts = trusting(Some(ca_file.path()));
    assert_eq!(fetched_by(&trusts).await, Ok(1));
    let other = trusting(Some(other_file.path()));
    assert_eq!(fetched_by(&other).await, Err(FetchError::Connect));
    // A new file needs no restart.
    std::fs::copy(ca_file.path(), other_file.path()).unwrap();
    assert_eq!(fetched_by(&other).await, Ok(1));
    std::fs::write(other_file.path(), "").unwrap();
    assert!(matches!(fetched_by(&other).await, Err(FetchError::CaFile(_))));
    assert!(
        matches!(client_of(other_file.path(), other.reach), Err(problem) if problem.contains("no certificate"))
    );
}

#[tokio::test]
async fn the_token_is_read_at_each_fetch_and_shown_to_the_written_host_only() {
    let (_, ca_file, server) = with_certificate("localhost").await;
    let token_file = NamedTempFile::new().unwrap();
    let settings = FetchSettings {
        ca_file: Some(ca_file.path().to_owned()),
        token_file: Some(token_file.path().to_owned()),
        ..FetchSettings::default()
    };
    let fetcher = fetcher(Location::Keys(server.url("https", "localhost")), settings);
    for token in ["first", "second"] {
        std::fs::write(token_file.path(), format!("{token}\n")).unwrap();
        assert_eq!(fetched_by(&fetcher).await, Ok(1));
        let request = server.requests.lock().unwrap().pop().unwrap();
        assert!(request.contains(&format!("authorization: Bearer {token}\r\n")), "{request}");
    }
    std::fs::write(token_file.path(), "two words").unwrap();
    let refused = fetched_by(&fetcher).await.unwrap_err();
    assert!(matches!(&refused, FetchError::TokenFile(_)), "{refused}");
    assert!(!refused.to_string().contains("two words"), "{refused}");

    // Whom else a discovery document names is shown it only if the named CA vouches.
    std::fs::write(token_file.path(), "third").unwrap();
    let shown = |fetcher: &KeyFetcher, url: &str| {
        fetcher.token_for(&JwksUrl::parse(url).unwrap()).unwrap().is_some()
    };
    let same = server.url("https", "localhost").to_string();
    assert!(shown(&fetcher, &same) && shown(&fetcher, "https://10.0.0.1:6443/openid/v1/jwks"));
    assert!(!shown(&fetcher, "http://127.0.0.1/jwks"));
    let settings = FetchSettings { ca_file: None, ..fetcher.settings.clone() };
    let without_ca = self::fetcher(Location::Keys(server.url("http", "localhost")), settings);
    assert!(shown(&without_ca, &server.url("http", "localhost").to_string()));
    assert!(!shown(&without_ca, &same) && !shown(&without_ca, "https://idp.example/"));
}
