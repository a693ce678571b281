//! stub: a streaming tokenizer.
