//! What a request shows of who sends it.

use std::fmt;
use std::str::FromStr;

use super::peer::PeerAttributes;
use super::target::ExternalUrl;

/// The credentials of one request, and what a proof of possession is bound to.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// The value of the `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The value of the header that holds the second credential, where one is
    /// configured.
    pub second: Option<&'a str>,
    /// The value of the header that holds an API key, where one is configured.
    pub api_key: Option<&'a str>,
    /// The value of the `DPoP` header.
    pub proof: Option<&'a str>,
    /// The method of the request.
    pub method: &'a str,
    /// The scheme of the request's URL.
    pub scheme: &'a str,
    /// The host of the request's URL, with its port.
    pub authority: &'a str,
    /// The path of the request's URL, without its query.
    pub path: &'a str,
    /// The URL at which callers know the service, where that is another one.
    pub external_url: Option<&'a ExternalUrl>,
    /// Whoever is at the other end of the connection.
    pub peer: PeerAttributes<'a>,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("method", &self.method)
            .field("authority", &self.authority)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Where requests carry a second credential, beside `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondCredential {
    /// The header.
    pub header: HeaderName,
    /// What it holds.
    pub holds: Holds,
}

/// What a second credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// On whose behalf, through whom: a transaction token or another subject token.
    /// `Authorization` says who calls.
    Subject,
    /// Who calls. `Authorization` says on whose behalf.
    Actor,
}

/// The name of a header that credentials may be in, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(String);

/// The text is no header that a credential may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderNameError {
    /// It is no name.
    #[error("a header's name is made of letters, digits and `-`")]
    NotAName,
    /// It means something else already.
    #[error("this header means something else already; take another")]
    Taken,
}

impl FromStr for HeaderName {
    type Err = HeaderNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(HeaderNameError::NotAName);
        }
        let name = text.to_ascii_lowercase();
        let taken = ["authorization", "dpop", "host", "cookie", "x-forwarded-client-cert"];
        if taken.contains(&name.as_str()) || name.starts_with("x-chaperone-") {
            return Err(HeaderNameError::Taken);
        }
        Ok(Self(name))
    }
}

impl HeaderName {
    /// `Authorization`.
    pub fn authorization() -> Self {
        Self("authorization".to_owned())
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_not_put_into_a_header_that_means_something_else() {
        assert_eq!("Txn-Token".parse::<HeaderName>().unwrap().as_str(), "txn-token");
        for taken in ["Authorization", "dpop", "X-Chaperone-Facts"] {
            assert_eq!(taken.parse::<HeaderName>(), Err(HeaderNameError::Taken), "{taken}");
        }
        for odd in ["", "a b", "a:", ":path"] {
            assert_eq!(odd.parse::<HeaderName>(), Err(HeaderNameError::NotAName), "{odd}");
        }
    }
}
