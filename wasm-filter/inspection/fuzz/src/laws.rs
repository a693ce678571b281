//! What holds for JSON and for masking, whatever the bytes.

use std::sync::{Arc, LazyLock};

use chaperone_inspection::facts::UnparsedCode;
use chaperone_inspection::json::document;
use chaperone_inspection::json::tokenizer::{JsonError, Kind, Tokenizer};
use chaperone_inspection::mask::profile::Profile;
use chaperone_inspection::mask::{CompiledProfile, Masker};
use serde_json::Value;

/// Below what `serde_json` reads.
const DEPTH: usize = 100;

/// What is read of a document is what `serde_json` reads, what is refused as malformed it
/// refuses too, and a document is its canonical form.
pub fn json_document(data: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(data);
    match document::parse(data, DEPTH) {
        Ok(ours) => {
            assert!(same(&ours, &theirs.expect("JSON")));
            let canonical = document::canonical(&ours);
            assert_eq!(document::parse(canonical.as_bytes(), DEPTH), Ok(ours));
        }
        Err(unparsed) => match unparsed.code {
            UnparsedCode::JsonMalformed | UnparsedCode::Utf8Invalid => assert!(theirs.is_err()),
            UnparsedCode::JsonDuplicateKey
            | UnparsedCode::JsonNumberInexact
            | UnparsedCode::TooDeep => {}
            code => panic!("{code:?} of a document"),
        },
    }
}

/// Tokens are the same wherever the document was cut; the first byte says where.
pub fn json_tokenizer(data: &[u8]) {
    let Some((size, body)) = data.split_first() else { return };
    let size = usize::from(*size).max(1);
    assert_eq!(tokens(body.chunks(size)), tokens([body]));
}

/// A response is masked alike wherever it was cut. The first byte chooses the content
/// type, the second says where to cut.
pub fn masker(data: &[u8]) {
    static PROFILE: LazyLock<Arc<CompiledProfile>> = LazyLock::new(|| {
        let mut profile = Profile::built_in("all").expect("a profile");
        profile.fields.extend(["$..secret".to_owned(), "$.a[*].b".to_owned()]);
        Arc::new(CompiledProfile::new(&profile).expect("paths"))
    });
    let [kind, size, body @ ..] = data else { return };
    let kinds = ["application/json", "application/x-ndjson", "text/event-stream", "text/plain"];
    let kind = kinds[usize::from(*kind) % kinds.len()];
    let mask = |size: usize| {
        let mut masker = Masker::new(Arc::clone(&PROFILE), Some(kind), None).ok()?;
        let mut out = Vec::new();
        let pushed = body.chunks(size).try_for_each(|chunk| masker.push(chunk, &mut out));
        let ended = pushed.and_then(|()| masker.finish(&mut out));
        Some((out, ended, masker.counts().clone()))
    };
    let (Some(cut), Some(whole)) = (mask(usize::from(*size).max(1)), mask(body.len().max(1)))
    else {
        return;
    };
    assert_eq!(cut.1, whole.1);
    if whole.1.is_ok() {
        assert_eq!(cut, whole);
    } else {
        // How much was sent before the error depends on the cuts, what was sent does not.
        assert!(cut.0.starts_with(&whole.0) || whole.0.starts_with(&cut.0));
    }
}

type Tokens = Vec<(Kind, Vec<u8>)>;

fn tokens<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Result<Tokens, JsonError> {
    let mut tokenizer = Tokenizer::document();
    let mut tokens = Vec::new();
    for chunk in chunks {
        let mut at = 0;
        while let Some(token) = tokenizer.next(chunk, at)? {
            at = token.end;
            tokens.push((token.kind, tokenizer.text(&token, chunk).to_vec()));
        }
    }
    if let Some(token) = tokenizer.finish()? {
        tokens.push((token.kind, tokenizer.text(&token, &[]).to_vec()));
    }
    Ok(tokens)
}

fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            ours == theirs || ours.as_f64().zip(theirs.as_f64()).is_some_and(|(a, b)| near(a, b))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(k, a)| theirs.get(k).is_some_and(|b| same(a, b)))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// `serde_json` reads most doubles to their last bit, and the others almost, those close
/// to 0 last of all.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs() * f64::EPSILON * 2.0 + f64::MIN_POSITIVE
}
