use serde_json::json;

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
