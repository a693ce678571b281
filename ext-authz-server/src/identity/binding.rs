//! Which workload may show a token: a token's subject and the peer of its connection
//! must be one and the same.

use std::str::FromStr;

use super::chain::Hop;
use super::spiffe::{SpiffeId, is_segment};

/// Which peer an issuer's tokens must come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerBinding {
    /// The workload that the token names: its subject is a SPIFFE ID (JWT-SVID).
    Same,
    /// The workload whose ID is made of what the token says.
    Template(SpiffeTemplate),
}

/// A SPIFFE ID with `{name}` where the current actor's attribute `name` goes, such as
/// `spiffe://cluster.local/ns/{namespace}/sa/{service_account}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffeTemplate(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Attribute(String),
}

/// The text is no binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a peer binding is `same`, or a SPIFFE ID with attributes in braces, such as \
     spiffe://cluster.local/ns/{{namespace}}/sa/{{service_account}}"
)]
pub struct PeerBindingError;

impl PeerBinding {
    /// Whether the workload `id` may show a token whose current actor is `actor`.
    pub(super) fn allows(&self, actor: &Hop, id: &SpiffeId) -> bool {
        match self {
            Self::Same => actor.principal.subject == id.as_str(),
            Self::Template(template) => {
                template.filled(actor).is_some_and(|text| text == id.as_str())
            }
        }
    }
}

impl FromStr for PeerBinding {
    type Err = PeerBindingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "same" {
            return Ok(Self::Same);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(PeerBindingError)?;
            let named = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(named) {
                return Err(PeerBindingError);
            }
            pieces.extend([Piece::Text(before.to_owned()), Piece::Attribute(name.to_owned())]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let template = SpiffeTemplate(pieces);
        // With any name in the place of an attribute it is an ID, and the trust domain
        // is not the token's to name.
        let written = template.with(|_| Some("x")).ok_or(PeerBindingError)?;
        let domain = text.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
        if written.parse::<SpiffeId>().is_err() || domain.is_none_or(|domain| domain.contains('{'))
        {
            return Err(PeerBindingError);
        }
        Ok(Self::Template(template))
    }
}

impl SpiffeTemplate {
    fn filled(&self, actor: &Hop) -> Option<String> {
        self.with(|name| match name {
            "subject" => Some(actor.principal.subject.as_str()),
            name => actor.attributes.get(name).map(String::as_str),
        })
    }

    /// Filled with what `value` says. A value that were more than a part of a segment
    /// could name another workload.
    fn with<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Attribute(name) => {
                    filled.push_str(value(name).filter(|value| is_segment(value))?);
                }
            }
        }
        Some(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::Assurance;
    use super::*;

    fn hop(subject: &str, attributes: &[(&str, &str)]) -> Hop {
        let principal = format!("k8s/{subject}").parse().unwrap();
        let mut hop = Hop::new(principal, Assurance::Proven, [].into());
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        hop.attributes = attributes.iter().map(owned).collect();
        hop
    }

    fn allows(binding: &str, hop: &Hop, id: &str) -> bool {
        binding.parse::<PeerBinding>().unwrap().allows(hop, &id.parse().unwrap())
    }

    #[test]
    fn a_token_comes_from_the_workload_that_it_names() {
        let template = "spiffe://cluster.local/ns/{namespace}/sa/{service_account}";
        let job = hop("job", &[("namespace", "shop"), ("service_account", "deploy")]);
        assert!(allows(template, &job, "spiffe://cluster.local/ns/shop/sa/deploy"));
        assert!(!allows(template, &job, "spiffe://cluster.local/ns/shop/sa/other"));
        assert!(!allows(template, &job, "spiffe://other.local/ns/shop/sa/deploy"));
        assert!(!allows(template, &hop("job", &[]), "spiffe://cluster.local/ns/x/sa/x"));
        let svid = hop("spiffe://a/job", &[]);
        assert!(allows("same", &svid, "spiffe://a/job"));
        assert!(!allows("same", &svid, "spiffe://a/jobs"));
        assert!(allows("spiffe://a/{subject}-pod", &job, "spiffe://a/job-pod"));
    }

    #[test]
    fn an_attribute_fills_no_more_than_its_place() {
        let template = "spiffe://a/ns/{namespace}/sa/{service_account}";
        for namespace in ["shop/sa/admin/x", "..", ".", "", "a b", "a%2Fb"] {
            let job = hop("job", &[("namespace", namespace), ("service_account", "deploy")]);
            assert!(!allows(template, &job, "spiffe://a/ns/shop/sa/admin"), "{namespace}");
        }
    }

    #[test]
    fn what_is_no_template_of_an_id_is_refused() {
        for odd in [
            "",
            "Same",
            "https://a/{b}",
            "spiffe://{domain}/a",
            "spiffe://a.{b}/c",
            "spiffe://a",
            "spiffe://a/{b",
            "spiffe://a/{}",
            "spiffe://a/{b c}",
            "spiffe://a/b}",
            "spiffe://a/{b}/",
        ] {
            assert_eq!(odd.parse::<PeerBinding>(), Err(PeerBindingError), "{odd}");
        }
    }
}
