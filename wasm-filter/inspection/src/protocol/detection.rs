//! Sensitive data on the way in: the detectors that mask responses, run over the
//! texts of a request.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Reading, content, path};
use crate::detect::{DetectorId, Detectors};
use crate::json::tokenizer::{Kind, Tokenizer};
use crate::json::{escape, select};
use crate::plan::{DetectPlan, FieldPath};

/// What `plan` asks for and the request holds: in its path and query, decoded, and in
/// its body. Of a JSON body every key, string and number is a text, decoded; of a form
/// every name and value; any other body is one text.
pub(super) fn contains(plan: &DetectPlan, request: &Reading<'_>) -> BTreeSet<DetectorId> {
    let mut search = Search { detectors: Detectors::new(&plan.detectors), found: BTreeSet::new() };
    if !plan.fields.is_empty() {
        search.fields(&plan.fields, request);
        return search.found;
    }
    search.target(request.head.path);
    let media_type = content::media_type(request.head).unwrap_or_default();
    if media_type == "application/x-www-form-urlencoded" {
        search.form(request.body);
    } else if media_type.ends_with("json") {
        search.json(request.body);
    } else {
        search.text(request.body);
    }
    search.found
}

struct Search {
    detectors: Detectors,
    found: BTreeSet<DetectorId>,
}

impl Search {
    fn text(&mut self, text: &[u8]) {
        self.found.extend(self.detectors.find_all(text).into_iter().map(|finding| finding.id));
    }

    /// A body that is no JSON has no fields.
    fn fields(&mut self, fields: &[FieldPath], request: &Reading<'_>) {
        let Ok(document) = content::json(request) else { return };
        for field in fields {
            match select::select(&document, field) {
                Ok(Some(value)) => self.json(value.to_string().as_bytes()),
                Ok(None) => {}
                // Which of the spellings is meant cannot be told.
                Err(_) => self.json(request.body),
            }
        }
    }

    fn target(&mut self, target: &str) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        for segment in path.split('/') {
            self.text(&path::unescape(segment.as_bytes(), false));
        }
        self.form(query.as_bytes());
    }

    fn form(&mut self, form: &[u8]) {
        for part in form.split(|byte| matches!(byte, b'&' | b'=' | b';')) {
            self.text(&path::unescape(part, true));
        }
    }

    /// Reads the tokens of one document or of several in a row. What is no JSON is a
    /// text from there on.
    fn json(&mut self, body: &[u8]) {
        let mut tokenizer = Tokenizer::sequence();
        let mut at = 0;
        let mut decoded = Vec::new();
        loop {
            let token = match tokenizer.next(body, at) {
                Ok(Some(token)) => token,
                Ok(None) => break,
                Err(_) => return self.text(body.get(at..).unwrap_or_default()),
            };
            at = token.end;
            let text = tokenizer.text(&token, body);
            match token.kind {
                Kind::String | Kind::Key => {
                    decoded.clear();
                    let text = match escape::decode(text, &mut decoded) {
                        Ok(()) => decoded.as_slice(),
                        Err(_) => text,
                    };
                    self.text(text);
                }
                Kind::Number => self.text(text),
                _ => {}
            }
        }
        if let Ok(Some(token)) = tokenizer.finish() {
            let text = Cow::from(tokenizer.text(&token, &[]).to_vec());
            self.text(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::plan::Limits;
    use crate::protocol::RequestHead;

    fn found(path: &str, content_type: &str, body: &str) -> Vec<&'static str> {
        let headers = [("content-type", content_type)];
        let head = RequestHead { method: "POST", authority: "a.example", path, headers: &headers };
        let detectors = [DetectorId::Email, DetectorId::PaymentCard].into();
        let plan = DetectPlan { detectors, fields: Vec::new() };
        let (body, limits) = (body.as_bytes(), &Limits::default());
        let found = contains(&plan, &Reading { head: &head, body, limits, paths: &[] });
        found.into_iter().map(DetectorId::name).collect()
    }

    #[test]
    fn what_is_asked_for_is_found_however_it_is_written() {
        let json = "application/json; charset=utf-8";
        let form = "application/x-www-form-urlencoded";
        for (path, content_type, body, expected) in [
            ("/", json, r#"{"to":["ada@example.com"]}"#, &["email"][..]),
            ("/", json, r#"{"to":"ada\u0040example.com"}"#, &["email"]),
            ("/", json, r#"{"ada@example.com":1}"#, &["email"]),
            ("/", json, r#"{"card":4111111111111111}"#, &["payment_card"]),
            ("/", json, "4111111111111111", &["payment_card"]),
            ("/", "application/vnd.api+json", r#"["ada@example.com"]"#, &["email"]),
            ("/", "application/x-ndjson", "{\"a\":1}\n{\"b\":\"ada@example.com\"}", &["email"]),
            ("/", json, r#"{"card":4111111111111112,"ssn":"078-05-1120"}"#, &[]),
            ("/", form, "a=1&to=ada%40example.com", &["email"]),
            ("/", form, "card=4111+1111+1111+1111", &["payment_card"]),
            ("/", "text/plain", "write to ada@example.com", &["email"]),
            ("/?to=ada%40example.com", json, "{}", &["email"]),
            ("/users/ada%40example.com/x", json, "{}", &["email"]),
            (
                "/ada@example.com",
                json,
                r#"{"n":"4111 1111 1111 1111"}"#,
                &["email", "payment_card"],
            ),
        ] {
            assert_eq!(found(path, content_type, body), expected, "{path} {body}");
        }
    }

    #[test]
    fn only_the_fields_that_are_named_are_looked_at() {
        let field = |text: &str| FieldPath::try_from(text.to_owned()).unwrap();
        let detectors = [DetectorId::Email, DetectorId::PaymentCard].into();
        let plan = DetectPlan { detectors, fields: vec![field("$..notes"), field("/card")] };
        let headers = [("content-type", "application/json")];
        let found = |body: &str| {
            let path = "/ada@example.com";
            let head = RequestHead { method: "POST", authority: "a", path, headers: &headers };
            let (body, limits) = (body.as_bytes(), &Limits::default());
            let found = contains(&plan, &Reading { head: &head, body, limits, paths: &[] });
            found.into_iter().map(DetectorId::name).collect::<Vec<_>>()
        };
        assert!(found(r#"{"to":"ada@example.com"}"#).is_empty());
        assert_eq!(found(r#"{"x":[{"notes":"to ada@example.com"}]}"#), ["email"]);
        assert_eq!(found(r#"{"card":4111111111111111}"#), ["payment_card"]);
        assert_eq!(found(r#"{"CARD":4111111111111111}"#), ["payment_card"]);
    }
}
