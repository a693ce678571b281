//! A service as an OAuth protected resource (RFC 9728): the document that tells
//! callers whose tokens it takes, and where that is.

use std::sync::Arc;

use reqwest::Url;
use serde_json::{Map, Value, json};

/// The well-known name (RFC 9728 section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// A protected resource. Its document is served to whoever asks, without a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// Where callers find the document.
    pub metadata_url: String,
    /// The path of that URL.
    pub metadata_path: String,
    /// The document.
    pub document: Arc<str>,
}

/// What a resource tells of itself.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The issuers whose tokens it takes.
    pub authorization_servers: Vec<String>,
    /// The scopes that tokens for it may have.
    pub scopes: Vec<String>,
    /// The algorithms that proofs of possession may be signed with.
    pub proof_algorithms: Vec<&'static str>,
    /// Its name, for people.
    pub name: Option<String>,
    /// A page about it, for developers.
    pub documentation: Option<String>,
}

/// The URL is no protected resource's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a resource is named by the https URL that its callers use, without query and fragment")]
pub struct ResourceUrlError;

impl ProtectedResource {
    /// The resource that callers know as `url`: `https`, or `http` for a resource that
    /// only this machine or a test reaches.
    ///
    /// # Example
    ///
    /// ```
    /// use chaperone::resource::{Description, ProtectedResource};
    ///
    /// let url = "https://customers.example/mcp";
    /// let resource = ProtectedResource::new(url, Description::default()).unwrap();
    /// let expected = "https://customers.example/.well-known/oauth-protected-resource/mcp";
    /// assert_eq!(resource.metadata_url, expected);
    /// ```
    pub fn new(url: &str, description: Description) -> Result<Self, ResourceUrlError> {
        let parsed = Url::parse(url).map_err(|_| ResourceUrlError)?;
        let plain = parsed.query().is_none() && parsed.fragment().is_none();
        let nobody = parsed.username().is_empty() && parsed.password().is_none();
        if !["https", "http"].contains(&parsed.scheme()) || !plain || !nobody {
            return Err(ResourceUrlError);
        }
        // Section 3.1: the name goes between host and path, less a final slash.
        let metadata_path = format!("{WELL_KNOWN}{}", parsed.path().trim_end_matches('/'));
        let origin = parsed.origin().ascii_serialization();
        Ok(Self {
            metadata_url: format!("{origin}{metadata_path}"),
            metadata_path,
            document: document(url, description).to_string().into(),
        })
    }
}

fn document(url: &str, description: Description) -> Value {
    let Description { authorization_servers, scopes, proof_algorithms, name, documentation } =
        description;
    let mut document = Map::new();
    let mut tell = |member: &str, value: Value| {
        let nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !nothing {
            document.insert(member.to_owned(), value);
        }
    };
    // Section 2. A client compares `resource` with what it called, byte for byte.
    tell("resource", url.into());
    tell("authorization_servers", authorization_servers.into());
    tell("scopes_supported", scopes.into());
    tell("bearer_methods_supported", json!(["header"]));
    tell("dpop_signing_alg_values_supported", proof_algorithms.into());
    tell("resource_name", name.into());
    tell("resource_documentation", documentation.into());
    document.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str) -> ProtectedResource {
        ProtectedResource::new(url, Description::default()).unwrap()
    }

    #[test]
    fn the_document_is_where_clients_look_for_it() {
        let path = |url| named(url).metadata_path;
        assert_eq!(path("https://a.example"), WELL_KNOWN);
        assert_eq!(path("https://a.example/"), WELL_KNOWN);
        assert_eq!(path("https://a.example/x/y"), format!("{WELL_KNOWN}/x/y"));
        let url = named("https://a.example:8443/mcp").metadata_url;
        assert_eq!(url, format!("https://a.example:8443{WELL_KNOWN}/mcp"));
    }

    #[test]
    fn the_document_tells_what_there_is_to_tell() {
        let description = Description {
            authorization_servers: vec!["https://idp.example".into()],
            scopes: vec!["read".into()],
            proof_algorithms: vec!["ES256"],
            name: Some("Customers".into()),
            documentation: None,
        };
        let resource = ProtectedResource::new("https://a.example/mcp", description).unwrap();
        let told: Value = serde_json::from_str(&resource.document).unwrap();
        let expected = json!({
            "resource": "https://a.example/mcp",
            "authorization_servers": ["https://idp.example"],
            "scopes_supported": ["read"],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256"],
            "resource_name": "Customers",
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_no_caller_calls_is_no_resource() {
        for url in [
            "a.example",
            "ftp://a.example",
            "https://a.example?x",
            "https://a.example/#x",
            "https://u:p@a.example",
        ] {
            let refused = ProtectedResource::new(url, Description::default());
            assert_eq!(refused, Err(ResourceUrlError), "{url}");
        }
    }
}
