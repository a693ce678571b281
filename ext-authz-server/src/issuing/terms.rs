//! What a token that comes of an exchange is for, and how long: never more than its
//! parent, whatever is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::time::UnixMillis;

/// What the configuration allows tokens to be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeTerms {
    /// The server itself: a token with this `aud` is good for exchanges and for
    /// nothing else, and a parent for it may become a token for any audience here.
    pub server: String,
    /// The other audiences, and the service that each is of.
    pub audiences: BTreeMap<String, String>,
    /// The scopes that a token may get whose parent says nothing of scopes.
    pub scopes: BTreeSet<String>,
    /// How long a token lives when nobody asks for less.
    pub lifetime: Duration,
    /// How long a token lives at most.
    pub max_lifetime: Duration,
}

impl ExchangeTerms {
    /// Every audience, the server's own among them.
    pub fn everywhere(&self) -> BTreeSet<String> {
        self.audiences.keys().cloned().chain([self.server.clone()]).collect()
    }

    /// The service that `audience` is of, as policies name it.
    pub fn service_of<'a>(&'a self, audience: &str) -> Option<&'a str> {
        if audience == self.server {
            return Some(SERVER);
        }
        self.audiences.get(audience).map(String::as_str)
    }
}

/// The name in policies of the server as a service: what tokens for further exchanges
/// are for.
pub const SERVER: &str = "chaperone";

/// What bounds a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Whom the parent's token is for.
    pub audiences: BTreeSet<String>,
    /// Its scopes that the actor may have; `None` when it says nothing of scopes.
    pub scopes: Option<BTreeSet<String>>,
    /// The scopes of the actor's token; `None` when that says nothing of scopes.
    pub actor_scopes: Option<BTreeSet<String>>,
    /// When it, or the actor's token, expires.
    pub expires_at: UnixMillis,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Whom the token is to be for; may be left out where only one is possible.
    pub audience: Option<String>,
    /// Its scopes; the parent's when left out.
    pub scopes: Option<BTreeSet<String>>,
    /// How long it is to live.
    pub lifetime: Option<Duration>,
}

/// What a token is for, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTerms {
    /// Whom it is for: one only.
    pub audience: String,
    /// Its scopes; `None` when it says nothing of them.
    pub scopes: Option<BTreeSet<String>>,
    /// When it expires, in whole seconds.
    pub expires_at: UnixMillis,
}

/// Why something is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Nobody is named, and there are several.
    #[error("name the audience: the parent's token may become one for several")]
    AudienceMissing,
    /// The parent's token is not for it.
    #[error(
        "the audience is wider than that of the parent's token, or none that tokens are made for"
    )]
    AudienceWider,
    /// The parent's token does not have it.
    #[error("a scope is asked for that the parent's token does not have")]
    ScopeWider,
    /// A token of no life is none.
    #[error("the token would expire at once")]
    NoLifetime,
}

impl TermsError {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AudienceMissing => "audience_missing",
            Self::AudienceWider => "audience_wider",
            Self::ScopeWider => "scope_wider",
            Self::NoLifetime => "lifetime_empty",
        }
    }
}

/// The terms of a token that comes of `parent` at `now`.
pub fn narrow(
    parent: &Parent,
    wish: &Wish,
    allowed: &ExchangeTerms,
    now: UnixMillis,
) -> Result<TokenTerms, TermsError> {
    Ok(TokenTerms {
        audience: audience(parent, wish.audience.as_deref(), allowed)?,
        scopes: scopes(parent, wish.scopes.as_ref(), allowed)?,
        expires_at: expiry(parent, wish.lifetime, allowed, now)?,
    })
}

fn audience(
    parent: &Parent,
    wish: Option<&str>,
    allowed: &ExchangeTerms,
) -> Result<String, TermsError> {
    let mut possible = allowed.everywhere();
    if !parent.audiences.contains(&allowed.server) {
        possible.retain(|audience| parent.audiences.contains(audience));
    }
    match wish {
        Some(audience) if possible.contains(audience) => Ok(audience.to_owned()),
        Some(_) => Err(TermsError::AudienceWider),
        None => {
            let mut possible = possible.into_iter();
            match (possible.next(), possible.next()) {
                (Some(only), None) => Ok(only),
                (Some(_), Some(_)) => Err(TermsError::AudienceMissing),
                (None, _) => Err(TermsError::AudienceWider),
            }
        }
    }
}

