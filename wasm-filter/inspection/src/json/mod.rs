//! JSON, read strictly: whole documents for requests, a stream of tokens for
//! responses.

pub mod document;
pub mod escape;
pub mod path;
pub mod select;
pub mod tokenizer;
