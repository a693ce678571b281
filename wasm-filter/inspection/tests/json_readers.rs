//! What we read of a JSON document is what other readers read: `serde_json`, and the
//! `json` of Python 3, which has to be there.

#![cfg(not(target_arch = "wasm32"))]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use chaperone_inspection::facts::UnparsedCode;
use chaperone_inspection::json::document;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Below what `serde_json` reads.
const DEPTH: usize = 100;

/// Reads lines of hexadecimals and writes what they are as JSON of another form: scalars
/// as tagged texts, so that no number is read by the readers that are compared. Doubles
/// are written as their bits.
const READER: &str = r#"
import json, struct, sys

def tagged(value):
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return "int:" + str(value)
    if isinstance(value, float):
        return "double:" + struct.pack(">d", value).hex()
    if isinstance(value, str):
        return "text:" + value.encode("utf-8").hex()
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return {key.encode("utf-8").hex(): tagged(item) for key, item in value.items()}

for line in sys.stdin:
    try:
        answer = tagged(json.loads(bytes.fromhex(line).decode("utf-8")))
        answer = {"read": answer}
    except (ValueError, RecursionError):
        answer = "refused"
    print(json.dumps(answer), flush=True)
"#;

/// One process, asked line by line.
struct Python {
    // Held so that the process is not left alone.
    _process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

static PYTHON: LazyLock<Mutex<Python>> = LazyLock::new(|| {
    let mut process = Command::new("python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, which these tests compare with");
    let questions = process.stdin.take().unwrap();
    let answers = BufReader::new(process.stdout.take().unwrap());
    Mutex::new(Python { _process: process, questions, answers })
});

/// What Python reads; `None` where it refuses.
fn python(bytes: &[u8]) -> Option<Value> {
    let mut python = PYTHON.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    writeln!(python.questions, "{}", hex::encode(bytes)).unwrap();
    python.questions.flush().unwrap();
    let mut line = String::new();
    python.answers.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).expect("an answer of Python");
    answer.get("read").cloned()
}

/// Whether Python's value, in its tagged form, is ours. Whole numbers that were written
/// with a fraction or an exponent are doubles to Python and integers to us.
#[expect(clippy::float_cmp, reason = "one double or two")]
fn is_pythons(ours: &Value, theirs: &Value) -> bool {
    let tagged = |tag: &str| theirs.as_str().and_then(|theirs| theirs.strip_prefix(tag));
    match (ours, theirs) {
        (Value::Number(number), _) => {
            let double = tagged("double:").map(|bits| {
                let bits = u64::from_str_radix(bits, 16).unwrap();
                number.as_f64().is_some_and(|ours| ours == f64::from_bits(bits))
            });
            double.unwrap_or_else(|| tagged("int:").is_some_and(|int| int == number.to_string()))
        }
        (Value::String(text), _) => tagged("text:").is_some_and(|hex| hex == hex::encode(text)),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_pythons(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let same = |(key, ours): (&String, &Value)| {
                theirs.get(&hex::encode(key)).is_some_and(|theirs| is_pythons(ours, theirs))
            };
            ours.len() == theirs.len() && ours.iter().all(same)
        }
        (ours, theirs) => ours == theirs,
    }
}

/// Whether `serde_json`'s value is ours. It reads most doubles to their last bit, and
/// the others almost, those close to 0 last of all, unless it is built to do better.
fn is_serdes(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            let near = |(a, b): (f64, f64)| {
                (a - b).abs() <= a.abs() * 2.0 * f64::EPSILON + f64::MIN_POSITIVE
            };
            ours == theirs || ours.as_f64().zip(theirs.as_f64()).is_some_and(near)
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_serdes(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let same = |(key, ours)| theirs.get(key).is_some_and(|theirs| is_serdes(ours, theirs));
            ours.len() == theirs.len() && ours.iter().all(same)
        }
        (ours, theirs) => ours == theirs,
    }
}

