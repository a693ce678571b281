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
        code_details: if code_details.is_empty() {
            response.replaced().to_owned()
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
        removed: response.removed().clone(),
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
    /// The Envoy cluster of the server.
    pub fn cluster(&self) -> &str {
        &self.config.cluster
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;
    use crate::tests::key;

    const INTERVAL_MS: u64 = 1_000;

    fn reporter() -> Reporter {
        let config =
            OutcomesConfig { cluster: "chaperone".into(), interval_ms: INTERVAL_MS, batch: 2 };
        Reporter::new(config, key()).unwrap()
    }

    fn add(reporter: &mut Reporter, host: &Fake, ids: impl IntoIterator<Item = usize>) {
        for id in ids {
            let decision_id = id.to_string();
            reporter.add(host, Outcome { decision_id, ..Outcome::default() });
        }
    }

    /// The ids in each report so far, if the server would believe it.
    fn reported(host: &Fake) -> Vec<Vec<String>> {
        let read = |message: &Vec<u8>| {
            let report = ReportRequest::decode(message.as_slice()).unwrap();
            assert_eq!(report.key_id, "k1");
            assert!(key().verify(&report.outcomes, &report.mac));
            let batch = OutcomeBatch::decode(report.outcomes.as_slice()).unwrap();
            batch.outcomes.into_iter().map(|outcome| outcome.decision_id).collect()
        };
        host.calls.borrow().iter().map(read).collect()
    }

    #[test]
    fn a_batch_leaves_when_it_is_full_and_the_rest_when_it_is_time() {
        let (mut reporter, host) = (reporter(), Fake::default());
        reporter.ticked(&host);
        add(&mut reporter, &host, 1..=3);
        host.now_ms.set(INTERVAL_MS / 10);
        reporter.ticked(&host);
        assert_eq!(reported(&host), [vec!["1", "2"]]);
        host.now_ms.set(INTERVAL_MS);
        reporter.ticked(&host);
        assert_eq!(reported(&host), [vec!["1", "2"], vec!["3"]]);
        reporter.answered(&host, 0, 0);
        reporter.answered(&host, 1, 0);
        assert!(reporter.is_settled());
        assert_eq!(host.counted(Counter::OutcomesSent), 3);
    }

    #[test]
    fn what_the_server_did_not_take_is_sent_again() {
        let (mut reporter, host) = (reporter(), Fake::default());
        add(&mut reporter, &host, 1..=2);
        reporter.ticked(&host);
        reporter.answered(&host, 0, 14);
        reporter.ticked(&host);
        assert_eq!(reported(&host).len(), 1, "not at once");
        host.now_ms.set(INTERVAL_MS);
        host.refuses_calls.set(true);
        reporter.ticked(&host);
        host.refuses_calls.set(false);
        host.now_ms.set(2 * INTERVAL_MS);
        reporter.ticked(&host);
        assert_eq!(reported(&host), [vec!["1", "2"], vec!["1", "2"]]);
        assert_eq!(host.log.borrow().len(), 2);
        assert_eq!(host.counted(Counter::OutcomesSent), 0);
    }

    #[test]
    fn what_cannot_be_kept_is_counted_and_told() {
        let (mut reporter, host) = (reporter(), Fake::default());
        host.refuses_calls.set(true);
        add(&mut reporter, &host, 0..CAPACITY + 3);
        reporter.ticked(&host);
        assert_eq!(host.counted(Counter::OutcomesDropped), 3);
        assert!(host.log.borrow()[0].starts_with("3 outcomes dropped"));
    }

    #[test]
    fn only_so_many_batches_are_on_their_way() {
        let (mut reporter, host) = (reporter(), Fake::default());
        add(&mut reporter, &host, 0..100);
        reporter.ticked(&host);
        assert_eq!(reported(&host).len(), MAX_CALLS);
        reporter.answered(&host, 0, 0);
        reporter.ticked(&host);
        assert_eq!(reported(&host).len(), MAX_CALLS + 1);
    }

    #[test]
    fn requests_without_a_decision_are_told() {
        let (mut reporter, host) = (reporter(), Fake::default());
        reporter.add_undecided(&host);
        reporter.ticked(&host);
        assert!(host.log.borrow()[0].starts_with("1 requests ended without a decision"));
        assert_eq!(host.counted(Counter::RequestsUndecided), 1);
    }

    #[test]
    fn an_outcome_tells_how_the_exchange_ended() {
        let host = Fake::default()
            .with_property(&["response", "code"], 502_i64.to_le_bytes())
            .with_property(&["request", "size"], 7_i64.to_le_bytes())
            .with_property(&["response", "size"], 9_i64.to_le_bytes())
            .with_property(&["request", "duration"], 2_500_000_i64.to_le_bytes())
            .with_property(&["response", "code_details"], "via_upstream")
            .with_property(&["upstream", "address"], "10.0.0.1:80");
        host.now_ms.set(5);
        let outcome = outcome(&host, "dec_1".into(), &ResponseSide::default());
        assert_eq!((outcome.status, outcome.request_bytes, outcome.response_bytes), (502, 7, 9));
        assert_eq!((outcome.duration_ms, outcome.ended_at_ms), (2, 5));
        assert_eq!(outcome.code_details, "via_upstream");
        assert_eq!(outcome.upstream_address, "10.0.0.1:80");
    }
}
