#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const TEXT: &[u8] = br#"{"email":"ada@example.com"}"#;

/// [`TEXT`] as zlib and zstd write it, and stored by Brotli.
const GZIP: &str = "1f8b0800000000000203ab564acd4dcccc51b2524a4c497448ad48cc2dc849d54bcecf55aa0500e2\
                    e6ec221b000000";
const ZLIB: &str = "789cab564acd4dcccc51b2524a4c497448ad48cc2dc849d54bcecf55aa050082780982";
const RAW: &str = "ab564acd4dcccc51b2524a4c497448ad48cc2dc849d54bcecf55aa0500";
const ZSTD: &str =
    "28b52ffd0458d900007b22656d61696c223a22616461406578616d706c652e636f6d227d102b3f22";
const BROTLI: &str = "0b0d807b22656d61696c223a22616461406578616d706c652e636f6d227d03";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn refused(coding: Coding, bytes: &[u8]) -> &'static str {
    match decode_all(coding, bytes, 1000) {
        Err(DecodeError::Malformed(why)) => why,
        other => panic!("{coding:?}: {other:?}"),
    }
}

/// A gzip member around stored bytes, with these flags and optional fields.
fn member(flags: u8, fields: &[u8]) -> Vec<u8> {
    let plain = bytes(GZIP);
    [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 2, 3], fields, &plain[10..]].concat()
}

#[test]
fn a_body_is_what_it_was_before_it_was_encoded() {
    for (coding, text) in [
        (Coding::Gzip, GZIP),
        (Coding::Deflate, ZLIB),
        (Coding::Zstd, ZSTD),
        (Coding::Brotli, BROTLI),
    ] {
        assert_eq!(decode_all(coding, &bytes(text), 27).as_deref(), Ok(TEXT), "{coding:?}");
        assert_eq!(decode_all(coding, &bytes(text), 26), Err(DecodeError::TooLarge(26)));
    }
}

#[test]
fn a_coding_is_known_by_its_name_in_any_case() {
    for (name, coding) in [
        ("", None),
        (" ", None),
        ("identity", None),
        ("Identity", None),
        ("gzip", Some(Coding::Gzip)),
        ("\tGZIP ", Some(Coding::Gzip)),
        ("x-gzip", Some(Coding::Gzip)),
        ("deflate", Some(Coding::Deflate)),
        ("br", Some(Coding::Brotli)),
        ("zstd", Some(Coding::Zstd)),
    ] {
        assert_eq!(Coding::named(name), Ok(coding), "{name}");
    }
    for name in ["compress", "gzip, br", "gzip,", "identity, gzip", "gzip;q=1", "gz", "aws-chunked"]
    {
        let code = Coding::named(name).unwrap_err().code;
        assert_eq!(code, UnparsedCode::EncodingUnsupported, "{name}");
    }
}

#[test]
fn whatever_follows_the_end_is_refused() {
    for (coding, text) in [
        (Coding::Gzip, GZIP),
        (Coding::Deflate, ZLIB),
        (Coding::Zstd, ZSTD),
        (Coding::Brotli, BROTLI),
    ] {
        for more in ["00", text, "184d2a5000000000"] {
            let both = [bytes(text), bytes(more)].concat();
            assert_eq!(refused(coding, &both), "something follows the encoded body");
        }
    }
}

#[test]
fn a_stream_that_ends_early_is_refused() {
    for (coding, text) in [
        (Coding::Gzip, GZIP),
        (Coding::Deflate, ZLIB),
        (Coding::Zstd, ZSTD),
        (Coding::Brotli, BROTLI),
    ] {
        let whole = bytes(text);
        for end in 0..whole.len() {
            assert_eq!(refused(coding, &whole[..end]), "the encoded body ends early", "{end}");
        }
    }
}

#[test]
fn deflate_without_its_wrapping_is_refused() {
    refused(Coding::Deflate, &bytes(RAW));
    refused(Coding::Deflate, &bytes(GZIP));
    refused(Coding::Gzip, &bytes(ZLIB));
    // A preset dictionary: FDICT.
    refused(Coding::Deflate, &bytes("78bb00000001ab560500"));
}

#[test]
fn a_wrong_checksum_or_length_is_refused() {
    for (coding, text) in [(Coding::Gzip, GZIP), (Coding::Deflate, ZLIB), (Coding::Zstd, ZSTD)] {
        let mut spoilt = bytes(text);
        *spoilt.last_mut().unwrap() ^= 1;
        refused(coding, &spoilt);
    }
    let mut spoilt = bytes(GZIP);
    let at = spoilt.len() - 8;
    spoilt[at] ^= 1;
    assert_eq!(refused(Coding::Gzip, &spoilt), "the checksum of the gzip body is wrong");
}

