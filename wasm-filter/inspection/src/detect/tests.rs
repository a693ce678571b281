//! Labelled lists: for each detector texts with what it must find, between `«` and
//! `»`, and texts that look like it and hold nothing.

use std::fmt::Write as _;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// The text with what is found between `«` and `»`.
fn labelled(id: DetectorId, text: &str) -> String {
    let mut labelled = String::new();
    let mut from = 0;
    for finding in Detectors::new(&[id].into()).find_all(text.as_bytes()) {
        write!(labelled, "{}«{}»", &text[from..finding.start], &text[finding.start..finding.end])
            .unwrap();
        from = finding.end;
    }
    labelled + &text[from..]
}

fn finds_exactly(id: DetectorId, positives: &[&str], negatives: &[&str]) {
    assert!(positives.len() >= 20 && negatives.len() >= 20, "lists of 20 at least");
    for positive in positives {
        assert!(positive.contains('«'), "no label: {positive}");
        let text = positive.replace(['«', '»'], "");
        assert_eq!(labelled(id, &text), *positive);
    }
    for negative in negatives {
        assert_eq!(labelled(id, negative), *negative);
    }
}

#[test]
fn email_addresses_are_told_from_what_has_an_at_sign_too() {
    finds_exactly(
        DetectorId::Email,
        &[
            "«ada@example.com»",
            "Ada <«ada@example.com»>, Bob <«bob@example.org»>",
            "mailto:«ada.lovelace+list@mail.example.co.uk»?subject=x",
            "write to «ada@example.com».",
            "(«ada@example.com»)",
            "\"«o'brien@example.ie»\"",
            "'«ada@example.com»'",
            "user=«ada@example.com»&next=1",
            "«first.last@sub-domain.example.museum»,next",
            "«a@b.cd»",
            "«1234567890@example.com»",
            "«_______@example.com»",
            "«ada%home@example.com»",
            "«ADA@EXAMPLE.COM»",
            "«ada@xn--bcher-kva.example»",
            "«ada@bücher.example»",
            "«ada@例え.テスト»",
            "«ada@example.рф»…",
            "«ada@163.com»",
            "«ada@a1.456.example.com»",
            "ada@home «ada@example.com»",
            "«ada@example.com»\u{201d} she said",
            "«ada@example.com».2024",
            "«ada@example.com»-",
            "x@«ada@example.com»",
            "smtp;550 «ada@example.com»: unknown",
        ],
        &[
            "@ada",
            "ada@",
            "ada@localhost",
            "see @example.com",
            "left-pad@1.3.0",
            "left-pad@1.3.0-beta.one",
            "react@18.3.1-canary.abcdef",
            "tool@v1.2.3-rc.final",
            "uses: actions/checkout@v4",
            "@scope/package",
            "logo@2x.png",
            "icons/menu@3x.webp",
            "image@sha256:4a1c4b21597c1b4415bdbecb28a3296c6b5e23ca4f9feeb599860a1dac6a0108",
            "meet @ 10.30",
            "a @ b.com",
            "foo@.com",
            "foo@-example.com",
            "foo@example.c",
            "foo@example.123",
            "foo@10.0.0.1",
            "@media (min-width: 10em)",
            "@Override.method",
            "5@$3.50",
            "user@host:/path/file.txt",
            "ada@@example.com",
            "ada at example.com",
        ],
    );
}

#[test]
fn card_numbers_are_told_from_other_long_numbers() {
    finds_exactly(
        DetectorId::PaymentCard,
        &[
            "«4111111111111111»",
            "card «4111 1111 1111 1111», thanks",
            "«4111-1111-1111-1111»",
            "«4000000000006»",
            "«4000000000000000006»",
            "«4000 0000 0000 0000 006»",
            "«378282246310005»",
            "«3782 822463 10005»",
            "«3782-822463-10005»",
            "«5105105105105100»",
            "«2223000048410010»",
            "«6011111111111117»",
            "«30569309025904»",
            "«3056 930902 5904»",
            "«3530111333300000»",
            "«6200000000000005»",
            "«620000000000000005»",
            "«2200000000000004»",
            "«6759400000000000001»",
            "«9792000000000003»",
            "exp: «4111 1111 1111 1111» 12/27",
            "«4111 1111 1111 1111» 123",
            "1234 «4111 1111 1111 1111»",
            "card=«4111111111111111»&cvv=1",
            "pan_«4111111111111111»_x",
            "«4111111111111111».",
            "«4111111111111111».0,1.5",
            "\t«4111111111111111»\n",
        ],
        &[
            "4111111111111112",
            "4111 1111 1111 1112",
            "order 4929123456781234",
            "ORD-6011123412341234",
            "1111111111111117",
            "0000000000000000",
            "1700000000000",
            "1700000000000000000",
            "20240131123456",
            "20240131123456789",
            "4006381333931",
            "9783161484100",
            "550e8400-e29b-41d4-a716-446655440000",
            "12345678-4111-4111-8111-411111111111",
            "a4111111111111111",
            "4111111111111111b",
            "41111111111111111111111",
            "0.4111111111111111",
            "3.4111111111111111",
            "4111111111111111.5",
            "4111  1111  1111  1111",
            "4111-1111 1111-1111",
            "41111 1111 1111 111",
            "4111 1111 1111",
            "+4111111111111",
            "+49 4111 111111",
            "192.168.100.100",
            "2024-01-31T12:34:56.789012",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "version 4111.1111.1111.1111",
            "{4111,1111,1111,1111}",
        ],
    );
}

