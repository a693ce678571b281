//! What holds of every token: the order of issuers means nothing, and one changed byte
//! is one too many.

use std::sync::LazyLock;

use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A valid token of one algorithm, and who has verified it once already.
struct Valid {
    algorithm: Algorithm,
    authenticator: Authenticator,
    token: String,
    /// Another token of the same key, as valid.
    other: String,
}

/// One an algorithm.
static VALID: LazyLock<Vec<Valid>> = LazyLock::new(|| Algorithm::ALL.map(Valid::new).into());

impl Valid {
    fn new(algorithm: Algorithm) -> Self {
        let key = TestKey::new("k", algorithm);
        let issuers = vec![settings("idp", &[&key])];
        let authenticator = Authenticator::new(AuthenticatorSettings::new(issuers)).unwrap();
        let token = key.mint(&claims("idp", &json!({})));
        let other = key.mint(&claims("idp", &json!({ "sub": "another-job", "jti": "t-2" })));
        let valid = Self { algorithm, authenticator, token, other };
        assert_eq!(valid.refusal(&valid.token), None, "{algorithm}");
        assert_eq!(valid.refusal(&valid.other), None, "{algorithm}");
        valid
    }

    /// The code that `text` is refused with, if it is.
    fn refusal(&self, text: &str) -> Option<&'static str> {
        let now = UnixMillis::new(NOW * 1000);
        let read = async {
            let token = Token::parse(text)?;
            self.authenticator.verify(&token, &Acceptance::default(), now).await
        };
        waited(read).err().map(|error| error.code())
    }
}

fn waited<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Where a token is changed; taken modulo what there is.
type At = usize;

