//! What a token allows its bearer: scopes and authorization details, which only ever
//! narrow along a chain.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::IdentityError;

/// What tokens state of what they allow. What is not stated is `None`, which is not the
/// same as nothing: who looks at it decides what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// `scope` (RFC 8693 section 4.2).
    pub scopes: Option<BTreeSet<String>>,
    /// `authorization_details` (RFC 9396 section 2): objects, each with a `type`.
    pub details: Option<Vec<Value>>,
}

impl Authority {
    /// What `claims` state. Each `act` that states scopes as well, which its hop had,
    /// must have had those that were passed on.
    pub(super) fn read(claims: &Map<String, Value>) -> Result<Self, IdentityError> {
        let authority = Self { scopes: scopes(claims)?, details: details(claims)? };
        let mut passed_on = authority.scopes.clone();
        let mut hop = claims.get("act").and_then(Value::as_object);
        while let Some(act) = hop {
            if let Some(had) = scopes(act)? {
                if passed_on.is_some_and(|scopes| !scopes.is_subset(&had)) {
                    return Err(IdentityError::ScopeWidened);
                }
                passed_on = Some(had);
            }
            hop = act.get("act").and_then(Value::as_object);
        }
        Ok(authority)
    }

    /// What both allow. One that states nothing does not narrow the other.
    #[must_use]
    pub fn narrowed_by(&self, other: &Self) -> Self {
        Self {
            scopes: both(self.scopes.as_ref(), other.scopes.as_ref(), |scopes, others| {
                scopes.intersection(others).cloned().collect()
            }),
            details: both(self.details.as_ref(), other.details.as_ref(), |details, others| {
                details.iter().filter(|detail| others.contains(detail)).cloned().collect()
            }),
        }
    }

    /// What a token that comes of this one may state: nothing that this one does not
    /// state, and nothing that the token of its actor, `actor`, states otherwise.
    #[must_use]
    pub fn passed_on_to(&self, actor: &Self) -> Self {
        let narrowed = self.narrowed_by(actor);
        Self {
            scopes: self.scopes.as_ref().and(narrowed.scopes),
            details: self.details.as_ref().and(narrowed.details),
        }
    }

    /// The types of the details, if any are stated.
    pub fn detail_types(&self) -> Option<BTreeSet<&str>> {
        let details = self.details.as_ref()?;
        Some(details.iter().filter_map(|detail| detail["type"].as_str()).collect())
    }
}

fn both<T: Clone>(one: Option<&T>, other: Option<&T>, narrow: impl Fn(&T, &T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(narrow(one, other)),
        (stated, None) | (None, stated) => stated.cloned(),
    }
}

/// A space-separated string, or the array that some issuers write instead; `scp` is
/// Microsoft's name for it.
fn scopes(claims: &Map<String, Value>) -> Result<Option<BTreeSet<String>>, IdentityError> {
    let malformed = IdentityError::ClaimsMalformed("`scope` is not a list of scopes");
    let Some(value) = claims.get("scope").or_else(|| claims.get("scp")) else { return Ok(None) };
    // What has a space in it is several scopes wherever it is written on.
    let one = |item: &Value| item.as_str().filter(|scope| is_scope(scope)).map(str::to_owned);
    let scopes: Option<BTreeSet<_>> = match value {
        Value::String(text) => Some(text.split_ascii_whitespace().map(str::to_owned).collect()),
        Value::Array(items) => items.iter().map(one).collect(),
        _ => None,
    };
    scopes.map(Some).ok_or(malformed)
}

