//! The claims of a token, read strictly: no name twice, and no deeper chain of
//! actors than is allowed.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::error::IdentityError;

/// The longest name that is believed to be one, in bytes. GitHub's and SPIFFE's
/// subjects are long; this is longer.
const MAX_NAME_BYTES: usize = 1024;

/// Parses JSON whose objects have no name twice. `max_actors` is how deep `act` may
/// be nested in it; what is deeper is not built.
pub(super) fn parse_object(
    text: &[u8],
    max_actors: usize,
) -> Result<Map<String, Value>, ClaimsError> {
    let too_deep = Cell::new(false);
    let root = StrictValue { actors: Some(0), max_actors, too_deep: &too_deep };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = root.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    match parsed {
        _ if too_deep.get() => Err(ClaimsError::TooManyActors),
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(ClaimsError::NotStrict),
    }
}

/// The text is not an object that can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimsError {
    /// It is no JSON object, has a name twice or is nested too deeply.
    NotStrict,
    /// Its `act` is nested too deeply.
    TooManyActors,
}

/// Reads one value.
#[derive(Clone, Copy)]
struct StrictValue<'a> {
    /// In how many `act` we are; `None` inside of anything else, where `act` has no
    /// meaning.
    actors: Option<usize>,
    max_actors: usize,
    too_deep: &'a Cell<bool>,
}

impl StrictValue<'_> {
    /// What reads the member `name`.
    fn member(self, name: &str) -> Result<Self, ()> {
        let actors = self.actors.filter(|_| name == "act").map(|actors| actors + 1);
        if actors.is_some_and(|actors| actors > self.max_actors) {
            self.too_deep.set(true);
            return Err(());
        }
        Ok(Self { actors, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::from).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = Self { actors: None, ..self };
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = self.member(&name);
            let Entry::Vacant(place) = object.entry(name) else {
                return Err(A::Error::custom("a name twice"));
            };
            let member = member.map_err(|()| A::Error::custom("too many actors"))?;
            place.insert(members.next_value_seed(member)?);
        }
        Ok(object.into())
    }
}

/// The claims of a token.
#[derive(Clone, Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Parses claims whose chain has at most `max_depth` hops.
    pub(super) fn parse(text: &[u8], max_depth: usize) -> Result<Self, IdentityError> {
        // The root is a hop as well.
        parse_object(text, max_depth.saturating_sub(1)).map(Self).map_err(|error| match error {
            ClaimsError::TooManyActors => IdentityError::ChainTooDeep { max: max_depth },
            ClaimsError::NotStrict => IdentityError::ClaimsMalformed(
                "the claims are not a JSON object, have a name twice or are nested too deeply",
            ),
        })
    }

    /// Those that `object` has; none if it is something else.
    pub(super) fn of(object: Value) -> Self {
        match object {
            Value::Object(claims) => Self(claims),
            _ => Self(Map::new()),
        }
    }

    /// The same of a client that acts for nobody but itself: where there is no `sub`,
    /// `client_id` is the subject (as in RFC 9068 section 2.2).
    pub(super) fn of_client(mut self) -> Self {
        if !self.0.contains_key("sub")
            && let Some(client) = self.0.get("client_id").cloned()
        {
            self.0.insert("sub".to_owned(), client);
        }
        self
    }

    /// All of them.
    pub(super) const fn object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// `aud`: one or several.
    pub(super) fn audiences(&self) -> BTreeSet<String> {
        let values = match self.0.get("aud") {
            Some(Value::Array(several)) => several.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A NumericDate (RFC 7519 section 2), in whole seconds.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, IdentityError> {
        time(&self.0, name)
    }
}

/// The NumericDate called `name` in an object, in whole seconds.
pub(super) fn time(members: &Map<String, Value>, name: &str) -> Result<Option<i64>, IdentityError> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let fraction = |value: &Value| {
        let moment = Duration::try_from_secs_f64(value.as_f64()?).ok()?;
        i64::try_from(moment.as_secs()).ok()
    };
    let time = value.as_i64().or_else(|| fraction(value)).filter(|time| *time >= 0);
    time.map(Some).ok_or(IdentityError::ClaimsMalformed("a time is not a number of seconds"))
}

/// Whole seconds.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The value is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAName;

/// The name that `value` is: not empty, of reasonable length, and without characters
/// that would make it look like another one where people read it.
pub(super) fn name(value: Option<&Value>) -> Result<Option<&str>, NotAName> {
    let Some(value) = value else { return Ok(None) };
    let name = value.as_str().ok_or(NotAName)?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(is_deceptive) {
        return Err(NotAName);
    }
    Ok(Some(name))
}

