//! Attributes: what a credential says of its own subject, by names that policies
//! know, as text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::claim_path::ClaimPath;
use super::error::IdentityError;
use super::spiffe::SpiffeId;

/// The longest value that is believed to be one, in bytes.
const MAX_VALUE_BYTES: usize = 1024;

/// An attribute, and the claim that it is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeClaim {
    name: String,
    path: ClaimPath,
    form: AttributeForm,
}

/// How a claim becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeForm {
    /// A string, a number or a boolean as it is.
    Scalar,
    /// A list of strings without spaces, or one such string: joined with spaces.
    List,
    /// An object of scalars: an attribute for each member, called
    /// `<attribute>.<member>`.
    Members,
    /// A SPIFFE ID: its trust domain.
    TrustDomain,
    /// A SPIFFE ID: its path.
    SpiffePath,
}

/// The text names no attribute or no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeClaimError {
    /// Not a name.
    #[error("the name of an attribute is made of letters, digits, `_`, `-` and `.`")]
    Name,
    /// Not a claim.
    #[error("a claim is a name such as `repository`, or a JSON Pointer such as `/pod/name`")]
    Claim,
}

impl AttributeClaim {
    /// The attribute `name`, read from the claim called `claim`, or at that JSON
    /// Pointer (RFC 6901) when it begins with `/`.
    pub fn parse(
        name: &str,
        claim: &str,
        form: AttributeForm,
    ) -> Result<Self, AttributeClaimError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(AttributeClaimError::Name);
        }
        let path = ClaimPath::parse(claim).map_err(|_| AttributeClaimError::Claim)?;
        Ok(Self { name: name.to_owned(), path, form })
    }

    /// The attribute's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The claim, as it was written.
    pub fn claim(&self) -> &str {
        self.path.as_str()
    }

    /// How the claim becomes text.
    pub const fn form(&self) -> AttributeForm {
        self.form
    }

    /// Puts what `claims` say into `attributes`. A claim that is not there, null or
    /// empty is no attribute; one that is no text is an error, for an attribute that
    /// is overlooked may be one that something is forbidden to.
    fn read(
        &self,
        claims: &Map<String, Value>,
        attributes: &mut BTreeMap<String, String>,
    ) -> Result<(), IdentityError> {
        let Some(value) = self.path.find(claims) else { return Ok(()) };
        let malformed = || IdentityError::AttributesMalformed { attribute: self.name.clone() };
        let text = match self.form {
            AttributeForm::Scalar => scalar(value),
            AttributeForm::List => list(value),
            AttributeForm::TrustDomain => {
                spiffe_id(value).map(|id| id.trust_domain().as_str().to_owned())
            }
            AttributeForm::SpiffePath => spiffe_id(value).map(|id| id.path().to_owned()),
            AttributeForm::Members => {
                for (member, value) in value.as_object().ok_or_else(malformed)? {
                    let text = scalar(value).filter(|_| is_text(member)).ok_or_else(malformed)?;
                    put(attributes, format!("{}.{member}", self.name), text);
                }
                return Ok(());
            }
        };
        put(attributes, self.name.clone(), text.ok_or_else(malformed)?);
        Ok(())
    }
}

/// What `claims` say of their subject, by `described`. Of one name, the last counts.
pub(super) fn attributes(
    described: &[AttributeClaim],
    claims: &Map<String, Value>,
) -> Result<BTreeMap<String, String>, IdentityError> {
    let mut attributes = BTreeMap::new();
    for attribute in described {
        attribute.read(claims, &mut attributes)?;
    }
    Ok(attributes)
}