#[test]
fn social_security_numbers_are_told_from_other_hyphenated_numbers() {
    finds_exactly(
        DetectorId::UsSsn,
        &[
            "«123-45-6789»",
            "SSN: «123-45-6789».",
            "«123 45 6789»",
            "«001-01-0001»",
            "«665-99-9999»",
            "«667-01-0001»",
            "«899-99-9999»",
            "ssn=«123-45-6789»&x",
            "(«123-45-6789»)",
            "\"«123-45-6789»\"",
            "'«219-09-9999»'",
            "«123-45-6789», «234-56-7890»",
            "#«123-45-6789»",
            "ssn_«123-45-6789»",
            "ssn:«123-45-6789»:x",
            "\t«123-45-6789»\n",
            "«123-45-6789»-",
            "«123-45-6789»!",
            "ü«123-45-6789»ü",
            "|«123-45-6789»|",
            "SSN-«123-45-6789»",
        ],
        &[
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "999-99-9999",
            "123-00-4567",
            "123-45-0000",
            "123456789",
            "123-456-7890",
            "12-345-6789",
            "1123-45-6789",
            "123-45-67890",
            "123-45-6789-01",
            "01-123-45-6789",
            "a123-45-6789",
            "123-45-6789a",
            "123-45 6789",
            "123 45-6789",
            "123.45.6789",
            "123/45/6789",
            "2024-01-31",
            "+123-45-6789",
            "1.123-45-6789",
            "978-3-16-148410-0",
            "550e8400-e29b-41d4-a716-446655440000",
        ],
    );
}

#[test]
fn account_numbers_are_told_from_other_codes() {
    finds_exactly(
        DetectorId::Iban,
        &[
            "«DE89370400440532013000»",
            "«DE89 3704 0044 0532 0130 00»",
            "«DE89-3704-0044-0532-0130-00»",
            "«de89370400440532013000»",
            "IBAN: «GB82 WEST 1234 5698 7654 32».",
            "«GB29NWBK60161331926819»",
            "«FR1420041010050500013M02606»",
            "«FR14 2004 1010 0505 0001 3M02 606»",
            "«NL91ABNA0417164300»",
            "«BE68539007547034»",
            "«CH9300762011623852957»",
            "«AT611904300234573201»",
            "«ES9121000418450200051332»",
            "«IT60X0542811101000000123456»",
            "«PL61109010140000071219812874»",
            "«SE4550000000058398257466»",
            "«NO9386011117947»",
            "«NO55 3074 1852 963»",
            "«RU1330741852963074185296307418529»",
            "«LC873074185296307418529630741852»",
            "«MT80MALT30741852963074185296307»",
            "iban=«DE89370400440532013000»;bic=COBADEFF",
            "iban_«DE89370400440532013000»",
            "«DE89370400440532013000», «NO9386011117947»",
            "«DE89 3704 0044 0532 0130 00» today",
        ],
        &[
            "DE89370400440532013001",
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "ZZ89370400440532013000",
            "US64SVBKUS6S3300958879",
            "XDE89370400440532013000",
            "7DE89370400440532013000",
            "DE89370400440532013000X",
            "DEAD89370400440532013000",
            "DE89 3704 0044 0532 0130",
            "DE89  3704 0044 0532 0130 00",
            "DE89.3704.0044.0532.0130.00",
            "DE 89370400440532013000",
            "GB2024RELEASE0000000000",
            "NO1234567890123",
            "SE12345",
            "AT20 to BE16",
            "IS26-release",
            "BE16B00B5",
            "COBADEFFXXX",
            "CH9300762011623852",
            "FR1420041010050500013M0260",
            "de305d54-75b4-431b-adb2-eb6b9e546014",
        ],
    );
}