#[test]
fn a_gzip_header_may_have_its_optional_fields() {
    for (flags, fields) in [
        (0x01, &b""[..]),
        (0x04, b"\x03\x00abc"),
        (0x08, b"name\0"),
        (0x10, b"comment\0"),
        (0x1c, b"\x00\x00name\0comment\0"),
    ] {
        let member = member(flags, fields);
        assert_eq!(decode_all(Coding::Gzip, &member, 100).as_deref(), Ok(TEXT), "{flags:x}");
    }
    // The low half of the header's CRC-32.
    let [low, high] = [0x25, 0x15];
    let good = member(0x02, &[low, high]);
    assert_eq!(decode_all(Coding::Gzip, &good, 100).as_deref(), Ok(TEXT));
    let bad = member(0x02, &[low ^ 1, high]);
    assert_eq!(refused(Coding::Gzip, &bad), "the checksum of the gzip header is wrong");
    for (flags, fields) in [(0x20, &b""[..]), (0x40, b""), (0x80, b"")] {
        assert_eq!(refused(Coding::Gzip, &member(flags, fields)), "the body has no gzip header");
    }
    let long = member(0x08, &[b'x'; 5000]);
    assert_eq!(refused(Coding::Gzip, &long), "the gzip header is too long");
}

#[test]
fn a_zstd_frame_needs_no_dictionary_and_a_small_window() {
    // A dictionary ID, the reserved bit, a window of 16 MiB, a skippable frame.
    for text in [
        "28b52ffd2107010100003b",
        "28b52ffd2807010100003b",
        "28b52ffd0070010000",
        "502a4d1800000000",
        // A reserved block type, a block over 128 KiB.
        "28b52ffd0058070000",
        "28b52ffd0058010018",
        // A frame that says to hold less than it does, and more.
        "28b52ffd20011100006869",
        "28b52ffd2003110000686900",
    ] {
        refused(Coding::Zstd, &bytes(text));
    }
    assert_eq!(decode_all(Coding::Zstd, &bytes("28b52ffd20021100006869"), 9).unwrap(), b"hi");
    assert_eq!(decode_all(Coding::Zstd, &bytes("28b52ffd0058010000"), 9).unwrap(), b"");
}

#[test]
fn a_bomb_is_cut_off() {
    // One block of RLE after another, 128 KiB in four bytes; none is the last.
    let bomb = [bytes("28b52ffd0058"), bytes("0200100000").repeat(16_000)].concat();
    refused(Coding::Zstd, &bomb);
    let block = bytes("02001041");
    let bomb = [bytes("28b52ffd0058"), block.repeat(16_000)].concat();
    assert_eq!(decode_all(Coding::Zstd, &bomb, 1000), Err(DecodeError::TooLarge(1000)));
    // A frame that says so itself is not begun.
    let stated = bytes("28b52ffda000001000");
    assert_eq!(decode_all(Coding::Zstd, &stated, 1000), Err(DecodeError::TooLarge(1000)));
    let mut decoder = Decoder::new(Coding::Zstd, 1000);
    let mut out = Vec::new();
    assert_eq!(decoder.push(&bomb, &mut out), Err(DecodeError::TooLarge(1000)));
    assert_eq!(decoder.push(&[], &mut out), Err(DecodeError::TooLarge(1000)));
    assert_eq!(decoder.finish(), Err(DecodeError::TooLarge(1000)));
}

#[test]
fn a_large_brotli_window_is_not_in_the_rfc() {
    refused(Coding::Brotli, &bytes("1118"));
}

#[test]
fn an_encoded_body_that_is_text_as_well_is_refused() {
    // A Brotli stream of one stored metablock, whose header is ASCII.
    let text = b"\x2f\x2a";
    let error = decode(Some("br".into()), text, 100).unwrap_err();
    assert_eq!(error.code, UnparsedCode::EncodingMalformed);
    assert_eq!(error.detail, "the encoded body could be read as text as well");
    assert_eq!(decode(Some("br".into()), b"", 100).unwrap(), &b""[..]);
    assert_eq!(decode(None, b"abc", 2).unwrap_err().code, UnparsedCode::ExpandsTooMuch);
}

