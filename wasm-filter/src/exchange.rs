//! One request and its answer, in the order in which Envoy tells of them.

use std::rc::Rc;

use crate::Filter;
use crate::host::{Flow, Host};
use crate::outcomes;
use crate::request::RequestSide;
use crate::response::ResponseSide;

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    filter: Rc<Filter>,
    request: RequestSide,
    response: ResponseSide,
}

impl Exchange {
    /// An exchange that has not begun.
    pub fn new(filter: Rc<Filter>) -> Self {
        Self { filter, request: RequestSide::default(), response: ResponseSide::default() }
    }

    /// The request's headers; `end_of_stream` when there is nothing more.
    pub fn request_headers(&mut self, host: &impl Host, end_of_stream: bool) -> Flow {
        self.request.headers(host, &self.filter, end_of_stream)
    }

    /// More of the request's body: `size` bytes are held or passing.
    pub fn request_body(&mut self, host: &impl Host, size: usize, end_of_stream: bool) -> Flow {
        self.request.body(host, &self.filter, size, end_of_stream)
    }

    /// The request's trailers, which end it.
    pub fn request_trailers(&mut self, host: &impl Host) -> Flow {
        self.request.trailers(host, &self.filter)
    }

    /// The answer's headers.
    pub fn response_headers(&mut self, host: &impl Host, end_of_stream: bool) -> Flow {
        self.response.headers(host, &self.filter, self.request.caller(), end_of_stream)
    }

    /// A chunk of the answer's body, `size` bytes long.
    pub fn response_body(&mut self, host: &impl Host, size: usize, end_of_stream: bool) -> Flow {
        self.response.body(host, self.request.caller(), size, end_of_stream)
    }

    /// The answer's trailers, which end it.
    pub fn response_trailers(&mut self, host: &impl Host) -> Flow {
        self.response.trailers(host, self.request.caller())
    }

    /// The answer to a call of this exchange's.
    pub fn called_back(&mut self, host: &impl Host, token: u32, status: u32, size: usize) {
        self.response.called_back(host, self.request.caller(), token, status, size);
    }

    /// The end, however it came.
    pub fn ended(&mut self, host: &impl Host) {
        let mut reporter = self.filter.outcomes().borrow_mut();
        match self.response.decision(host) {
            Some(decision) => reporter.add(host, outcomes::outcome(host, decision, &self.response)),
            None if self.request.awaits_decision() => reporter.add_undecided(host),
            None => {}
        }
    }
}
