//! URL-encoded forms.

#![no_main]

use chaperone_inspection_fuzz::form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| form(data));
