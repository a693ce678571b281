//! Tickets: who asked for a list of tools, told to the filter under a seal and handed
//! back by it, so that any server can say what they are shown and none has to remember.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chaperone_inspection::seal::FactsKey;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::identity::{Assurance, Chain, CredentialKind, GroupName, Hop, Principal};
use crate::policy::TokenContext;
use crate::time::UnixMillis;

/// Keeps this MAC apart from others with the same key.
const DOMAIN: &[u8] = b"chaperone list ticket v1\0";

/// How long a server may take to list its tools.
const LIFETIME: Duration = Duration::from_mins(5);

/// Who asked for a list of tools, of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The decision on the request.
    pub decision: String,
    /// When it was made.
    pub at: UnixMillis,
    /// The service.
    pub service: String,
    /// The path of the route.
    pub route: String,
    /// The authority that was called.
    pub host: String,
    /// The path that was called, without its query.
    pub path: String,
    /// What the credential said besides its chain.
    pub token: TokenContext,
    hops: Vec<TicketHop>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketHop {
    principal: Principal,
    assurance: Assurance,
    groups: BTreeSet<String>,
    attributes: BTreeMap<String, String>,
    credential: CredentialKind,
}

/// A ticket is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// No key of ours made it.
    #[error("the ticket is not sealed with a facts key")]
    Seal,
    /// It is of another decision.
    #[error("the ticket is of another decision")]
    Decision,
    /// It is too old, or from the future.
    #[error("the ticket is outside its time window")]
    Stale,
    /// What is in it cannot be read: another version made it.
    #[error("the ticket cannot be read")]
    Malformed,
}

/// What a ticket is made for.
#[derive(Clone, Copy, Debug)]
pub struct TicketOrder<'a> {
    /// The decision on the request.
    pub decision: &'a str,
    /// The service.
    pub service: &'a str,
    /// The path of the route.
    pub route: &'a str,
    /// The authority that is called.
    pub host: &'a str,
    /// The path that is called, without its query.
    pub path: &'a str,
    /// What the credential says besides its chain.
    pub token: &'a TokenContext,
    /// Who calls, for whom.
    pub chain: &'a Chain,
}

impl Ticket {
    /// A ticket that is good from `at` on.
    pub fn new(order: &TicketOrder<'_>, at: UnixMillis) -> Self {
        let hop = |hop: &Hop| TicketHop {
            principal: hop.principal.clone(),
            assurance: hop.assurance,
            groups: hop.groups.iter().map(ToString::to_string).collect(),
            attributes: hop.attributes.clone(),
            credential: hop.credential,
        };
        Self {
            decision: order.decision.to_owned(),
            at,
            service: order.service.to_owned(),
            route: order.route.to_owned(),
            host: order.host.to_owned(),
            path: order.path.to_owned(),
            token: order.token.clone(),
            hops: order.chain.hops().iter().map(hop).collect(),
        }
    }

    /// The chain that asked.
    pub fn chain(&self) -> Result<Chain, TicketError> {
        let hop = |hop: &TicketHop| {
            let groups = hop.groups.iter().map(|name| name.parse::<GroupName>());
            let groups = groups.collect::<Result<_, _>>().map_err(|_| TicketError::Malformed)?;
            Ok(Hop {
                attributes: hop.attributes.clone(),
                credential: hop.credential,
                ..Hop::new(hop.principal.clone(), hop.assurance, groups)
            })
        };
        let hops = self.hops.iter().map(hop).collect::<Result<_, _>>()?;
        Chain::new(hops).map_err(|_| TicketError::Malformed)
    }

    /// The ticket as text, sealed with `key`.
    pub fn seal(&self, key: &FactsKey) -> String {
        // Strings and numbers always have a JSON form.
        let payload = serde_json::to_vec(self).unwrap_or_default();
        let mac = key.mac(&sealed(&payload));
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&payload), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The ticket that `text` is, if one of `keys` sealed it for `decision` and not too
    /// long ago.
    pub fn open(
        keys: &[FactsKey],
        text: &str,
        decision: &str,
        now: UnixMillis,
    ) -> Result<Self, TicketError> {
        let (payload, mac) = text.split_once('.').ok_or(TicketError::Seal)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TicketError::Seal);
        let (payload, mac) = (decode(payload)?, decode(mac)?);
        let bytes = sealed(&payload);
        if !keys.iter().any(|key| key.verify(&bytes, &mac)) {
            return Err(TicketError::Seal);
        }
        let ticket: Self = serde_json::from_slice(&payload).map_err(|_| TicketError::Malformed)?;
        if ticket.decision != decision {
            return Err(TicketError::Decision);
        }
        let lifetime = i64::try_from(LIFETIME.as_millis()).unwrap_or(i64::MAX);
        let age = now.millis().saturating_sub(ticket.at.millis());
        if age.abs() > lifetime { Err(TicketError::Stale) } else { Ok(ticket) }
    }
}

fn sealed(payload: &[u8]) -> Vec<u8> {
    [DOMAIN, payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

    fn key(id: &str) -> FactsKey {
        FactsKey::new(id, id.repeat(32).into_bytes()).unwrap()
    }

    fn ticket() -> Ticket {
        let mut hop = Hop::new(
            "github/repo:acme/shop".parse().unwrap(),
            Assurance::Proven,
            BTreeSet::from(["ci-jobs".parse().unwrap()]),
        );
        hop.attributes.insert("ref".to_owned(), "main".to_owned());
        hop.credential = CredentialKind::Token;
        let order = TicketOrder {
            decision: "dec_1",
            service: "tools",
            route: "/mcp",
            host: "tools.example",
            path: "/mcp",
            token: &TokenContext { scopes: Some(BTreeSet::new()), ..TokenContext::default() },
            chain: &Chain::new(vec![hop]).unwrap(),
        };
        let ticket = Ticket::new(&order, NOW);
        assert_eq!(ticket.chain().as_ref(), Ok(order.chain));
        ticket
    }

    #[test]
    fn a_ticket_opens_for_its_decision_in_its_time_under_any_key() {
        let text = ticket().seal(&key("a"));
        let keys = [key("b"), key("a")];
        assert_eq!(Ticket::open(&keys, &text, "dec_1", NOW), Ok(ticket()));
        assert_eq!(Ticket::open(&keys, &text, "dec_2", NOW), Err(TicketError::Decision));
        assert_eq!(Ticket::open(&keys[..1], &text, "dec_1", NOW), Err(TicketError::Seal));
        let late = NOW.after(LIFETIME + Duration::from_millis(1));
        assert_eq!(Ticket::open(&keys, &text, "dec_1", late), Err(TicketError::Stale));
    }

    #[test]
    fn no_changed_byte_of_a_ticket_opens() {
        let text = ticket().seal(&key("a"));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(Ticket::open(&[key("a")], &changed, "dec_1", NOW).is_err(), "byte {at}");
        }
    }
}