#[cfg(not(target_arch = "wasm32"))]
mod laws {
    use std::io::Write;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn encoded(coding: Coding, level: u32, plain: &[u8]) -> Vec<u8> {
        let deflate = flate2::Compression::new(level.min(9));
        match coding {
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), deflate);
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), deflate);
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Brotli => {
                let mut out = Vec::new();
                let params = ::brotli::enc::BrotliEncoderParams {
                    quality: i32::try_from(level).unwrap(),
                    lgwin: 10 + i32::try_from(level).unwrap(),
                    ..Default::default()
                };
                ::brotli::BrotliCompress(&mut &*plain, &mut out, &params).unwrap();
                out
            }
            Coding::Zstd => {
                let level = match level {
                    0..4 => ruzstd::encoding::CompressionLevel::Uncompressed,
                    _ => ruzstd::encoding::CompressionLevel::Fastest,
                };
                ruzstd::encoding::compress_to_vec(plain, level)
            }
        }
    }

    /// What zstd 1.5 makes, at level 19, of a few KiB of JSON: Huffman codes, FSE tables,
    /// repeated offsets.
    const DENSE: &str = "\
        28b52ffd0468a50800424f2819704f3a66fcf5f794a0d7f0fffffe965b4a99520a15d2ffff66b54c\
        b753fee896f8c3ded16c47fe9fc7fc94d61f74e73d4cf651fa4d644b893e94ce7866f4de59fb54b2\
        b1f2be42ab955d5fc6ba0e6a2b514f6116cb52d3b53aed49ad8b9cea7b9edf105af12edd1922b4a3\
        43773eddd4d4e6c2441c8b49a24e551a8662501a1041290688c9a30a0789a4c1601ae614a4109930\
        00a6b0083098e600180282b10463a8115075beff1b909514147612401040107842aef05f162bc107\
        f3dfe28f037153e67cc6f0b3ff7d9df319c3cfffa7d377f2f363676514b0f7be1ca3ceb4c84552f4\
        9b25fa8c1091a843bd79b0171386a054a1b5898b8292ae366132aaca3f4ba345d49166031b14cdc0\
        4e2b06f0abffeb6a18";

    fn codings() -> impl Strategy<Value = Coding> {
        prop::sample::select(vec![Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd])
    }

    /// Bytes that compress more or less well.
    fn plain() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            prop::collection::vec(prop::sample::select(b"abc".to_vec()), 0..4000),
            (prop::collection::vec(any::<u8>(), 1..40), 0_usize..4000)
                .prop_map(|(part, times)| part.repeat(times)),
        ]
    }

    fn places(cuts: &[Index], bytes: &[u8]) -> Vec<usize> {
        cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect()
    }

    fn chunked(coding: Coding, bytes: &[u8], mut cuts: Vec<usize>) -> Result<Vec<u8>, DecodeError> {
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut decoder = Decoder::new(coding, 1 << 20);
        let mut out = Vec::new();
        let mut from = 0;
        for to in cuts {
            decoder.push(&bytes[from..to], &mut out)?;
            from = to;
        }
        decoder.finish()?;
        Ok(out)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn what_was_encoded_decodes_however_it_is_cut(
            coding in codings(),
            level in 0_u32..12,
            plain in plain(),
            cuts in prop::collection::vec(any::<Index>(), 0..8),
        ) {
            let encoded = encoded(coding, level, &plain);
            let cuts = places(&cuts, &encoded);
            prop_assert_eq!(chunked(coding, &encoded, cuts), Ok(plain.clone()));
            let every = (0..encoded.len().min(600)).collect();
            prop_assert_eq!(chunked(coding, &encoded, every), Ok(plain.clone()));
            prop_assert_eq!(decode_all(coding, &encoded, plain.len()), Ok(plain.clone()));
            if let Some(less) = plain.len().checked_sub(1) {
                let short = decode_all(coding, &encoded, less);
                prop_assert_eq!(short, Err(DecodeError::TooLarge(less)));
            }
        }

        #[test]
        fn a_part_of_a_stream_or_more_than_it_is_refused(
            coding in codings(),
            level in 0_u32..12,
            plain in plain(),
            cut in any::<Index>(),
        ) {
            let encoded = encoded(coding, level, &plain);
            prop_assert!(decode_all(coding, &encoded[..cut.index(encoded.len())], 1 << 20).is_err());
            let more = [&*encoded, b"x"].concat();
            prop_assert!(decode_all(coding, &more, 1 << 20).is_err());
        }

        #[test]
        fn spoilt_bytes_never_make_it_panic(
            coding in codings(),
            level in 0_u32..12,
            plain in plain(),
            spoils in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
            cuts in prop::collection::vec(any::<Index>(), 0..3),
        ) {
            let mut encoded = encoded(coding, level, &plain);
            for (at, byte) in spoils {
                let at = at.index(encoded.len());
                encoded[at] = byte;
            }
            let whole = decode_all(coding, &encoded, 1 << 20);
            prop_assert_eq!(&chunked(coding, &encoded, places(&cuts, &encoded)), &whole);
            // The checksum of gzip is the only one that tells: zlib's Adler-32 is the same for
            // one spoilt short text in some thousands, Brotli has none, zstd's may be left out.
            if let (Ok(decoded), Coding::Gzip) = (whole, coding) {
                prop_assert_eq!(decoded, plain);
            }
        }

        #[test]
        fn a_dense_stream_that_is_spoilt_does_not_decode_to_other_bytes(
            spoils in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        ) {
            let good = bytes(DENSE);
            let plain = decode_all(Coding::Zstd, &good, 1 << 20);
            prop_assert!(plain.is_ok());
            let mut spoilt = good;
            for (at, byte) in spoils {
                let at = at.index(spoilt.len());
                spoilt[at] = byte;
            }
            let decoded = decode_all(Coding::Zstd, &spoilt, 1 << 20);
            prop_assert!(decoded.is_err() || decoded == plain);
        }

        #[test]
        fn no_bytes_make_it_panic(coding in codings(), bytes in any::<Vec<u8>>()) {
            let _ = decode_all(coding, &bytes, 1 << 20);
        }
    }
}
