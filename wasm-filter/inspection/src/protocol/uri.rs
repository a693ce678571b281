//! URIs in messages: one reading, or none (RFC 3986).
//!
//! Readers of URIs differ: some resolve `..` and decode escapes before they look at
//! them, some do not; some read `http:host` as `http://host`. What they would take for
//! different resources is refused, what is the same to all of them is brought into the
//! normal form of RFC 3986 section 6.2.2.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::path::escape;

/// A URI that is read in one way only.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uri {
    /// The whole of it in normal form.
    pub(super) normal: String,
    /// The scheme in lower case.
    pub(super) scheme: String,
    /// The host decoded and in lower case, without its port; none when there is no authority or an
    /// empty one.
    pub(super) host: Option<String>,
    /// The path with its escapes decoded, without the query.
    pub(super) path: String,
}

/// Schemes that browsers' rules (WHATWG URL) read in a way of their own.
const SPECIAL: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "file"];

/// Reads a URI; the error says what is wrong with it, and does not quote it.
pub(super) fn parse(text: &str) -> Result<Uri, &'static str> {
    let (scheme, rest) = text.split_once(':').ok_or("it has no scheme")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    // A single letter is a drive of Windows.
    if scheme.len() < 2 || !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err("it has no scheme");
    }
    if !scheme.chars().all(plain) {
        return Err("it has no scheme");
    }
    if rest.chars().any(|c| c.is_control() || c.is_whitespace() || r#"\"<>^`{|}#"#.contains(c)) {
        return Err("it has a character that no URI has, or a fragment");
    }
    let scheme = scheme.to_ascii_lowercase();
    let special = SPECIAL.contains(&scheme.as_str());
    let (hierarchy, query) = match rest.split_once('?') {
        Some((hierarchy, query)) => (hierarchy, Some(query)),
        None => (rest, None),
    };
    let mut normal = format!("{scheme}:");
    let (host, path) = match hierarchy.strip_prefix("//") {
        Some(after) => {
            let end = after.find('/').unwrap_or(after.len());
            let (authority, path) = after.split_at_checked(end).unwrap_or((after, ""));
            normal.push_str("//");
            (host(authority, &scheme, &mut normal)?, path)
        }
        None if special => return Err("its scheme needs an authority"),
        None => (None, hierarchy),
    };
    let path = if special && path.is_empty() { "/" } else { path };
    let decoded = segments(path, special, &mut normal)?;
    if let Some(query) = query {
        normal.push('?');
        normalise(query, Part::Query, &mut normal)?;
    }
    Ok(Uri { normal, scheme, host, path: decoded })
}

/// Writes the authority to `normal`, and gives its host.
fn host(
    authority: &str,
    scheme: &str,
    normal: &mut String,
) -> Result<Option<String>, &'static str> {
    let special = SPECIAL.contains(&scheme);
    if scheme == "file" {
        // `file://host/share` is another machine to some, this one to others.
        return if authority.is_empty() { Ok(None) } else { Err("a file is on a host") };
    }
    if authority.is_empty() {
        return if special { Err("its host is empty") } else { Ok(None) };
    }
    let authority = match authority.split_once('@') {
        // Readers differ on where the host begins, and a password is nobody's business.
        Some(_) if special => return Err("it names a user"),
        Some((user, host)) if user.chars().all(is_plain) => {
            normal.push_str(user);
            normal.push('@');
            host
        }
        Some(_) => return Err("the user that it names is not a plain name"),
        None => authority,
    };
    let (host, port) = if let Some(inside) = authority.strip_prefix('[') {
        let (address, port) = inside.split_once(']').ok_or("its host is no address")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "its host is no address")?;
        let host = format!("[{address}]");
        normal.push_str(&host);
        (host, port)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let (name, port) = authority.split_at_checked(end).unwrap_or((authority, ""));
        (if special { machine(name, normal)? } else { name_of_its_own(name, normal)? }, port)
    };
    if host.split('.').any(str::is_empty) {
        return Err("its host has an empty label");
    }
    if let Some(port) = self::port(port, scheme)? {
        normal.push(':');
        normal.push_str(port);
    }
    Ok(Some(host))
}

/// The host of a scheme that browsers know: a machine's name or address.
fn machine(name: &str, normal: &mut String) -> Result<String, &'static str> {
    // No escapes: some decode them and some do not.
    if !name.chars().all(is_plain) {
        return Err("its host is not a plain name");
    }
    let host = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if is_numeric(&host) && host.parse::<Ipv4Addr>().is_err() {
        return Err("its host is an address in an unusual form");
    }
    normal.push_str(&host);
    Ok(host)
}

