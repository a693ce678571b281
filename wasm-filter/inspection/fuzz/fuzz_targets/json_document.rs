//! What is read of a document is what `serde_json` reads.

#![no_main]

use chaperone_inspection_fuzz::laws::json_document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| json_document(data));