#[test]
fn access_key_ids_are_told_from_other_capitals() {
    finds_exactly(
        DetectorId::AwsAccessKeyId,
        &[
            "«AKIAIOSFODNN7EXAMPLE»",
            "«ASIAIOSFODNN7EXAMPLE»",
            "«ABIAIOSFODNN7EXAMPLE»",
            "«ACCAIOSFODNN7EXAMPLE»",
            "«AKIA1234567890ABCDEF»",
            "aws_access_key_id = «AKIAIOSFODNN7EXAMPLE»",
            "AWS_ACCESS_KEY_ID=«AKIAIOSFODNN7EXAMPLE»\n",
            "\"«AKIAIOSFODNN7EXAMPLE»\"",
            "'«AKIAIOSFODNN7EXAMPLE»'",
            "(«AKIAIOSFODNN7EXAMPLE»)",
            "key:«AKIAIOSFODNN7EXAMPLE».",
            "«AKIAIOSFODNN7EXAMPLE»:wJalrXUtnFEMI",
            "«AKIAIOSFODNN7EXAMPLE»/20240131/eu-west-1/s3/aws4_request",
            "X-Amz-Credential=«AKIAIOSFODNN7EXAMPLE»%2F20240131",
            "key_«AKIAIOSFODNN7EXAMPLE»",
            "key-«AKIAIOSFODNN7EXAMPLE»",
            "«AKIAIOSFODNN7EXAMPLE»_x",
            "«AKIAIOSFODNN7EXAMPLE»,«AKIAI44QH8DHBEXAMPLE»",
            "<k>«AKIAIOSFODNN7EXAMPLE»</k>",
            "ü«AKIAIOSFODNN7EXAMPLE»ü",
        ],
        &[
            "AKIAIOSFODNN7EXAMPL",
            "AKIAIOSFODNN7EXAMPLES",
            "AKIAIOSFODNN7EXAMPLe",
            "akiaiosfodnn7example",
            "XAKIAIOSFODNN7EXAMPLE",
            "7AKIAIOSFODNN7EXAMPLE",
            "aAKIAIOSFODNN7EXAMPLE",
            "AKIAIOSFODNN7EXAMPLEx",
            "AROAIOSFODNN7EXAMPLE",
            "AIDAIOSFODNN7EXAMPLE",
            "AGPAIOSFODNN7EXAMPLE",
            "ANPAIOSFODNN7EXAMPLE",
            "AKIA IOSFODNN7EXAMPLE",
            "AKIA-IOSFODNN7EXAMPL",
            "AKIA",
            "AKIAK",
            "ASIAN MARKETS REPORT",
            "ASIAPACIFIC",
            "ACCADEMIA",
            "AKIAIOSFOD NN7EXAMPLE",
            "A KIAIOSFODNN7EXAMPLE",
            "aki AKIA.IOSFODNN7EXAMPLE",
        ],
    );
}

