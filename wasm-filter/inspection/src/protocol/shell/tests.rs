//! Laws of reading a shell text.
