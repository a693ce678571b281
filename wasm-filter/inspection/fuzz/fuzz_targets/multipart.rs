//! Multipart forms.

#![no_main]

use chaperone_inspection_fuzz::multipart;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| multipart(data));