/// The host of another scheme, which may be the name of anything: `greeting://Ada%20L`.
fn name_of_its_own(name: &str, normal: &mut String) -> Result<String, &'static str> {
    let plain = normalise(name, Part::Path, normal)?;
    let host = String::from_utf8(plain).map_err(|_| "its escapes do not decode to UTF-8")?;
    if host.contains(['@', ':', '[', ']', '?']) {
        return Err("its host has a delimiter in it");
    }
    Ok(host.to_lowercase())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~".contains(c)
}

/// The digits behind `:`; none when the scheme means that port anyway.
fn port<'a>(port: &'a str, scheme: &str) -> Result<Option<&'a str>, &'static str> {
    if port.is_empty() {
        return Ok(None);
    }
    let digits = port.strip_prefix(':').filter(|digits| !digits.starts_with(['+', '0']));
    let Some(digits) = digits.filter(|digits| digits.parse::<u16>().is_ok()) else {
        return Err("its port is not a number");
    };
    let usual = match scheme {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        "ftp" => "21",
        _ => "",
    };
    Ok((digits != usual).then_some(digits))
}

/// Whether browsers' rules take the host for an IPv4 address: `2130706433`, `0x7f.1`.
fn is_numeric(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let digits = last.bytes().all(|byte| byte.is_ascii_digit());
    let hex = last.strip_prefix("0x");
    (digits && !last.is_empty())
        || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Writes the path to `normal`, and gives it decoded.
fn segments(path: &str, special: bool, normal: &mut String) -> Result<String, &'static str> {
    let mut decoded = Vec::with_capacity(path.len());
    let count = path.split('/').count();
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            decoded.push(b'/');
            normal.push('/');
        }
        let inner = index > 0 && index.saturating_add(1) < count;
        if special && inner && segment.is_empty() {
            return Err("its path has an empty segment");
        }
        let plain = normalise(segment, Part::Path, normal)?;
        // Java's servers cut a segment's parameters off.
        let name = plain.split(|byte| *byte == b';').next().unwrap_or_default();
        if name == b"." || name == b".." {
            return Err("its path has a segment of dots");
        }
        decoded.extend_from_slice(&plain);
    }
    String::from_utf8(decoded).map_err(|_| "its escapes do not decode to UTF-8")
}

/// Where escapes are. In a query they may stand for anything, another URI for one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Query,
}