#[derive(Clone, Debug)]
enum Mutation {
    FlipBit(At, u8),
    Replace(At, u8),
    Insert(At, u8),
    Delete(At),
    Exchange(At, At),
    CutOff(At),
    /// One part put in the place of another.
    CopyPart(At, At),
    SwapParts(At, At),
    /// One part taken from another valid token.
    Transplant(At),
    AddPart(At),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<At>();
    // Most of them out of the alphabet, so that they get past the first look.
    let byte = || prop_oneof![4 => select(BASE64URL), 1 => 0..128_u8];
    prop_oneof![
        4 => (at(), 0..7_u8).prop_map(|(at, bit)| Mutation::FlipBit(at, bit)),
        4 => (at(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        4 => (at(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        4 => at().prop_map(Mutation::Delete),
        2 => (at(), at()).prop_map(|(one, two)| Mutation::Exchange(one, two)),
        1 => at().prop_map(Mutation::CutOff),
        1 => (at(), at()).prop_map(|(from, to)| Mutation::CopyPart(from, to)),
        1 => (at(), at()).prop_map(|(one, two)| Mutation::SwapParts(one, two)),
        1 => at().prop_map(Mutation::Transplant),
        1 => at().prop_map(Mutation::AddPart),
    ]
}

impl Mutation {
    fn of(&self, valid: &Valid) -> String {
        let mut bytes = valid.token.clone().into_bytes();
        let length = bytes.len();
        let mut parts: Vec<_> = valid.token.split('.').collect();
        match *self {
            Self::FlipBit(at, bit) => bytes[at % length] ^= 1 << bit,
            Self::Replace(at, byte) => bytes[at % length] = byte,
            Self::Insert(at, byte) => bytes.insert(at % (length + 1), byte),
            Self::Delete(at) => _ = bytes.remove(at % length),
            Self::Exchange(one, two) => bytes.swap(one % length, two % length),
            Self::CutOff(at) => bytes.truncate(at % length),
            Self::CopyPart(from, to) => parts[to % 3] = parts[from % 3],
            Self::SwapParts(one, two) => parts.swap(one % 3, two % 3),
            Self::Transplant(at) => {
                parts[at % 3] = valid.other.split('.').nth(at % 3).unwrap();
            }
            Self::AddPart(at) => parts.insert(at % 4, parts[at % 3]),
        }
        if parts.join(".") != valid.token {
            return parts.join(".");
        }
        String::from_utf8(bytes).expect("ASCII stays ASCII")
    }
}

/// The bits of the last character that encode nothing must be zero (RFC 4648 section
/// 3.5): else one signature could be written in several ways, and what is remembered
/// or revoked by its text could be sent again in another.
///
/// What is left is not about bytes: whoever sees an ECDSA signature `(r, s)` can
/// compute `(r, -s)`, as valid, and issuers send either. So nothing may be told by a
/// token's text that its claims do not tell.
#[test]
fn a_token_has_one_spelling() {
    for valid in VALID.iter() {
        let parts: Vec<_> = valid.token.split('.').collect();
        for (nth, part) in parts.iter().enumerate() {
            let (start, last) = part.split_at(part.len() - 1);
            let others = BASE64URL.iter().map(|byte| char::from(*byte).to_string());
            let others =
                others.filter(|other| other != last).map(|other| format!("{start}{other}"));
            let padded = ["=", "==", "A", "AA", "AAA", "AAAA"].map(|more| format!("{part}{more}"));
            for spelled in others.chain(padded) {
                let mut parts = parts.clone();
                parts[nth] = &spelled;
                let code = valid.refusal(&parts.join("."));
                assert!(code.is_some(), "{}: part {nth} as {spelled}", valid.algorithm);
            }
        }
    }
}

/// Who signs: `github`, `platform`, `corp-idp`, and `twin`, whose key has platform's
/// name; `echo` has platform's key.
static ISSUERS: LazyLock<(Vec<TestKey>, Vec<IssuerSettings>)> = LazyLock::new(|| {
    let keys = vec![
        TestKey::new("g", Algorithm::Rs256),
        TestKey::new("p", Algorithm::Es256),
        TestKey::new("c", Algorithm::EdDsa),
        TestKey::new("p", Algorithm::Es256),
    ];
    let issuers = vec![
        settings("github", &[&keys[0]]),
        IssuerSettings {
            may_attest: [alias("github"), alias("corp-idp")].into(),
            ..settings("platform", &[&keys[1]])
        },
        IssuerSettings { kind: PrincipalKind::Human, ..settings("corp-idp", &[&keys[2]]) },
        settings("twin", &[&keys[3], &keys[0]]),
        settings("echo", &[&keys[1]]),
    ];
    (keys, issuers)
});

/// A token, good or bad, of any of the issuers or none.
fn some_token() -> impl Strategy<Value = String> {
    let names = ["github", "platform", "corp-idp", "twin", "echo", "nobody"];
    let kids = [json!("g"), json!("p"), json!("c"), json!("x"), json!(7), Value::Null];
    let changes = [
        json!({}),
        json!({ "groups": ["ci", "sre"], "scope": "a b" }),
        json!({ "exp": null }),
        json!({ "exp": NOW - 60, "iat": NOW - 120 }),
        json!({ "aud": "orders" }),
        json!({ "sub": null }),
        json!({ "act": { "sub": "a", "act": { "sub": "b", "iss": iss("twin") } } }),
        json!({ "act": { "sub": "job" } }),
        json!({ "act": { "sub": "a", "iss": iss("nobody") } }),
        json!({ "sub_id": { "format": "iss_sub", "iss": iss("github"), "sub": "j" } }),
        json!({ "sub_id": { "format": "iss_sub", "iss": iss("corp-idp"), "sub": "ada" } }),
        json!({ "may_act": { "sub": "job", "iss": iss("github") } }),
        json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }),
    ];
    (0..4_usize, select(names.to_vec()), select(kids.to_vec()), select(changes.to_vec())).prop_map(
        |(signer, name, kid, changes)| {
            let key = &ISSUERS.0[signer];
            let mut header = json!({ "alg": key.algorithm.name(), "typ": "JWT" });
            if !kid.is_null() {
                header["kid"] = kid;
            }
            key.mint_with(&header, &claims(name, &changes).to_string())
        },
    )
}

fn some_acceptance() -> impl Strategy<Value = Acceptance> {
    let issuers = proptest::option::of(subsequence(
        ["github", "platform", "corp-idp", "twin", "echo"].map(alias).to_vec(),
        1..5,
    ));
    let audiences = proptest::option::of(Just(["orders".to_owned()].into()));
    (issuers, audiences).prop_map(|(issuers, audiences)| Acceptance {
        issuers: issuers.map(|issuers| issuers.into_iter().collect()),
        audiences,
        ..Acceptance::default()
    })
}

fn answer(
    issuers: Vec<IssuerSettings>,
    tokens: &(String, Option<String>),
    acceptance: &Acceptance,
) -> Result<Credential, IdentityError> {
    let header = "txn-token".parse().unwrap();
    let second = Some(SecondCredential { header, holds: Holds::Actor });
    let settings = AuthenticatorSettings { second, ..AuthenticatorSettings::new(issuers) };
    let authenticator = Authenticator::new(settings).unwrap();
    let authorization = format!("Bearer {}", tokens.0);
    let presented = Presented {
        authorization: Some(&authorization),
        second: tokens.1.as_deref(),
        ..Presented::default()
    };
    waited(authenticator.authenticate(&presented, acceptance, UnixMillis::new(NOW * 1000)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_mutation_of_a_valid_token_is_refused(nth in any::<usize>(), mutation in mutation()) {
        let valid = &VALID[nth % VALID.len()];
        let mutated = mutation.of(valid);
        prop_assume!(mutated != valid.token);
        prop_assert!(valid.refusal(&mutated).is_some(), "{}: {:?}", valid.algorithm, mutation);
    }
}

proptest! {
    #[test]
    fn permuting_issuers_never_changes_an_answer(
        shuffled in Just(ISSUERS.1.clone()).prop_shuffle(),
        tokens in (some_token(), proptest::option::of(some_token())),
        acceptance in some_acceptance(),
    ) {
        let usual = answer(ISSUERS.1.clone(), &tokens, &acceptance);
        prop_assert_eq!(answer(shuffled, &tokens, &acceptance), usual);
    }
}

/// The law above would hold of answers that are all the same.
#[test]
fn the_tokens_that_issuers_are_permuted_over_are_answered_in_many_ways() {
    let mut runner = TestRunner::deterministic();
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..512 {
        let token = some_token().new_tree(&mut runner).unwrap().current();
        let said = answer(ISSUERS.1.clone(), &(token, None), &Acceptance::default());
        let said = said.map_or_else(|error| error.code().to_owned(), |_| "accepted".to_owned());
        *answers.entry(said).or_default() += 1;
    }
    for expected in [
        "accepted",
        "issuer_unknown",
        "alg_not_allowed",
        "key_unknown",
        "signature_invalid",
        "malformed",
        "token_expired",
        "exp_missing",
        "audience_mismatch",
        "proof_missing",
    ] {
        assert!(answers.contains_key(expected), "no token was `{expected}`: {answers:?}");
    }
}