/// Compares the readers; the code where we refuse. Both others refuse what we call
/// malformed, but for what Python adds to JSON: `NaN`, infinities and lone surrogates.
fn compare(bytes: &[u8]) -> Result<Option<UnparsedCode>, String> {
    let shown = String::from_utf8_lossy(bytes);
    let serde = serde_json::from_slice::<Value>(bytes);
    match document::parse(bytes, DEPTH) {
        Ok(ours) => {
            let serde = serde.map_err(|error| format!("serde_json refuses {shown}: {error}"))?;
            if !is_serdes(&ours, &serde) {
                return Err(format!("{shown}: {ours}, to serde_json {serde}"));
            }
            let python = python(bytes).ok_or_else(|| format!("Python refuses {shown}"))?;
            if !is_pythons(&ours, &python) {
                return Err(format!("{shown}: {ours}, to Python {python}"));
            }
            Ok(None)
        }
        Err(unparsed) => {
            let malformed =
                [UnparsedCode::JsonMalformed, UnparsedCode::Utf8Invalid].contains(&unparsed.code);
            if malformed && serde.is_ok() {
                return Err(format!("serde_json reads {shown}"));
            }
            let more = ["NaN", "Infinity", "\\u"].iter().any(|more| shown.contains(more));
            if malformed && !more && python(bytes).is_some() {
                return Err(format!("Python reads {shown}"));
            }
            Ok(Some(unparsed.code))
        }
    }
}

/// Every body of the corpus of JSON.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/json");
    let mut bodies = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for case in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
            bodies.extend(case["raw"].as_str().map(|raw| raw.as_bytes().to_vec()));
            bodies.extend(case["hex"].as_str().map(|hex| hex::decode(hex).unwrap()));
            bodies.extend(case.get("body").map(|body| body.to_string().into_bytes()));
        }
    }
    bodies
}

#[test]
fn every_document_of_the_corpus_is_what_other_readers_read() {
    let bodies = corpus();
    let mut read = 0;
    for body in &bodies {
        let code = compare(body).unwrap_or_else(|difference| panic!("{difference}"));
        read += usize::from(code.is_none());
    }
    assert!(read > 100 && bodies.len() - read > 200, "{read} of {} are read", bodies.len());
}

#[test]
fn python_is_asked_and_answers() {
    assert_eq!(python(b"[1,"), None);
    let read = python(br#"[1,1.0,"\u00e9"]"#).unwrap();
    assert!(is_pythons(&json!([1, 1.0, "é"]), &read), "{read}");
    assert!(!is_pythons(&json!([1, 1.0, "e"]), &read), "{read}");
    assert!(!is_pythons(&json!([1, 1.1, "é"]), &read), "{read}");
}

/// Numbers as they may be written.
fn numbers() -> impl Strategy<Value = String> {
    let any_double = any::<f64>().prop_filter("finite", |double| double.is_finite());
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any_double.prop_map(|number| format!("{number:e}")),
        any::<f32>()
            .prop_filter("finite", |float| float.is_finite())
            .prop_map(|number| format!("{:?}", f64::from(number))),
        "-?(0|[1-9][0-9]{0,25})",
        r"-?(0|[1-9][0-9]{0,20})\.[0-9]{1,25}",
        r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?[eE][+-]?[0-9]{1,3}",
    ]
}

/// Strings as they may be written.
fn strings() -> impl Strategy<Value = String> {
    let escape = prop::sample::select(vec![
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0000",
        "\\u00e9",
        "\\uD83D\\uDE00",
        "\\u2028",
        "\\uFFFF",
    ]);
    let piece = prop_oneof![
        "[ -!#-\\[\\]-~]{0,12}",
        "[^\"\\\\\\x00-\\x1f]{0,4}",
        escape.prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn documents() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", " ", "\n", "\t\r "]);
    let word = prop::sample::select(vec!["true", "false", "null", "[]", "{}", "[ ]"]);
    let leaf = prop_oneof![numbers(), strings(), word.prop_map(str::to_owned)];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let member = (strings(), space(), inner.clone(), space())
            .prop_map(|(key, before, value, after)| format!("{key}{before}:{value}{after}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..6), space())
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(","))),
            prop::collection::vec(member, 0..6)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// One byte more, less or other.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]:,\"\\0-+.eE \n".to_vec())];
    (documents(), any::<prop::sample::Index>(), 0..3, byte).prop_map(|(text, at, edit, byte)| {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match edit {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_document_is_what_other_readers_read(text in documents()) {
        let code = compare(text.as_bytes()).map_err(TestCaseError::fail)?;
        let documented = [UnparsedCode::JsonNumberInexact, UnparsedCode::JsonDuplicateKey];
        prop_assert!(code.is_none_or(|code| documented.contains(&code)), "{code:?}: {text}");
    }

    #[test]
    fn a_spoilt_document_is_what_other_readers_read_or_refused(bytes in spoilt()) {
        compare(&bytes).map_err(TestCaseError::fail)?;
    }
}
