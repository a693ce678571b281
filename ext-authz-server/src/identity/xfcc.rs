//! The `x-forwarded-client-cert` header, which Envoy makes of the client certificates
//! that it and the proxies before it have seen.
//!
//! Elements are separated by commas, an element's pairs by semicolons, and a value that
//! holds one of them, or a `=`, is in double quotes, a quote in it behind a backslash.

/// One element: what one proxy says of the peer that it took the request from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// `Hash`: the SHA-256 of the certificate, in hexadecimal.
    pub(super) hash: Option<String>,
    /// `Cert`: the certificate, in URL-encoded PEM.
    pub(super) certificate: Option<String>,
    /// `URI`: the URIs among its subject's alternative names.
    pub(super) uris: Vec<String>,
}

/// The header is not one that Envoy makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The elements of a header's value, the first proxy's first.
pub(super) fn parse(value: &str) -> Result<Vec<Element>, Malformed> {
    split(value, ',')?.into_iter().map(element).collect()
}

fn element(text: &str) -> Result<Element, Malformed> {
    let mut element = Element::default();
    for pair in split(text, ';')? {
        let (key, value) = pair.split_once('=').ok_or(Malformed)?;
        let value = unquoted(value.trim())?;
        let slot = match key.trim().to_ascii_lowercase().as_str() {
            "hash" => &mut element.hash,
            "cert" => &mut element.certificate,
            "uri" => {
                // A certificate without URIs has an empty one here.
                element.uris.extend(Some(value).filter(|uri| !uri.is_empty()));
                continue;
            }
            _ => continue,
        };
        // Of two, one could be somebody else's.
        if slot.replace(value).is_some() {
            return Err(Malformed);
        }
    }
    Ok(element)
}

/// The parts of `text` between `separator`s that are not in quotes.
fn split(text: &str, separator: char) -> Result<Vec<&str>, Malformed> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(text.get(start..at).ok_or(Malformed)?);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    if quoted {
        return Err(Malformed);
    }
    parts.push(text.get(start..).ok_or(Malformed)?);
    Ok(parts)
}

fn unquoted(value: &str) -> Result<String, Malformed> {
    let Some(rest) = value.strip_prefix('"') else {
        return if value.contains('"') { Err(Malformed) } else { Ok(value.to_owned()) };
    };
    let mut unquoted = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next().ok_or(Malformed)? {
            '\\' => unquoted.push(chars.next().ok_or(Malformed)?),
            '"' => break,
            c => unquoted.push(c),
        }
    }
    if chars.next().is_some() { Err(Malformed) } else { Ok(unquoted) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_envoy_writes_is_read() {
        // From Envoy's documentation of the header.
        let one = r#"By=http://frontend.lyft.com;Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688;Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client";URI=http://testclient.lyft.com"#;
        let two = format!("{one},By=http://backend.lyft.com;Hash=9ba6;URI=http://a;URI=http://b");
        let elements = parse(&two).unwrap();
        assert_eq!(elements.len(), 2);
        assert_eq!(elements[0].uris, ["http://testclient.lyft.com"]);
        assert!(elements[0].hash.as_ref().unwrap().starts_with("468ed33b"));
        assert_eq!(elements[1].uris, ["http://a", "http://b"]);
        let quoted = r#"hash=aa;Cert="-----BEGIN%20CERTIFICATE-----%0A";URI="""#;
        let element = &parse(quoted).unwrap()[0];
        assert_eq!(element.certificate.as_deref(), Some("-----BEGIN%20CERTIFICATE-----%0A"));
        assert!(element.uris.is_empty());
    }

    #[test]
    fn what_is_in_quotes_is_one_value() {
        let value = r#"Subject="O=\"Acme, Inc.\";Hash=evil,URI=spiffe://evil/x";URI=spiffe://a/b"#;
        let elements = parse(value).unwrap();
        assert_eq!(elements.len(), 1, "{elements:?}");
        assert_eq!(elements[0].hash, None);
        assert_eq!(elements[0].uris, ["spiffe://a/b"]);
    }

    #[test]
    fn what_envoy_does_not_write_is_malformed() {
        for odd in [
            "",
            "URI",
            "URI=a;",
            "URI=a,",
            ",URI=a",
            "Hash=a;Hash=b",
            r#"URI="a"#,
            r#"URI="a"b"#,
            r#"URI=a"b""#,
            r#"URI="a\"#,
        ] {
            assert_eq!(parse(odd), Err(Malformed), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(value in "\\PC{0,60}", odd in "[\"\\\\;,=A-Za-z ]{0,40}") {
            let _ = (parse(&value), parse(&odd));
        }

        #[test]
        fn a_quoted_value_is_read_as_it_was(subject in "\\PC{0,30}", uri in "[a-z:/.]{1,20}") {
            let quoted = subject.replace('\\', r"\\").replace('"', "\\\"");
            let elements = parse(&format!("Cert=\"{quoted}\";URI={uri}")).unwrap();
            prop_assert_eq!(elements.len(), 1);
            prop_assert_eq!(elements[0].certificate.as_deref(), Some(subject.as_str()));
            prop_assert_eq!(&elements[0].uris, &[uri]);
        }
    }
}
