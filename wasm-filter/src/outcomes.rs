//! How decided requests ended, on their way to the server: in batches, kept until
//! the server has taken them, bounded, and never lost without a word.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chaperone_inspection::plan::OutcomesConfig;
use chaperone_inspection::seal::FactsKey;
use chaperone_proto::v1::{Outcome, OutcomeBatch, ReportRequest};
use prost::Message as _;

use crate::ConfigError;
use crate::host::{Counter, Host, Level};
use crate::response::ResponseSide;

/// How many outcomes wait at most: a few megabytes, and some seconds of a busy
/// worker's requests while the server is away.
const CAPACITY: usize = 10_000;

/// How many batches may be on their way at once.
const MAX_CALLS: usize = 4;

/// How often the reporter looks at its queue within one interval.
const LOOKS_PER_INTERVAL: u64 = 10;

/// The outcome of an exchange that went by `decision`, at its end.
pub fn outcome(host: &impl Host, decision: String, response: &ResponseSide) -> Outcome {
    let number = |path: &[&str]| host.number(path).unwrap_or(0);
    let code_details = host.text(&["response", "code_details"]);
    Outcome {
        decision_id: decision,
        status: u32::try_from(number(&["response", "code"])).unwrap_or(0),
        // An answer of the filter's own has no details; what it replaced has.
        code_details: if code_details.is_empty() {
            response.code_details().to_owned()
        } else {
            code_details
        },
        request_bytes: number(&["request", "size"]),
        response_bytes: number(&["response", "size"]),
        masked: response.masked().clone(),
        withheld: response.withheld().to_owned(),
        upstream_address: host.text(&["upstream", "address"]),
        response_sha256: response.body_sha256().map(Vec::from).unwrap_or_default(),
        duration_ms: Duration::from_nanos(number(&["request", "duration"]))
            .as_millis()
            .try_into()
            .unwrap_or(u64::MAX),
        ended_at_ms: host.now_ms(),
    }
}

/// The outcomes of one VM on their way to the server.
#[derive(Debug)]
pub struct Reporter {
    config: OutcomesConfig,
    key: FactsKey,
    waiting: VecDeque<Outcome>,
    /// What was sent and not answered yet, by the call's token.
    sent: BTreeMap<u32, Vec<Outcome>>,
    /// When whatever waits is sent next, full batch or not.
    due_ms: u64,
    /// No call is made before: the last one failed.
    retry_ms: u64,
    dropped: u64,
    undecided: u64,
}

impl Reporter {
    /// A reporter that seals its batches with `key`.
    pub fn new(config: OutcomesConfig, key: FactsKey) -> Result<Self, ConfigError> {
        if config.interval_ms == 0 {
            return Err(ConfigError::Outcomes("interval_ms"));
        }
        if config.batch == 0 {
            return Err(ConfigError::Outcomes("batch"));
        }
        Ok(Self {
            config,
            key,
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            due_ms: 0,
            retry_ms: 0,
            dropped: 0,
            undecided: 0,
        })
    }

    /// How often [`Self::ticked`] wants to be called: a full batch leaves early. Only
    /// a tick sends, because Envoy cancels a call with the stream that made it.
    pub fn tick(&self) -> Duration {
        let shortest = Duration::from_millis(10);
        let looks = self.config.interval_ms.checked_div(LOOKS_PER_INTERVAL).unwrap_or(0);
        Duration::from_millis(looks).max(shortest)
    }

    /// Takes an outcome.
    pub fn add(&mut self, host: &impl Host, outcome: Outcome) {
        if self.held() < CAPACITY {
            self.waiting.push_back(outcome);
        } else {
            host.count(Counter::OutcomesDropped, 1);
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Takes note of a request that ended without a decision: there is no id under
    /// which the server could know of it.
    pub fn add_undecided(&mut self, host: &impl Host) {
        host.count(Counter::RequestsUndecided, 1);
        self.undecided = self.undecided.saturating_add(1);
    }

    /// Sends what is due.
    pub fn ticked(&mut self, host: &impl Host) {
        let now = host.now_ms();
        let due = now >= self.due_ms;
        if due {
            self.due_ms = now.saturating_add(self.config.interval_ms);
            self.tell_of_losses(host);
        }
        if now >= self.retry_ms {
            let least = if due { 1 } else { self.config.batch };
            self.send(host, least);
        }
    }

    /// Sends whatever waits, due or not.
    pub fn send_all(&mut self, host: &impl Host) {
        self.tell_of_losses(host);
        self.send(host, 1);
    }

    /// The server's answer to the call `token`: a gRPC status.
    pub fn answered(&mut self, host: &impl Host, token: u32, status: u32) {
        let Some(batch) = self.sent.remove(&token) else { return };
        if status == 0 {
            host.count(Counter::OutcomesSent, u64::try_from(batch.len()).unwrap_or(0));
        } else {
            self.keep(host, batch, &format!("gRPC status {status}"));
        }
    }

    /// Whether nothing is on its way. What waits then could not be sent.
    pub fn is_settled(&self) -> bool {
        self.sent.is_empty()
    }

    /// Sends batches as long as `least` outcomes wait.
    fn send(&mut self, host: &impl Host, least: usize) {
        while self.waiting.len() >= least && self.sent.len() < MAX_CALLS {
            let size = self.config.batch.min(self.waiting.len());
            let batch: Vec<_> = self.waiting.drain(..size).collect();
            let message = self.report(&batch);
            let cluster = &self.config.cluster;
            match host.call(cluster, "chaperone.v1.Outcomes", "Report", &message) {
                Some(token) => {
                    self.sent.insert(token, batch);
                }
                None => return self.keep(host, batch, "the call could not be made"),
            }
        }
    }

    fn report(&self, batch: &[Outcome]) -> Vec<u8> {
        let outcomes = OutcomeBatch { outcomes: batch.to_vec() }.encode_to_vec();
        let mac = self.key.mac(&outcomes).to_vec();
        ReportRequest { key_id: self.key.id().to_owned(), outcomes, mac }.encode_to_vec()
    }

    /// Keeps a batch that the server did not take, to send it again later.
    fn keep(&mut self, host: &impl Host, batch: Vec<Outcome>, reason: &str) {
        let (size, cluster) = (batch.len(), &self.config.cluster);
        let text = format!("{size} outcomes not reported to {cluster}, kept: {reason}");
        host.log(Level::Warn, &text);
        for outcome in batch.into_iter().rev() {
            self.waiting.push_front(outcome);
        }
        self.retry_ms = host.now_ms().saturating_add(self.config.interval_ms);
    }

    fn held(&self) -> usize {
        self.sent.values().map(Vec::len).fold(self.waiting.len(), usize::saturating_add)
    }

    fn tell_of_losses(&mut self, host: &impl Host) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let text = format!("{dropped} outcomes dropped: {CAPACITY} wait already");
            host.log(Level::Error, &text);
        }
        let undecided = std::mem::take(&mut self.undecided);
        if undecided > 0 {
            let text = format!("{undecided} requests ended without a decision to report on");
            host.log(Level::Warn, &text);
        }
    }
}
