//! stub: a whole document, read strictly.
