//! GraphQL queries, as the body, in one, or in the query of the path.

#![no_main]

use chaperone_inspection_fuzz::graphql;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graphql(data));
