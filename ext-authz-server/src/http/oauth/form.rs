//! The form of a token request, read strictly: nothing that two readers could read
//! differently.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::exchange::{Asked, FormError, IssuedType};
use crate::identity::{IdentityError, MAX_TOKEN_BYTES, ShownToken, Token};
use crate::issuing::Wish;

/// The grant of an exchange (RFC 8693 section 2.1).
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The type of an access token (RFC 8693 section 3).
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The type of any JWT.
pub(super) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The longest form that is read: two of the longest tokens, and some.
pub(super) const MAX_BYTES: usize = 2 * MAX_TOKEN_BYTES + 8 * 1024;

/// The longest audience, and the longest list of scopes.
const MAX_VALUE_BYTES: usize = 2048;

/// The parameters that are looked at, each of which may be there once.
struct Parameters(BTreeMap<String, Zeroizing<String>>);

/// What the form `body` asks for.
pub(super) fn read(body: &[u8]) -> Result<Asked, FormError> {
    let mut parameters = Parameters::read(body)?;
    let grant = parameters.required("grant_type")?;
    if grant.as_str() != TOKEN_EXCHANGE {
        return Err(FormError::GrantType);
    }
    let subject = parameters.token(ShownToken::Subject, "subject_token_type")?;
    let subject = subject.ok_or(FormError::Missing("subject_token"))?;
    let actor = parameters.token(ShownToken::Actor, "actor_token_type")?;
    let token_type = parameters.value("requested_token_type")?;
    let token_type = match token_type.as_ref().map(|kind| kind.as_str()) {
        None | Some(ACCESS_TOKEN) => IssuedType::AccessToken,
        Some(JWT) => IssuedType::Jwt,
        Some(_) => return Err(FormError::Invalid("requested_token_type")),
    };
    let wish = Wish {
        audience: parameters.audience()?,
        scopes: parameters.scopes()?,
        lifetime: parameters.lifetime()?,
    };
    Ok(Asked { subject, actor, wish, token_type })
}

