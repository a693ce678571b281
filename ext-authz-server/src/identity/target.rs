//! The URL that a proof of possession is made for (`htu`, RFC 9449 section 4.3).

use std::fmt;

use reqwest::Url;

use super::presented::Presented;

/// The URL at which callers know a service, where that is not the one that Envoy sees:
/// TLS may end in front of it, and hosts and paths be rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl(String);

/// The text is no URL that a service can be known at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a service's external URL is an http or https URL without query and fragment, such as https://api.example"
)]
pub struct ExternalUrlError;

impl ExternalUrl {
    /// The URL `text` is.
    ///
    /// # Example
    ///
    /// ```
    /// use chaperone::identity::ExternalUrl;
    ///
    /// assert!(ExternalUrl::parse("https://api.example/v1").is_ok());
    /// assert!(ExternalUrl::parse("api.example").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, ExternalUrlError> {
        if text.contains(['?', '#']) {
            return Err(ExternalUrlError);
        }
        let base = text.trim_end_matches('/');
        Target::parse(base).map(|_| Self(base.to_owned())).ok_or(ExternalUrlError)
    }

    /// Its host, with its port where it has one.
    pub fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split_once('/').map_or(rest, |(authority, _)| authority)
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `htu` is the URL that the request was sent to: as Envoy sees it, or below
/// the URL at which callers know the service. Query and fragment do not count.
pub(super) fn is_target(htu: &str, presented: &Presented<'_>) -> bool {
    let Some(named) = Target::parse(htu) else { return false };
    let Presented { scheme, authority, path, external_url, .. } = presented;
    let seen = Target::parse(&format!("{scheme}://{authority}{path}"));
    let known = external_url.and_then(|ExternalUrl(base)| Target::parse(&format!("{base}{path}")));
    [seen, known].into_iter().flatten().any(|target| target == named)
}

/// A URL without what does not count, in the form that all its spellings share
/// (RFC 3986 sections 6.2.2 and 6.2.3).
#[derive(Debug, PartialEq, Eq)]
struct Target {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        // Url mends what browsers mend: `\` becomes `/`, tabs and spaces go. A URL that
        // needs that is none.
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let (scheme, rest) = text.split_once("://").filter(|_| printable)?;
        if rest.starts_with('/') {
            return None;
        }
        let url = Url::parse(&format!("{scheme}://{}", unreserved_decoded(rest))).ok()?;
        let web = matches!(url.scheme(), "http" | "https");
        if !web || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default(),
            path: url.path().to_owned(),
        })
    }
}

/// Escapes of characters that need none are the characters (section 6.2.2.2); other
/// escapes are in capitals (section 6.2.2.1).
fn unreserved_decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let escape = after.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                decoded.push(char::from(byte));
            }
            Some(byte) => {
                let digits = hex::encode_upper([byte]);
                decoded.extend(["%", digits.as_str()]);
            }
            None => {
                decoded.push('%');
                rest = after;
                continue;
            }
        }
        rest = after.get(2..).unwrap_or_default();
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request<'a>(scheme: &'a str, authority: &'a str, path: &'a str) -> Presented<'a> {
        Presented { scheme, authority, path, ..Presented::default() }
    }

    #[test]
    fn every_spelling_of_a_url_is_the_same_target() {
        let presented = request("https", "api.example", "/v1/%7Ejobs/a%2Fb");
        for htu in [
            "https://api.example/v1/~jobs/a%2Fb",
            "https://api.example:443/v1/~jobs/a%2fb",
            "HTTPS://API.example/v1/%7ejobs/a%2Fb?page=2#top",
            "https://api.example/v1/x/../%7Ejobs/./a%2Fb",
            "https://%61pi.example/v1/~jobs/a%2Fb",
        ] {
            assert!(is_target(htu, &presented), "{htu}");
        }
        assert!(is_target("https://api.example", &request("https", "api.example:443", "/")));
        assert!(is_target("http://[::1]:80/a", &request("http", "[::1]", "/a")));
    }

    #[test]
    fn another_url_is_another_target() {
        let presented = request("https", "api.example", "/v1/jobs");
        for htu in [
            "http://api.example/v1/jobs",
            "https://api.example:8443/v1/jobs",
            "https://api.example/v1/jobs/",
            "https://api.example/v1/Jobs",
            "https://api.example//v1/jobs",
            "https://api.example/v1%2Fjobs",
            "https://api.example.evil.example/v1/jobs",
            "https://user@api.example/v1/jobs",
            "https:///api.example/v1/jobs",
            "https:\\\\api.example\\v1\\jobs",
            "https://api.example/v1/jobs ",
            " https://api.example/v1/jobs",
            "https://api.example/v1/\tjobs",
            "//api.example/v1/jobs",
            "/v1/jobs",
            "api.example/v1/jobs",
            "",
        ] {
            assert!(!is_target(htu, &presented), "{htu:?}");
        }
        assert!(!is_target("ftp://api.example/", &request("ftp", "api.example", "/")));
        assert!(!is_target("", &Presented::default()), "nothing is sent to nowhere");
    }

    #[test]
    fn a_service_is_known_at_its_external_url_too() {
        let url = ExternalUrl::parse("https://api.example/shop/").unwrap();
        let presented = Presented {
            external_url: Some(&url),
            ..request("http", "shop.internal:8080", "/jobs")
        };
        assert!(is_target("https://api.example/shop/jobs", &presented));
        assert!(is_target("http://shop.internal:8080/jobs", &presented));
        assert!(!is_target("https://api.example/jobs", &presented));
        assert_eq!(url.authority(), "api.example");
        assert_eq!(ExternalUrl::parse("http://[::1]:80").unwrap().authority(), "[::1]:80");
        for odd in ["api.example", "ftp://api.example", "https://api.example/?a", "https://a@b", ""]
        {
            assert_eq!(ExternalUrl::parse(odd), Err(ExternalUrlError), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_comparing_panic(htu in "\\PC{0,60}", path in "/[%a-zA-Z0-9./]{0,20}") {
            is_target(&htu, &request("https", "api.example", &path));
        }

        #[test]
        fn a_url_is_its_own_target_and_not_that_of_a_longer_path(path in "(/[a-z%0-9A-F~.-]{1,8}){0,4}") {
            let htu = format!("https://api.example{path}");
            let presented = request("https", "api.example", &path);
            prop_assert!(is_target(&htu, &presented));
            let longer = format!("{htu}/x");
            prop_assert!(!is_target(&longer, &presented));
        }
    }
}