#[test]
fn web_tokens_are_told_from_other_base64() {
    const SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let token = |header: &str| format!("«{header}.eyJzdWIiOiJhZGEifQ.{SIGNATURE}»");
    let hs256 = token("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
    let mut positives = vec![
        hs256.clone(),
        token("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0"),
        token("eyAiYWxnIjogIkVTMjU2IiB9"),
        token("ewogICJhbGciOiAiRWREU0EiCn0"),
        // JWE: five parts.
        format!("«eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.{SIGNATURE}.a.b-_.c»"),
        // No signature, a detached payload, one that was cut off, a padded one.
        "«eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.»".to_owned(),
        format!("«eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0..{SIGNATURE}»"),
        "«eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIi»".to_owned(),
        format!("«eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiJhZGEifQ==.{SIGNATURE}»"),
    ];
    for around in [
        "Bearer @",
        "token=@&x=1",
        "\"@\"",
        "'@'",
        "(@)",
        "<@>",
        "@\n",
        "@, next",
        "jwt:@;",
        "session_@",
        "session-@",
        "path/@",
        "a.@",
    ] {
        positives.push(around.replace('@', &hs256));
    }
    let positives: Vec<&str> = positives.iter().map(String::as_str).collect();
    finds_exactly(
        DetectorId::Jwt,
        &positives,
        &[
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9. Then",
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 .eyJzdWIiOiJhZGEifQ.x",
            "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhZGEifQ.x",
            "eyJhbGciOjV9.eyJzdWIiOiJhZGEifQ.x",
            "WyJhbGciXQ.eyJzdWIiOiJhZGEifQ.x",
            "eyJrIjoiYSIsIm4iOiJ4IiwiaWQiOjF9",
            "eyJrIjoiYSIsIm4iOiJ4IiwiaWQiOjF9.x.y",
            "XeyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.x",
            "7eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.x",
            "EYJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.x",
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ.eyJzdWIiOiJhZGEifQ.x",
            "eyes.open.wide",
            "eye.witness.account",
            "ewe.lamb.wool",
            "ey.com",
            "e.g. this",
            "example.com",
            "eyJ...",
            "eyJ",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "1.2.3",
        ],
    );
}

#[test]
fn private_keys_are_told_from_certificates_and_from_prose() {
    let key =
        |label: &str| format!("«-----BEGIN {label}-----\nMIIEpAIBAAKCAQEA\n-----END {label}-----»");
    let pem = key("PRIVATE KEY");
    let mut positives: Vec<String> = [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
        "SSH2 ENCRYPTED PRIVATE KEY",
    ]
    .map(key)
    .to_vec();
    positives.extend(
        ["@", "key: @\nnext: 1", "'@'", "x@y", "@ and @", "key=\"@\"", "\t@\r\n"]
            .map(|around| around.replace('@', &pem)),
    );
    positives.extend(
        [
            // Cut off, at several places.
            "«-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nMIIE»",
            "«-----BEGIN RSA PRIVATE KEY-----»",
            "«-----BEGIN RSA PRIVATE KEY-----\r\nMIIE\r\n-----END RSA PRIV»",
            // Line breaks that stayed escaped, or became spaces, or went.
            r"«-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END PRIVATE KEY-----»\n",
            "«-----BEGIN PRIVATE KEY----- MIIEpAIBAAKCAQEA -----END PRIVATE KEY-----» x",
            "«-----BEGIN PRIVATE KEY-----MIIEpAIBAAKCAQEA-----END PRIVATE KEY-----»",
            "«-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n-----END RSA PRIVATE KEY-----»",
            "-«-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----»-",
        ]
        .map(str::to_owned),
    );
    let positives: Vec<&str> = positives.iter().map(String::as_str).collect();
    finds_exactly(
        DetectorId::PrivateKey,
        &positives,
        &[
            "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA\n-----END PUBLIC KEY-----",
            "-----BEGIN RSA PUBLIC KEY-----\nMIIE\n-----END RSA PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE REQUEST-----\nMIIE",
            "-----BEGIN PGP MESSAGE-----\nMIIE",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\nMIIE",
            "-----BEGIN X509 CRL-----\nMIIE",
            "-----BEGIN DH PARAMETERS-----\nMIIE",
            "a file that begins with -----BEGIN PRIVATE KEY----- is one",
            "`-----BEGIN PRIVATE KEY-----`",
            "\"-----BEGIN PRIVATE KEY-----\" then base64",
            "-----BEGIN PRIVATE KEY----- ... -----END PRIVATE KEY-----",
            "----BEGIN PRIVATE KEY-----\nMIIE",
            "-----BEGIN PRIVATE KEY----\nMIIE",
            "-----BEGIN private key-----\nMIIE",
            "-----END PRIVATE KEY-----",
            "----- BEGIN PRIVATE KEY -----\nMIIE",
            "BEGIN PRIVATE KEY\nMIIE",
            "--------------------------------",
            "| --- | --- |",
            "-----BEGIN PRIVATE  KEY-----\nMIIE",
            "2024-01-31 --verbose --key=PRIVATE KEY",
        ],
    );
}

#[test]
fn a_number_in_an_address_is_masked_as_the_address() {
    let all = Detectors::new(&DetectorId::ALL.into());
    let found = |text: &str| -> Vec<(DetectorId, String)> {
        let findings = all.find_all(text.as_bytes());
        findings.iter().map(|f| (f.id, text[f.start..f.end].to_owned())).collect()
    };
    let address = "x.4111111111111111@example.com";
    assert_eq!(found(address), [(DetectorId::Email, address.to_owned())]);
    let joined = "4111 1111 1111 1111@example.com";
    assert_eq!(found(joined), [(DetectorId::PaymentCard, joined.to_owned())]);
}

#[test]
fn a_card_number_is_known_in_every_way_json_writes_numbers() {
    for card in [
        "4111111111111111",
        "-4111111111111111",
        "4111111111111111.0",
        "4.111111111111111e15",
        "4.111111111111111E+15",
        "411111111111111.1e1",
        "41111111111111110e-1",
    ] {
        assert_eq!(is_card_number(card.as_bytes()), !card.contains("e-"), "{card}");
    }
    for other in [
        "4111111111111112",
        "4111111111111111.5",
        "0.4111111111111111",
        "4.1111111111111115e15",
        "1e400",
        "1e99999999999999999999",
        "41111111111111114111111111111111",
    ] {
        assert!(!is_card_number(other.as_bytes()), "{other}");
    }
}

#[test]
fn every_name_is_the_one_in_profiles_and_no_mask_is_found_again() {
    let all = Detectors::new(&DetectorId::ALL.into());
    for id in DetectorId::ALL {
        assert_eq!(serde_json::to_value(id).unwrap(), id.name());
        assert_eq!(id.mask(), format!("[masked:{}]", id.name()));
        assert_eq!(all.find_all(id.mask().as_bytes()), []);
    }
}