fn scopes(
    parent: &Parent,
    wish: Option<&BTreeSet<String>>,
    allowed: &ExchangeTerms,
) -> Result<Option<BTreeSet<String>>, TermsError> {
    let Some(wish) = wish else { return Ok(parent.scopes.clone()) };
    // A parent that says nothing of scopes has none to pass on.
    let possible = parent.scopes.as_ref().unwrap_or(&allowed.scopes);
    let beyond = |scopes: &BTreeSet<String>| !wish.is_subset(scopes);
    if beyond(possible) || parent.actor_scopes.as_ref().is_some_and(beyond) {
        return Err(TermsError::ScopeWider);
    }
    Ok(Some(wish.clone()))
}

fn expiry(
    parent: &Parent,
    wish: Option<Duration>,
    allowed: &ExchangeTerms,
    now: UnixMillis,
) -> Result<UnixMillis, TermsError> {
    let lifetime = wish.unwrap_or(allowed.lifetime).min(allowed.max_lifetime);
    let expires = now.after(lifetime).min(parent.expires_at);
    let expires = UnixMillis::new(expires.seconds().saturating_mul(1000));
    if expires > now { Ok(expires) } else { Err(TermsError::NoLifetime) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_800_000_000_400);

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn allowed() -> ExchangeTerms {
        let audience = |name: &str| (name.to_owned(), name.to_owned());
        ExchangeTerms {
            server: "https://chaperone.example".to_owned(),
            audiences: [audience("customers"), audience("orders")].into(),
            scopes: set(&["ci"]),
            lifetime: Duration::from_secs(90),
            max_lifetime: Duration::from_mins(2),
        }
    }

    fn parent(audiences: &[&str], scopes: Option<&[&str]>) -> Parent {
        Parent {
            audiences: set(audiences),
            scopes: scopes.map(set),
            actor_scopes: None,
            expires_at: NOW.after(Duration::from_mins(10)),
        }
    }

    fn asked(parent: &Parent, wish: &Wish) -> Result<TokenTerms, &'static str> {
        narrow(parent, wish, &allowed(), NOW).map_err(TermsError::code)
    }

    fn audience(parent: &Parent, audience: Option<&str>) -> Result<String, &'static str> {
        let wish = Wish { audience: audience.map(str::to_owned), ..Wish::default() };
        asked(parent, &wish).map(|terms| terms.audience)
    }

    #[test]
    fn a_token_for_the_server_becomes_one_for_any_audience_and_any_other_stays_as_it_is() {
        let first = parent(&["https://chaperone.example"], None);
        assert_eq!(audience(&first, Some("orders")).unwrap(), "orders");
        assert!(audience(&first, Some("https://chaperone.example")).is_ok());
        assert_eq!(audience(&first, Some("payments")), Err("audience_wider"));
        assert_eq!(audience(&first, None), Err("audience_missing"));
        let second = parent(&["customers", "payments"], None);
        assert_eq!(audience(&second, None).unwrap(), "customers", "the only one");
        assert_eq!(audience(&second, Some("orders")), Err("audience_wider"));
        assert_eq!(audience(&second, Some("payments")), Err("audience_wider"));
        assert_eq!(audience(&second, Some("https://chaperone.example")), Err("audience_wider"));
        assert_eq!(audience(&parent(&["payments"], None), None), Err("audience_wider"));
    }

    #[test]
    fn scopes_are_those_of_the_parent_or_some_of_them() {
        let scopes = |parent: Option<&[&str]>, wish: Option<&[&str]>| {
            let wish = Wish { scopes: wish.map(set), ..Wish::default() };
            asked(&self::parent(&["orders"], parent), &wish).map(|terms| terms.scopes)
        };
        assert_eq!(scopes(Some(&["a", "b"]), None), Ok(Some(set(&["a", "b"]))));
        assert_eq!(scopes(Some(&["a", "b"]), Some(&["b"])), Ok(Some(set(&["b"]))));
        assert_eq!(scopes(Some(&["a"]), Some(&["ci"])), Err("scope_wider"));
        assert_eq!(scopes(Some(&[]), Some(&["a"])), Err("scope_wider"));
        assert_eq!(scopes(None, None), Ok(None));
        assert_eq!(scopes(None, Some(&["a"])), Err("scope_wider"));
        assert_eq!(scopes(None, Some(&["ci"])), Ok(Some(set(&["ci"]))), "as configured");
        // What the actor's own token does not have, they do not get in another way.
        let limited = Parent { actor_scopes: Some(set(&["x"])), ..parent(&["orders"], None) };
        let wish = Wish { scopes: Some(set(&["ci"])), ..Wish::default() };
        assert_eq!(asked(&limited, &wish).map(|terms| terms.scopes), Err("scope_wider"));
    }

    #[test]
    fn a_token_lives_as_long_as_is_asked_for_within_its_bounds() {
        let lives = |wish: Option<u64>, parent_lives: i64| {
            let expires_at = UnixMillis::new((1_800_000_000 + parent_lives) * 1000);
            let parent = Parent { expires_at, ..parent(&["orders"], None) };
            let wish = Wish { lifetime: wish.map(Duration::from_secs), ..Wish::default() };
            asked(&parent, &wish).map(|terms| terms.expires_at.seconds() - NOW.seconds())
        };
        assert_eq!(lives(None, 600), Ok(90));
        assert_eq!(lives(Some(10), 600), Ok(10));
        assert_eq!(lives(Some(3600), 600), Ok(120));
        assert_eq!(lives(None, 30), Ok(30));
        assert_eq!(lives(Some(0), 600), Err("lifetime_empty"));
        assert_eq!(lives(None, 0), Err("lifetime_empty"));
        assert_eq!(lives(None, -20), Err("lifetime_empty"), "good only by the leeway");
    }

    fn names(pool: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
        proptest::sample::subsequence(pool, 0..=pool.len())
            .prop_map(|names| names.into_iter().map(str::to_owned).collect())
    }

    const AUDIENCES: &[&str] = &["https://chaperone.example", "customers", "orders", "payments"];
    const SCOPES: &[&str] = &["a", "b", "ci"];

    prop_compose! {
        fn wishes()(
            audience in proptest::option::of(proptest::sample::select(AUDIENCES)),
            scopes in proptest::option::of(names(SCOPES)),
            lifetime in proptest::option::of(0..10_000_u64),
        ) -> Wish {
            let audience = audience.map(str::to_owned);
            Wish { audience, scopes, lifetime: lifetime.map(Duration::from_secs) }
        }
    }

    prop_compose! {
        fn parents()(
            audiences in names(AUDIENCES),
            scopes in proptest::option::of(names(SCOPES)),
            expires in -100_000..1_000_000_i64,
        ) -> Parent {
            let expires_at = UnixMillis::new(NOW.millis() + expires);
            Parent { audiences, scopes, actor_scopes: None, expires_at }
        }
    }

    proptest! {
        #[test]
        fn a_token_is_never_wider_than_its_parent(parent in parents(), wish in wishes()) {
            let allowed = allowed();
            let Ok(terms) = narrow(&parent, &wish, &allowed, NOW) else { return Ok(()) };
            prop_assert!(
                parent.audiences.contains(&terms.audience)
                    || parent.audiences.contains(&allowed.server)
            );
            prop_assert!(allowed.everywhere().contains(&terms.audience));
            match (&parent.scopes, &terms.scopes) {
                (Some(parent), Some(scopes)) => prop_assert!(scopes.is_subset(parent)),
                (Some(_), None) => prop_assert!(false, "scopes were forgotten"),
                (None, Some(scopes)) => prop_assert!(scopes.is_subset(&allowed.scopes)),
                (None, None) => {}
            }
            prop_assert!(terms.expires_at <= parent.expires_at);
            prop_assert!(terms.expires_at <= NOW.after(allowed.max_lifetime));
            prop_assert!(terms.expires_at > NOW);
        }

        /// Through however many hands a token goes, what comes out could have been had
        /// of the first one at once: a hop more never gives more.
        #[test]
        fn a_hop_never_widens(
            first in parents(), wishes in proptest::collection::vec(wishes(), 1..5)
        ) {
            let allowed = allowed();
            let mut parent = first.clone();
            for wish in wishes {
                let Ok(terms) = narrow(&parent, &wish, &allowed, NOW) else { return Ok(()) };
                parent = Parent {
                    actor_scopes: None,
                    audiences: [terms.audience].into(),
                    scopes: terms.scopes,
                    expires_at: terms.expires_at,
                };
                let direct = Wish {
                    audience: parent.audiences.first().cloned(),
                    scopes: parent.scopes.clone(),
                    lifetime: None,
                };
                prop_assert!(narrow(&first, &direct, &allowed, NOW).is_ok());
                prop_assert!(parent.expires_at <= first.expires_at);
            }
        }
    }
}
