//! Tokens are the same wherever the document was cut.

#![no_main]

use chaperone_inspection_fuzz::laws::json_tokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| json_tokenizer(data));
