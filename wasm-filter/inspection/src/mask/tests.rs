use super::*;

fn mask(profile: &str, content_type: &str, body: &[u8]) -> Result<String, Unmaskable> {
    let profile = CompiledProfile::new(&Profile::built_in(profile).unwrap()).unwrap();
    let mut masker = Masker::new(Arc::new(profile), Some(content_type), None)?;
    let mut out = Vec::new();
    masker.push(body, &mut out)?;
    masker.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_document_keeps_its_shape() {
    let body = br#"{"id": 7, "email": "ada@example.com", "note": "call a\u0040b.com, or pay 4111 1111 1111 1111 \u00e9",
 "ssn": 123456789, "phone": {"home": ["1", 2, true, null]}, "card": 4111111111111111, "bob@x.org": [1.5e3]}"#;
    assert_eq!(
        mask("all", "application/json", body).unwrap(),
        r#"{"id": 7, "email": "[masked]", "note": "call [masked:email], or pay [masked:payment_card] \u00e9",
 "ssn": 0, "phone": {"home": ["[masked]", 0, false, null]}, "card": 0, "[masked:email]": [1.5e3]}"#
    );
}