/// `scope-token` in RFC 6749 section 3.3, besides quotes and backslashes, which some
/// issuers have in them.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn details(claims: &Map<String, Value>) -> Result<Option<Vec<Value>>, IdentityError> {
    let Some(value) = claims.get("authorization_details") else { return Ok(None) };
    let typed = |details: &&Vec<Value>| details.iter().all(|detail| detail["type"].is_string());
    value.as_array().filter(typed).cloned().map(Some).ok_or(IdentityError::ClaimsMalformed(
        "`authorization_details` is not a list of objects that have a `type`",
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(claims: &Value) -> Result<Authority, &'static str> {
        Authority::read(claims.as_object().unwrap()).map_err(|error| error.code())
    }

    #[test]
    fn scopes_are_a_string_or_a_list() {
        let expected = Some(["a".to_owned(), "b".to_owned()].into());
        for claims in
            [json!({ "scope": "b  a" }), json!({ "scope": ["a", "b"] }), json!({ "scp": "a b" })]
        {
            assert_eq!(read(&claims).unwrap().scopes, expected, "{claims}");
        }
        assert_eq!(read(&json!({})).unwrap(), Authority::default());
        assert_eq!(read(&json!({ "scope": "" })).unwrap().scopes, Some(BTreeSet::new()));
        for odd in [json!(7), json!(["a", 7]), json!(["a b"]), json!([""]), json!({}), json!(null)]
        {
            assert_eq!(read(&json!({ "scope": odd })), Err("claims_malformed"), "{odd}");
        }
    }

    #[test]
    fn details_have_a_type() {
        let detail = json!({ "type": "payment", "amount": 7 });
        let read_details = read(&json!({ "authorization_details": [detail] })).unwrap();
        assert_eq!(read_details.detail_types(), Some(["payment"].into()));
        for odd in [json!(detail), json!([{}]), json!(["x"]), json!([{ "type": 1 }])] {
            let claims = json!({ "authorization_details": odd });
            assert_eq!(read(&claims), Err("claims_malformed"), "{odd}");
        }
    }

    #[test]
    fn scopes_that_a_hop_states_narrow_on_their_way() {
        let chain = |outer: &str, middle: Option<&str>, inner: &str| {
            let mut act = json!({ "sub": "m", "act": { "sub": "i", "scope": inner } });
            if let Some(middle) = middle {
                act["scope"] = json!(middle);
            }
            read(&json!({ "scope": outer, "act": act })).map(|authority| authority.scopes)
        };
        assert!(chain("a", Some("a b"), "a b c").is_ok());
        assert!(chain("a", None, "a b c").is_ok());
        assert_eq!(chain("a b", Some("a"), "a b"), Err("scope_widened"));
        assert_eq!(chain("a", Some("a b"), "a"), Err("scope_widened"));
        assert_eq!(chain("b", None, "a"), Err("scope_widened"));
    }

    fn authorities() -> impl Strategy<Value = Authority> {
        let scopes = proptest::option::of(proptest::collection::btree_set("[a-d]", 0..4));
        let details = proptest::option::of(proptest::collection::vec("[a-d]", 0..4));
        (scopes, details).prop_map(|(scopes, details)| Authority {
            scopes,
            details: details
                .map(|types| types.iter().map(|kind| json!({ "type": kind })).collect()),
        })
    }

    proptest! {
        #[test]
        fn narrowing_never_widens(one in authorities(), other in authorities()) {
            let narrowed = one.narrowed_by(&other);
            for wider in [&one, &other] {
                if let Some(scopes) = &wider.scopes {
                    prop_assert!(narrowed.scopes.as_ref().unwrap().is_subset(scopes));
                }
                if let Some(details) = &wider.details {
                    let left = narrowed.details.as_ref().unwrap();
                    prop_assert!(left.iter().all(|detail| details.contains(detail)));
                }
            }
            prop_assert_eq!(&narrowed.narrowed_by(&one), &narrowed);
            let passed_on = one.passed_on_to(&other);
            prop_assert_eq!(passed_on.scopes.is_some(), one.scopes.is_some());
            prop_assert_eq!(passed_on.details.is_some(), one.details.is_some());
            prop_assert_eq!(&passed_on.narrowed_by(&narrowed), &narrowed);
        }
    }
}
