//! A proxy for tests: it holds what an exchange sees, and remembers what was done.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{Body, Counter, Headers, Host, Level, Map};
use crate::reply::Reply;

type HeaderList = Vec<(String, Vec<u8>)>;

#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub(crate) now_ms: Cell<u64>,
    pub(crate) maps: RefCell<BTreeMap<Map, HeaderList>>,
    pub(crate) body: RefCell<Vec<u8>>,
    pub(crate) properties: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) replies: RefCell<Vec<Reply>>,
    pub(crate) resets: Cell<usize>,
    /// The messages of the calls made so far; a call's token is its place.
    pub(crate) calls: RefCell<Vec<Vec<u8>>>,
    pub(crate) refuses_calls: Cell<bool>,
    /// The message that is told next.
    pub(crate) message: RefCell<Vec<u8>>,
    pub(crate) resumed: Cell<usize>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) counts: RefCell<BTreeMap<Counter, u64>>,
}

impl Fake {
    pub(crate) fn with_headers(self, map: Map, headers: &[(&str, &str)]) -> Self {
        let list = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.maps.borrow_mut().insert(map, list);
        self
    }

    pub(crate) fn with_property(self, path: &[&str], value: impl Into<Vec<u8>>) -> Self {
        self.properties.borrow_mut().insert(path.join("."), value.into());
        self
    }

    pub(crate) fn header(&self, map: Map, name: &str) -> Option<String> {
        self.headers(map).value(name)
    }

    pub(crate) fn counted(&self, counter: Counter) -> u64 {
        self.counts.borrow().get(&counter).copied().unwrap_or(0)
    }
}

impl Host for Fake {
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn headers(&self, map: Map) -> Headers {
        Headers::new(self.maps.borrow().get(&map).cloned().unwrap_or_default())
    }

    fn set_header(&self, map: Map, name: &str, value: &str) {
        self.remove_header(map, name);
        let mut maps = self.maps.borrow_mut();
        maps.entry(map).or_default().push((name.into(), value.into()));
    }

    fn remove_header(&self, map: Map, name: &str) {
        if let Some(list) = self.maps.borrow_mut().get_mut(&map) {
            list.retain(|(known, _)| known != name);
        }
    }

    fn body(&self, _: Body, size: usize) -> Vec<u8> {
        self.body.borrow().iter().copied().take(size).collect()
    }

    fn replace_body(&self, _: Body, bytes: &[u8]) {
        *self.body.borrow_mut() = bytes.to_vec();
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.borrow().get(&path.join(".")).cloned()
    }

    fn reply(&self, reply: &Reply, _: bool) {
        self.replies.borrow_mut().push(reply.clone());
    }

    fn reset(&self) {
        self.resets.set(self.resets.get() + 1);
    }

    fn call(&self, _: &str, _: &str, _: &str, message: &[u8]) -> Option<u32> {
        if self.refuses_calls.get() {
            return None;
        }
        let mut calls = self.calls.borrow_mut();
        calls.push(message.to_vec());
        u32::try_from(calls.len() - 1).ok()
    }

    fn message(&self, size: usize) -> Vec<u8> {
        self.message.borrow().iter().copied().take(size).collect()
    }

    fn resume(&self) {
        self.resumed.set(self.resumed.get() + 1);
    }

    fn log(&self, _: Level, text: &str) {
        self.log.borrow_mut().push(text.into());
    }

    fn count(&self, counter: Counter, by: u64) {
        *self.counts.borrow_mut().entry(counter).or_default() += by;
    }
}