/// Writes `text` to `normal`: escapes in upper case and only where they are needed.
/// Gives its bytes without escapes.
fn normalise(text: &str, part: Part, normal: &mut String) -> Result<Vec<u8>, &'static str> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let (byte, escaped) = if byte == b'%' {
            let (byte, after) = escape(after).ok_or("it has a percent sign without an escape")?;
            rest = after;
            (byte, true)
        } else {
            (byte, false)
        };
        match byte {
            _ if part == Part::Query => {}
            b'/' | b'\\' if escaped => return Err("it has an encoded slash or backslash"),
            0..0x20 | 0x7f => return Err("it has an encoded control character"),
            _ => {}
        }
        plain.push(byte);
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || (!escaped && byte.is_ascii()) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                normal.push(digit.to_ascii_uppercase());
            }
        }
    }
    // Looked for once all is decoded: the digits may be escapes as well.
    let twice = |three: &[u8]| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if part == Part::Path && plain.windows(3).any(twice) {
        return Err("it is encoded twice");
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_uri_has_one_normal_form() {
        for (text, normal, host, path) in [
            ("file:///a/b.txt", "file:///a/b.txt", None, "/a/b.txt"),
            ("FILE:///a/%62", "file:///a/b", None, "/a/b"),
            (
                "https://A.example:8080/x%2d?q=%7E",
                "https://a.example:8080/x-?q=~",
                Some("a.example"),
                "/x-",
            ),
            ("https://a.example", "https://a.example/", Some("a.example"), "/"),
            ("http://[::0001]/", "http://[::1]/", Some("[::1]"), "/"),
            ("https://a.example.:443", "https://a.example/", Some("a.example"), "/"),
            ("http://a.example:443/", "http://a.example:443/", Some("a.example"), "/"),
            ("postgres://me@DB:5432/t", "postgres://me@DB:5432/t", Some("db"), "/t"),
            ("http://127.0.0.1/", "http://127.0.0.1/", Some("127.0.0.1"), "/"),
            ("db://Users/1", "db://Users/1", Some("users"), "/1"),
            ("greeting://Ada%20%4C", "greeting://Ada%20L", Some("ada l"), ""),
            ("greeting://José/x", "greeting://Jos%C3%A9/x", Some("josé"), "/x"),
            ("urn:isbn:123", "urn:isbn:123", None, "isbn:123"),
            ("notes:///日", "notes:///%E6%97%A5", None, "/日"),
            ("notes:///%e6%97%a5", "notes:///%E6%97%A5", None, "/日"),
            ("s3://bucket/a//b%20c", "s3://bucket/a//b%20c", Some("bucket"), "/a//b c"),
        ] {
            let uri = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(uri.normal, normal, "{text}");
            assert_eq!(uri.host.as_deref(), host, "{text}");
            assert_eq!(uri.path, path, "{text}");
            assert_eq!(parse(&uri.normal).map(|again| again.normal).as_deref(), Ok(normal));
        }
    }

    #[test]
    fn a_uri_that_readers_differ_on_is_refused() {
        for text in [
            "",
            "a",
            "/etc/passwd",
            "c:/windows",
            "1a:b",
            "file:/etc/passwd",
            "file:etc/passwd",
            "file://localhost/etc/passwd",
            "file:////etc/passwd",
            "file:///a/../b",
            "file:///a/%2e%2e/b",
            "file:///a/.%2E/b",
            "file:///a/..;/b",
            "file:///a%2fb",
            "file:///a%5cb",
            "file:///a\\b",
            "file:///a%00b",
            "file:///a%252e",
            "file:///a%25%32%65",
            "file:///%25%32e%25%32e/b",
            "file:///a%",
            "file:///a%ff",
            "file:///a b",
            "file:///a#b",
            "file:///C|/x",
            "http:a.example",
            "http:///a.example",
            "http://./",
            "http://a..example/",
            "http://user@a.example/",
            "db://user:secret@a.example/",
            "db://a@b@c/",
            "db://../etc",
            "db://%2e%2e/etc",
            "db://a%2fb/",
            "db://a%252fb/",
            "db://a%40b/",
            "db://a%3a1/",
            "db://a%00/",
            "http://a.example:080/",
            "http://a.example:/",
            "http://a%2eexample/",
            "http://a.example:80:80/",
            "http://a.example:x/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "http://[::1/",
            "http://ａ.example/",
            "docs://{id}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod laws {
    use proptest::prelude::*;

    use super::parse;
    use crate::protocol::path::escape;

    fn near_uris() -> impl Strategy<Value = String> {
        let pieces = vec![
            "http:",
            "https:",
            "file:",
            "db:",
            "FILE:",
            "//",
            "/",
            "a.example",
            "A",
            "user@",
            ":80",
            ":443",
            ":x",
            "127.0.0.1",
            "0x7f",
            "1",
            "[::1]",
            "%2e",
            "%2E",
            ".",
            "..",
            "%41",
            "%7e",
            "%2f",
            "%25",
            "%00",
            "%c3%a9",
            "é",
            ";x",
            "?",
            "q=%2F",
            "#f",
            " ",
            "\\",
            "\t",
            "a",
            "~",
        ];
        proptest::collection::vec(proptest::sample::select(pieces), 0..9)
            .prop_map(|pieces| pieces.concat())
    }

    fn decoded(text: &str) -> Vec<u8> {
        let mut rest = text.as_bytes();
        let mut decoded = Vec::new();
        while let Some((&byte, after)) = rest.split_first() {
            let (byte, after) = escape(after).filter(|_| byte == b'%').unwrap_or((byte, after));
            decoded.push(byte);
            rest = after;
        }
        decoded
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// A reader by browsers' rules, which resolves and rewrites, reads the same out of
        /// what was written and out of its normal form.
        #[test]
        fn what_is_read_is_what_another_reader_reads(text in near_uris()) {
            if let Ok(uri) = parse(&text) {
                prop_assert_eq!(&parse(&uri.normal).unwrap(), &uri, "{}", text);
                for written in [&text, &uri.normal] {
                    let other = url::Url::parse(written).unwrap();
                    prop_assert_eq!(other.scheme(), &uri.scheme);
                    prop_assert_eq!(decoded(other.path()), uri.path.as_bytes(), "{}", text);
                    let host = other.host_str().filter(|host| !host.is_empty());
                    let host = host.map(|host| String::from_utf8(decoded(host)).unwrap());
                    let host = host.map(|host| host.trim_end_matches('.').to_lowercase());
                    prop_assert_eq!(host, uri.host.clone(), "{}", text);
                }
            }
        }
    }
}