impl Parameters {
    fn read(body: &[u8]) -> Result<Self, FormError> {
        let text = std::str::from_utf8(body).map_err(|_| FormError::Malformed)?;
        if !is_strict(text) {
            return Err(FormError::Malformed);
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            // Bytes that are no text were replaced by this.
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(FormError::Malformed);
            }
            let value = Zeroizing::new(value.into_owned());
            // RFC 8693 section 2.1 lets a client name several targets; a token is for one.
            let target = matches!(&*name, "audience" | "resource");
            if parameters.insert(name.into_owned(), value).is_some() {
                return Err(if target { FormError::TwoTargets } else { FormError::Twice });
            }
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter; one without a value is as good as none (RFC 6749
    /// section 3.2).
    fn value(&mut self, name: &'static str) -> Result<Option<Zeroizing<String>>, FormError> {
        match self.0.remove(name) {
            Some(value) if value.is_empty() => Ok(None),
            Some(value) if value.chars().any(char::is_control) => Err(FormError::Invalid(name)),
            value => Ok(value),
        }
    }

    fn required(&mut self, name: &'static str) -> Result<Zeroizing<String>, FormError> {
        self.value(name)?.ok_or(FormError::Missing(name))
    }

    fn token(&mut self, token: ShownToken, its: &'static str) -> Result<Option<Token>, FormError> {
        let kind = self.value(its)?;
        let Some(text) = self.value(token.name())? else {
            // RFC 8693 section 2.1: there is no type of nothing.
            return if kind.is_some() { Err(FormError::Invalid(its)) } else { Ok(None) };
        };
        let kind = kind.ok_or(FormError::Missing(its))?;
        if ![ACCESS_TOKEN, JWT].contains(&kind.as_str()) {
            return Err(FormError::Invalid(its));
        }
        let unread = |error: IdentityError| FormError::Token {
            token,
            error: "it is not a signed JWT of a reasonable length",
            code: error.code(),
        };
        Token::parse(&text).map(Some).map_err(unread)
    }

    /// RFC 8693 has `audience` and RFC 8707 `resource`; here they are the same.
    fn audience(&mut self) -> Result<Option<String>, FormError> {
        let (audience, resource) = (self.value("audience")?, self.value("resource")?);
        let both = audience.as_ref().zip(resource.as_ref());
        if both.is_some_and(|(audience, resource)| audience != resource) {
            return Err(FormError::TwoTargets);
        }
        match audience.or(resource) {
            Some(target) if target.len() > MAX_VALUE_BYTES => Err(FormError::Invalid("audience")),
            target => Ok(target.map(|target| target.as_str().to_owned())),
        }
    }

    /// RFC 6749 section 3.3.
    fn scopes(&mut self) -> Result<Option<BTreeSet<String>>, FormError> {
        let Some(text) = self.value("scope")? else { return Ok(None) };
        let allowed = |c: char| matches!(c, '!'..='~') && c != '"' && c != '\\';
        let scopes: BTreeSet<String> = text.split(' ').map(str::to_owned).collect();
        let good = |scope: &String| !scope.is_empty() && scope.chars().all(allowed);
        if text.len() > MAX_VALUE_BYTES || !scopes.iter().all(good) {
            return Err(FormError::Invalid("scope"));
        }
        Ok(Some(scopes))
    }

    /// Seconds; a parameter of ours, which OAuth does not have.
    fn lifetime(&mut self) -> Result<Option<Duration>, FormError> {
        let Some(text) = self.value("requested_lifetime")? else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|_| digits);
        seconds.map(Duration::from_secs).map(Some).ok_or(FormError::Invalid("requested_lifetime"))
    }
}

/// Whether the text is what an encoder writes: `name=value` with `&` between, and a
/// `%` only before two digits.
fn is_strict(text: &str) -> bool {
    let pairs =
        text.split('&').all(|pair| pair.matches('=').count() == 1 && !pair.starts_with('='));
    let digits = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    pairs && text.is_ascii() && text.split('%').skip(1).all(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "e30.e30.c2ln";

    fn form(pairs: &[(&str, &str)]) -> String {
        let usual =
            [("grant_type", TOKEN_EXCHANGE), ("subject_token", TOKEN), ("subject_token_type", JWT)];
        let usual = usual.iter().filter(|(name, _)| pairs.iter().all(|(other, _)| other != name));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(usual.chain(pairs)).finish()
    }

    fn error(pairs: &[(&str, &str)]) -> FormError {
        read(form(pairs).as_bytes()).unwrap_err()
    }

    #[test]
    fn a_form_says_what_is_asked_for() {
        let asked = read(
            form(&[
                ("actor_token", TOKEN),
                ("actor_token_type", ACCESS_TOKEN),
                ("audience", "orders"),
                ("resource", "orders"),
                ("scope", "b a"),
                ("requested_lifetime", "30"),
                ("requested_token_type", JWT),
                ("something_else", "ignored"),
            ])
            .as_bytes(),
        )
        .unwrap();
        assert!(asked.actor.is_some());
        assert_eq!(asked.wish.audience.as_deref(), Some("orders"));
        assert_eq!(asked.wish.scopes, Some(["a".to_owned(), "b".to_owned()].into()));
        assert_eq!(asked.wish.lifetime, Some(Duration::from_secs(30)));
        assert_eq!(asked.token_type, IssuedType::Jwt);
        let least = read(form(&[("audience", "")]).as_bytes()).unwrap();
        assert_eq!((least.wish, least.actor.is_some()), (Wish::default(), false));
    }

    #[test]
    fn what_is_missing_or_odd_is_named() {
        assert_eq!(error(&[("grant_type", "client_credentials")]), FormError::GrantType);
        assert_eq!(error(&[("grant_type", "")]), FormError::Missing("grant_type"));
        assert_eq!(error(&[("subject_token", "")]), FormError::Invalid("subject_token_type"));
        assert_eq!(error(&[("subject_token_type", "")]), FormError::Missing("subject_token_type"));
        let saml = "urn:ietf:params:oauth:token-type:saml2";
        assert_eq!(
            error(&[("subject_token_type", saml)]),
            FormError::Invalid("subject_token_type")
        );
        assert_eq!(error(&[("actor_token", TOKEN)]), FormError::Missing("actor_token_type"));
        assert_eq!(error(&[("actor_token_type", JWT)]), FormError::Invalid("actor_token_type"));
        assert_eq!(
            error(&[("requested_token_type", saml)]),
            FormError::Invalid("requested_token_type")
        );
        assert_eq!(error(&[("audience", "a"), ("resource", "b")]), FormError::TwoTargets);
        for scope in ["a  b", " a", "a\\", "\"", "ä", "a\nb"] {
            assert_eq!(error(&[("scope", scope)]), FormError::Invalid("scope"), "{scope:?}");
        }
        for lifetime in ["-1", "+1", "1.5", "1s", "99999999999999999999"] {
            let invalid = FormError::Invalid("requested_lifetime");
            assert_eq!(error(&[("requested_lifetime", lifetime)]), invalid, "{lifetime}");
        }
        let unread = error(&[("subject_token", "not a token")]);
        assert!(matches!(unread, FormError::Token { token: ShownToken::Subject, .. }));
        assert!(!unread.to_string().contains("not a token"));
    }

    #[test]
    fn a_form_that_two_could_read_differently_is_not_read() {
        let twice = format!("{}&audience=a&audience=a", form(&[]));
        assert_eq!(read(twice.as_bytes()).unwrap_err(), FormError::TwoTargets);
        let twice = format!("{}&audience=a&%61udience=b", form(&[]));
        assert_eq!(read(twice.as_bytes()).unwrap_err(), FormError::TwoTargets);
        let twice = format!("{}&resource=a&resource=b", form(&[]));
        assert_eq!(read(twice.as_bytes()).unwrap_err(), FormError::TwoTargets);
        let twice = format!("{}&scope=a&scope=a", form(&[]));
        assert_eq!(read(twice.as_bytes()).unwrap_err(), FormError::Twice);
        for odd in
            ["&", "&&a=b", "&a", "&a=b=c", "&=b", "&a=%", "&a=%zz", "&a=%f", "&a=%ff", "&a=ä"]
        {
            let odd = format!("{}{odd}", form(&[]));
            assert_eq!(read(odd.as_bytes()).unwrap_err(), FormError::Malformed, "{odd}");
        }
        assert_eq!(read(b"").unwrap_err(), FormError::Malformed);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