/// Control characters, and those that are not seen or turn the writing direction.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::verified::Lifetime;
    use super::*;
    use crate::time::UnixMillis;

    const NOW: i64 = 1_800_000_000;
    const LEEWAY: Duration = Duration::from_secs(30);
    const LIFE: Duration = Duration::from_hours(1);

    fn claims(value: &Value) -> Claims {
        Claims::parse(value.to_string().as_bytes(), 8).unwrap()
    }

    fn times(value: &Value) -> Result<i64, &'static str> {
        let now = UnixMillis::new(NOW * 1000 + 999);
        Lifetime::read(&claims(value))
            .and_then(|life| life.check(now, LEEWAY, LIFE).map(|()| life.expires_at().seconds()))
            .map_err(|error| error.code())
    }

    #[test]
    fn a_token_lives_from_its_birth_to_its_expiry_give_or_take_the_leeway() {
        assert_eq!(times(&json!({ "exp": NOW + 60 })), Ok(NOW + 60));
        assert_eq!(times(&json!({ "exp": NOW - 29 })), Ok(NOW - 29));
        assert_eq!(times(&json!({ "exp": NOW - 30 })), Err("token_expired"));
        assert_eq!(times(&json!({ "exp": NOW + 60, "nbf": NOW + 30 })), Ok(NOW + 60));
        assert_eq!(times(&json!({ "exp": NOW + 60, "nbf": NOW + 31 })), Err("token_not_yet_valid"));
        assert_eq!(times(&json!({ "exp": NOW + 60, "iat": NOW + 31 })), Err("token_not_yet_valid"));
        assert_eq!(times(&json!({ "iat": NOW })), Err("exp_missing"));
    }

    #[test]
    fn a_life_is_bounded_whatever_its_beginning() {
        assert_eq!(times(&json!({ "exp": NOW + 60, "iat": NOW - 3540 })), Ok(NOW + 60));
        assert_eq!(times(&json!({ "exp": NOW + 60, "iat": NOW - 3541 })), Err("lifetime_too_long"));
        assert_eq!(times(&json!({ "exp": NOW + 60, "nbf": NOW - 3541 })), Err("lifetime_too_long"));
        assert_eq!(times(&json!({ "exp": NOW + 3600 })), Ok(NOW + 3600));
        assert_eq!(times(&json!({ "exp": NOW + 3601 })), Err("lifetime_too_long"));
        assert_eq!(times(&json!({ "exp": i64::MAX, "iat": 0 })), Err("lifetime_too_long"));
    }

    #[test]
    fn a_time_is_a_number() {
        assert_eq!(times(&json!({ "exp": 1_800_000_060.9 })), Ok(NOW + 60));
        for odd in
            [json!("1800000060"), json!(null), json!(-1), json!(1e300), json!(u64::MAX), json!([1])]
        {
            assert_eq!(times(&json!({ "exp": odd })), Err("claims_malformed"), "{odd}");
            assert_eq!(
                times(&json!({ "exp": NOW + 60, "nbf": odd })),
                Err("claims_malformed"),
                "{odd}"
            );
        }
    }

    #[test]
    fn an_audience_is_one_or_several() {
        let ours = BTreeSet::from(["customers".to_owned(), "orders".to_owned()]);
        assert!(!claims(&json!({ "aud": "customers" })).audiences().is_disjoint(&ours));
        assert!(!claims(&json!({ "aud": ["x", "orders"] })).audiences().is_disjoint(&ours));
        for aud in [
            json!("x"),
            json!([]),
            json!(["x"]),
            json!(7),
            json!(null),
            json!("customers "),
            json!({}),
        ] {
            assert!(claims(&json!({ "aud": aud })).audiences().is_disjoint(&ours), "{aud}");
        }
        assert!(claims(&json!({})).audiences().is_disjoint(&ours));
    }

    #[test]
    fn a_name_twice_is_no_name_at_all() {
        for text in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","\u0073ub":"b"}"#,
            r#"{"act":{"sub":"a","sub":"b"}}"#,
            r#"{"x":[{"y":1,"y":1}]}"#,
            r#"{"sub":"a"}{"sub":"b"}"#,
            r#"["sub"]"#,
            r#"{"sub":"a",}"#,
            "",
        ] {
            let error = Claims::parse(text.as_bytes(), 8).unwrap_err();
            assert_eq!(error.code(), "claims_malformed", "{text}");
        }
    }

    #[test]
    fn a_chain_that_is_too_deep_is_not_built() {
        let nested = |acts: usize| {
            format!("{}{}", r#"{"sub":"a","act":"#.repeat(acts), "{}") + &"}".repeat(acts)
        };
        assert!(Claims::parse(nested(7).as_bytes(), 8).is_ok());
        for acts in [8, 100, 1500] {
            let error = Claims::parse(nested(acts).as_bytes(), 8).unwrap_err();
            assert_eq!(error, IdentityError::ChainTooDeep { max: 8 }, "{acts}");
        }
        // Elsewhere `act` is a name like others, and depth has a limit of its own.
        let elsewhere = |depth: usize| {
            format!(r#"{{"x":{}1{}}}"#, r#"{"act":"#.repeat(depth), "}".repeat(depth))
        };
        assert!(Claims::parse(elsewhere(20).as_bytes(), 8).is_ok());
        let error = Claims::parse(elsewhere(2000).as_bytes(), 8).unwrap_err();
        assert_eq!(error.code(), "claims_malformed");
    }

    #[test]
    fn names_do_not_look_like_other_names() {
        for odd in ["", "a\nb", "a\u{202e}b", "a\u{200b}b", &"a".repeat(1025)] {
            assert_eq!(name(Some(&json!(odd))), Err(NotAName), "{odd:?}");
        }
        assert_eq!(name(Some(&json!(7))), Err(NotAName));
        assert_eq!(name(None), Ok(None));
        let job = json!("repo:acme/shop:ref:refs/heads/grün");
        assert_eq!(name(Some(&job)), Ok(job.as_str()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Claims::parse(&bytes, 8);
        }

        #[test]
        fn what_is_strict_reads_as_it_does_elsewhere(
            values in proptest::collection::btree_map("[a-z]{1,4}", -1e6..1e6_f64, 0..5)
        ) {
            let expected = json!(values);
            let read = Claims::parse(expected.to_string().as_bytes(), 8).unwrap();
            prop_assert_eq!(Some(read.object()), expected.as_object());
        }
    }
}