fn put(attributes: &mut BTreeMap<String, String>, name: String, text: String) {
    if !text.is_empty() {
        attributes.insert(name, text);
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => is_text(text).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(whether) => Some(whether.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Values with spaces in them would be more than they are.
fn list(value: &Value) -> Option<String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let word = |item: &Value| {
        let text = item.as_str()?;
        (!text.contains(char::is_whitespace) && is_text(text)).then_some(text.to_owned())
    };
    let words: Option<Vec<_>> = items.iter().map(word).collect();
    words.map(|words| words.join(" ")).filter(|joined| joined.len() <= MAX_VALUE_BYTES)
}

fn spiffe_id(value: &Value) -> Option<SpiffeId> {
    value.as_str()?.parse().ok()
}

/// People read values, and some have emoji in them (the names of workflows do), so
/// less is refused here than of subjects.
fn is_text(text: &str) -> bool {
    text.len() <= MAX_VALUE_BYTES && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(claim: &str, form: AttributeForm, claims: &Value) -> Result<String, &'static str> {
        let described = [AttributeClaim::parse("a", claim, form).unwrap()];
        let read = attributes(&described, claims.as_object().unwrap());
        let read = read.map_err(|error| error.code())?;
        let pairs: Vec<_> = read.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(pairs.join(","))
    }

    #[test]
    fn strings_numbers_and_booleans_are_text() {
        let claims = json!({
            "text": "repo:acme/shop", "number": 42, "big": 18_446_744_073_709_551_615_u64,
            "whether": true, "empty": "", "null": null, "emoji": "🧑‍💻 Build",
            "acme.example/a": "name", "deep": { "x/y": "pointer" },
        });
        let scalar = |claim| read(claim, AttributeForm::Scalar, &claims);
        assert_eq!(scalar("text"), Ok("a=repo:acme/shop".into()));
        assert_eq!(scalar("number"), Ok("a=42".into()));
        assert_eq!(scalar("big"), Ok("a=18446744073709551615".into()));
        assert_eq!(scalar("whether"), Ok("a=true".into()));
        assert_eq!(scalar("emoji"), Ok("a=🧑‍💻 Build".into()));
        assert_eq!(scalar("acme.example/a"), Ok("a=name".into()));
        assert_eq!(scalar("/deep/x~1y"), Ok("a=pointer".into()));
        for nothing in ["empty", "null", "absent", "/deep/absent", "/text/0"] {
            assert_eq!(scalar(nothing), Ok(String::new()), "{nothing}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_rather_than_overlooked() {
        for odd in [json!([]), json!(["a"]), json!({}), json!("a\nb"), json!("a".repeat(1025))] {
            let claims = json!({ "c": odd });
            assert_eq!(read("c", AttributeForm::Scalar, &claims), Err("attributes_malformed"));
        }
        for odd in [json!(["a b"]), json!([1]), json!(["a", null]), json!({}), json!("a b")] {
            let claims = json!({ "c": odd });
            assert_eq!(read("c", AttributeForm::List, &claims), Err("attributes_malformed"));
        }
        for odd in [json!("a"), json!({ "x": [] }), json!({ "x\n": "y" })] {
            let claims = json!({ "c": odd });
            assert_eq!(read("c", AttributeForm::Members, &claims), Err("attributes_malformed"));
        }
        let claims = json!({ "c": "spiffe://prod.example" });
        assert_eq!(read("c", AttributeForm::TrustDomain, &claims), Err("attributes_malformed"));
    }

    #[test]
    fn lists_objects_and_spiffe_ids_are_text_where_that_is_asked_for() {
        let claims = json!({
            "list": ["b", "a"], "one": "b", "none": [],
            "tags": { "team": "data", "level": 3, "gone": null },
            "sub": "spiffe://prod.example/ns/shop",
        });
        assert_eq!(read("list", AttributeForm::List, &claims), Ok("a=b a".into()));
        assert_eq!(read("one", AttributeForm::List, &claims), Ok("a=b".into()));
        assert_eq!(read("none", AttributeForm::List, &claims), Ok(String::new()));
        let tags = read("tags", AttributeForm::Members, &claims);
        assert_eq!(tags, Ok("a.level=3,a.team=data".into()));
        let domain = read("sub", AttributeForm::TrustDomain, &claims);
        assert_eq!(domain, Ok("a=prod.example".into()));
        assert_eq!(read("sub", AttributeForm::SpiffePath, &claims), Ok("a=/ns/shop".into()));
    }

    /// Any JSON that is not nested without end.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z]{1000,1100}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("[a-z]{1,3}", inner, 0..4)
                    .prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_a_claim_is_an_attribute_is_short_text_on_one_line(value in any_json()) {
            let claims = json!({ "c": value });
            for form in [
                AttributeForm::Scalar,
                AttributeForm::List,
                AttributeForm::Members,
                AttributeForm::TrustDomain,
                AttributeForm::SpiffePath,
            ] {
                let described = [AttributeClaim::parse("a", "c", form).unwrap()];
                let Ok(read) = attributes(&described, claims.as_object().unwrap()) else { continue };
                for (name, text) in read {
                    prop_assert!(name.starts_with('a') && is_text(&name), "{}", name);
                    prop_assert!(!text.is_empty() && is_text(&text), "{}", text);
                }
            }
        }
    }

    #[test]
    fn of_one_name_the_last_counts() {
        let described = [
            AttributeClaim::parse("a", "x", AttributeForm::Scalar).unwrap(),
            AttributeClaim::parse("a", "y", AttributeForm::Scalar).unwrap(),
        ];
        let read = |claims: Value| attributes(&described, claims.as_object().unwrap()).unwrap();
        assert_eq!(read(json!({ "x": "1", "y": "2" }))["a"], "2");
        assert_eq!(read(json!({ "x": "1" }))["a"], "1");
    }

    #[test]
    fn a_name_is_one_that_policies_can_spell() {
        let parse = |name, claim| AttributeClaim::parse(name, claim, AttributeForm::Scalar);
        assert!(parse("job_workflow_ref", "/a/b").is_ok());
        assert_eq!(parse("", "a"), Err(AttributeClaimError::Name));
        assert_eq!(parse("a b", "a"), Err(AttributeClaimError::Name));
        assert_eq!(parse("a", ""), Err(AttributeClaimError::Claim));
        assert_eq!(parse("a", "/~2"), Err(AttributeClaimError::Claim));
    }
}
