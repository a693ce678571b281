use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::{Action, Command, Protocol};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::audit::AuditLog;
use crate::identity::{Assurance, Chain, Hop};
use crate::policy::ApprovalTerms;
use crate::store::{Durability, SqliteStore};
use crate::time::{Clock, SystemClock, UnixMillis};

const TTL: Duration = Duration::from_mins(15);

/// One agent that wants to delete, and the people who may let it.
struct Case {
    folder: TempDir,
    chain: Chain,
    commands: Vec<Command>,
    terms: ApprovalTerms,
    approvals: Approvals,
}

impl Case {
    fn new(groups: &[&str], quorum: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hop = |principal: &str, assurance| {
            Hop::new(principal.parse().unwrap(), assurance, BTreeSet::new())
        };
        let chain = Chain::new(vec![
            hop("corp-idp/root", Assurance::Attested),
            hop("github/repo:acme/shop", Assurance::Proven),
        ]);
        Self {
            chain: chain.unwrap(),
            commands: vec![Command {
                action: Action::named("sql:delete").unwrap(),
                resource: "customers".to_owned(),
                attributes: serde_json::Map::new(),
            }],
            terms: ApprovalTerms {
                groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
                quorum: NonZeroU32::new(quorum).unwrap(),
                ttl: TTL,
            },
            approvals: open(folder.path()),
            folder,
        }
    }

    fn action<'a>(&'a self, body: &[u8]) -> ActionToApprove<'a> {
        ActionToApprove {
            chain: &self.chain,
            service: "customers",
            protocol: Protocol::Sql,
            commands: &self.commands,
            method: "POST",
            host: "customers.example",
            path: "/sql",
            body_sha256: Some(Digest::of(body)),
            policy_set: Digest::of(b"policies"),
        }
    }

    async fn request(&self, decision_id: &str, now: UnixMillis) -> Standing {
        let asked = ApprovalRequest {
            action: self.action(b"body"),
            terms: &self.terms,
            display: &json!([{ "action": "sql:delete", "resource": "customers" }]),
            decision_id,
            new_id: ApprovalId::new(Uuid::new_v4()),
        };
        self.approvals.request(&asked, now).await.unwrap()
    }

    async fn pending(&self, now: UnixMillis) -> Approval {
        match self.request("dec_1", now).await {
            Standing::Pending(approval) => approval,
            other => panic!("{other:?}"),
        }
    }

    async fn approved(&self, now: UnixMillis) -> Approved {
        let approval = self.pending(now).await;
        self.vote(approval.id, &human("alice", &["sre"]), Verdict::Approve, now).await.unwrap();
        match self.request("dec_2", now).await {
            Standing::Approved(approved) => approved,
            other => panic!("{other:?}"),
        }
    }

    async fn vote(
        &self,
        id: ApprovalId,
        approver: &Approver,
        verdict: Verdict,
        now: UnixMillis,
    ) -> Result<Approval, ApprovalError> {
        let ballot = Ballot { approver, verdict, reason: Some("because") };
        self.approvals.vote(id, &ballot, now).await
    }

    /// What the audit log tells: event, state since, and by whom.
    async fn told(&self) -> Vec<(String, String, Value)> {
        let log = AuditLog::new(Arc::new(store(self.folder.path())));
        assert!(log.verify(None).await.unwrap().is_intact());
        let entries = log.entries_after(0, NonZeroU32::new(1000).unwrap()).await.unwrap();
        let told = |body: &str| {
            let mut body: Value = serde_json::from_str(body).unwrap();
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            (text("event"), text("state"), body["by"].take())
        };
        entries.iter().map(|entry| told(&entry.draft.body)).collect()
    }
}

fn store(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("store.db"), Durability::Normal).unwrap()
}

fn open(folder: &Path) -> Approvals {
    Approvals::new(Arc::new(store(folder)))
}

fn human(name: &str, groups: &[&str]) -> Approver {
    Approver {
        principal: format!("corp-idp/{name}").parse().unwrap(),
        groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
        kind: ApproverKind::Human,
    }
}

fn at(seconds: i64) -> UnixMillis {
    UnixMillis::new(seconds * 1000)
}

fn event(event: &str, state: &str, by: Option<&str>) -> (String, String, Value) {
    (event.to_owned(), state.to_owned(), json!(by))
}

#[tokio::test]
async fn an_approval_is_asked_for_given_and_used_once_and_the_log_tells_it() {
    let case = Case::new(&["sre"], 1);
    let approval = case.pending(at(0)).await;
    assert_eq!(case.pending(at(1)).await, approval, "asking again finds it");
    case.vote(approval.id, &human("alice", &["sre"]), Verdict::Approve, at(2)).await.unwrap();
    let Standing::Approved(approved) = case.request("dec_2", at(3)).await else { panic!() };
    let consumed = case.approvals.consume(approved.clone(), "dec_2", at(4)).await.unwrap();
    assert_eq!(consumed.approval().id, approval.id);
    assert_eq!(consumed.approval().consumed_by.as_deref(), Some("dec_2"));
    let again = case.approvals.consume(approved, "dec_3", at(4)).await;
    assert_eq!(again, Err(ApprovalError::NotUsable));
    let next = case.pending(at(5)).await;
    assert_ne!(next.id, approval.id, "a used approval is not found again");
    assert_eq!(
        case.told().await,
        [
            event("requested", "pending", None),
            event("approved", "approved", Some("corp-idp/alice")),
            event("consumed", "consumed", None),
            event("requested", "pending", None),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_retries_at_once_in_two_processes_one_passes() {
    let case = Case::new(&["sre"], 1);
    let approved = case.approved(at(0)).await;
    let processes = [Arc::new(open(case.folder.path())), Arc::new(open(case.folder.path()))];
    let retry = |number: usize| {
        let approvals = Arc::clone(&processes[number % 2]);
        let approved = approved.clone();
        tokio::spawn(
            async move { approvals.consume(approved, &format!("dec_{number}"), at(1)).await },
        )
    };
    let mut passed = 0;
    for retry in (0..50).map(retry).collect::<Vec<_>>() {
        match retry.await.unwrap() {
            Ok(_) => passed += 1,
            Err(error) => assert_eq!(error, ApprovalError::NotUsable),
        }
    }
    assert_eq!(passed, 1);
    let consumed = event("consumed", "consumed", None);
    assert_eq!(case.told().await.iter().filter(|told| **told == consumed).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_at_once_asks_for_one_approval() {
    let case = Arc::new(Case::new(&["sre"], 1));
    let ask = |_| {
        let case = Arc::clone(&case);
        tokio::spawn(async move { case.pending(at(0)).await.id })
    };
    let mut ids = BTreeSet::new();
    for ask in (0..20).map(ask).collect::<Vec<_>>() {
        ids.insert(ask.await.unwrap().to_string());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(case.told().await.len(), 1);
}

#[tokio::test]
async fn a_denied_action_stays_denied_until_its_approval_would_have_expired() {
    let case = Case::new(&["sre", "dba"], 2);
    let approval = case.pending(at(0)).await;
    case.vote(approval.id, &human("alice", &["sre"]), Verdict::Approve, at(1)).await.unwrap();
    case.vote(approval.id, &human("bob", &["sre"]), Verdict::Deny, at(2)).await.unwrap();
    let late = case.vote(approval.id, &human("carol", &["dba"]), Verdict::Approve, at(3)).await;
    assert_eq!(late, Err(VoteRefusal::NotPending(ApprovalState::Denied).into()));
    assert!(matches!(case.request("dec_2", at(899)).await, Standing::Denied(_)));
    assert_ne!(case.pending(at(900)).await.id, approval.id);
    let denied = case.approvals.get(approval.id).await.unwrap().unwrap();
    assert_eq!(denied.state_at(at(9999)), ApprovalState::Denied);
}

#[tokio::test]
async fn an_approval_that_has_expired_is_neither_given_nor_used() {
    let case = Case::new(&["sre"], 1);
    let first = case.pending(at(0)).await;
    let alice = human("alice", &["sre"]);
    let late = case.vote(first.id, &alice, Verdict::Approve, at(900)).await;
    assert_eq!(late, Err(VoteRefusal::Expired.into()));

    let approved = case.approved(at(1000)).await;
    let late = case.approvals.consume(approved.clone(), "dec_3", at(1900)).await;
    assert_eq!(late, Err(ApprovalError::NotUsable));
    // Nor by somebody whose clock is behind, once it is written.
    let later = case.approvals.consume(approved, "dec_3", at(1001)).await;
    assert_eq!(later, Err(ApprovalError::NotUsable));

    let third = case.pending(at(2000)).await;
    case.pending(at(2900)).await;
    let third = case.approvals.get(third.id).await.unwrap().unwrap();
    assert_eq!(third.state, ApprovalState::Expired, "asking anew writes the end of the old one");
    let expired = event("expired", "expired", None);
    assert_eq!(case.told().await.iter().filter(|told| **told == expired).count(), 3);
}

#[tokio::test]
async fn sweeping_tells_the_log_what_has_expired_once() {
    let case = Case::new(&["sre"], 1);
    case.pending(at(0)).await;
    assert_eq!(case.approvals.sweep(at(899)).await, Ok(0));
    assert_eq!(case.approvals.sweep(at(900)).await, Ok(1));
    assert_eq!(case.approvals.sweep(at(901)).await, Ok(0));
    assert_eq!(case.told().await.last(), Some(&event("expired", "expired", None)));
}

#[tokio::test]
async fn each_group_that_is_asked_and_the_quorum_are_needed() {
    let case = Case::new(&["sre", "dba"], 3);
    let id = case.pending(at(0)).await.id;
    for (name, groups, state) in [
        ("alice", &["sre", "staff"][..], ApprovalState::Pending),
        ("bob", &["sre"], ApprovalState::Pending),
        // As many as the quorum, and none of them a DBA.
        ("carol", &["sre"], ApprovalState::Pending),
        ("dave", &["dba"], ApprovalState::Approved),
    ] {
        let voted = case.vote(id, &human(name, groups), Verdict::Approve, at(1)).await.unwrap();
        assert_eq!(voted.state, state, "{name}");
    }
}

#[tokio::test]
async fn one_person_in_both_groups_is_still_one_person() {
    let case = Case::new(&["sre", "dba"], 2);
    let id = case.pending(at(0)).await.id;
    let alice = human("alice", &["sre", "dba"]);
    let voted = case.vote(id, &alice, Verdict::Approve, at(1)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Pending);
    let again = case.vote(id, &alice, Verdict::Deny, at(1)).await;
    assert_eq!(again, Err(VoteRefusal::AlreadyVoted.into()));
}

#[tokio::test]
async fn who_may_not_vote_is_told_why_and_changes_nothing() {
    let case = Case::new(&["sre"], 1);
    let approval = case.pending(at(0)).await;
    let agent = Approver { kind: ApproverKind::Agent, ..human("alice", &["sre"]) };
    let caller =
        Approver { principal: "github/repo:acme/shop".parse().unwrap(), ..human("x", &["sre"]) };
    for (approver, refusal) in [
        (agent, VoteRefusal::NotHuman),
        (human("root", &["sre"]), VoteRefusal::InChain),
        (caller, VoteRefusal::InChain),
        (human("bob", &["staff"]), VoteRefusal::NotInGroup(case.terms.groups.clone())),
    ] {
        for verdict in [Verdict::Approve, Verdict::Deny] {
            let refused = case.vote(approval.id, &approver, verdict, at(1)).await;
            assert_eq!(refused, Err(refusal.clone().into()));
        }
    }
    let alice = human("alice", &["sre"]);
    let reason = "x".repeat(VoteRefusal::REASON_CHARS + 1);
    let ballot = Ballot { approver: &alice, verdict: Verdict::Deny, reason: Some(&reason) };
    let refused = case.approvals.vote(approval.id, &ballot, at(1)).await;
    assert_eq!(refused, Err(VoteRefusal::ReasonTooLong.into()));
    let unknown = ApprovalId::new(Uuid::from_u128(7));
    let refused = case.vote(unknown, &alice, Verdict::Deny, at(1)).await;
    assert_eq!(refused, Err(ApprovalError::NotFound));
    assert_eq!(case.approvals.get(approval.id).await, Ok(Some(approval)));
}

#[tokio::test]
async fn the_owner_of_an_api_key_does_not_vote_on_what_is_done_with_it() {
    let keyed = |name: &str, owner: &str| {
        let mut hop = Hop::new(name.parse().unwrap(), Assurance::Proven, BTreeSet::new());
        hop.attributes.insert("owner".to_owned(), owner.to_owned());
        hop
    };
    let mut case = Case::new(&["sre"], 1);
    for (hop, refused) in [
        (keyed("api-key/nightly", "corp-idp/ada"), true),
        (keyed("api-key/nightly", "corp-idp/eve"), false),
        (keyed("api-key/nightly", "Ada, of the SRE team"), false),
        (keyed("github/job", "corp-idp/ada"), false),
    ] {
        // The key's holder asks, and then another agent on its behalf.
        let agent = Hop::new("github/a".parse().unwrap(), Assurance::Proven, BTreeSet::new());
        for hops in [vec![hop.clone()], vec![hop.clone(), agent]] {
            case.chain = Chain::new(hops).unwrap();
            let id = case.pending(at(0)).await.id;
            let voted = case.vote(id, &human("ada", &["sre"]), Verdict::Approve, at(1)).await;
            let expected = if refused { Err(VoteRefusal::InChain.into()) } else { Ok(()) };
            assert_eq!(voted.map(drop), expected, "{hop:?}");
            if refused {
                let bob = human("bob", &["sre"]);
                case.vote(id, &bob, Verdict::Approve, at(1)).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn terms_that_ask_no_group_are_met_by_nobody() {
    let case = Case::new(&[], 1);
    let id = case.pending(at(0)).await.id;
    let refused = case.vote(id, &human("alice", &["sre"]), Verdict::Approve, at(1)).await;
    assert_eq!(refused, Err(VoteRefusal::NotInGroup(BTreeSet::new()).into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_at_once_all_count() {
    let case = Arc::new(Case::new(&["sre"], 8));
    let id = case.pending(at(0)).await.id;
    let vote = |number: usize| {
        let case = Arc::clone(&case);
        tokio::spawn(async move {
            let approver = human(&format!("human-{number}"), &["sre"]);
            case.vote(id, &approver, Verdict::Approve, at(1)).await.unwrap();
        })
    };
    for vote in (0..8).map(vote).collect::<Vec<_>>() {
        vote.await.unwrap();
    }
    let approval = case.approvals.get(id).await.unwrap().unwrap();
    assert_eq!((approval.votes.len(), approval.state), (8, ApprovalState::Approved));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_hears_of_a_decision_of_this_process_and_of_another() {
    let case = Arc::new(Case::new(&["sre"], 1));
    for elsewhere in [false, true] {
        let now = SystemClock.now();
        let id = case.pending(now).await.id;
        let waiting = tokio::spawn({
            let case = Arc::clone(&case);
            async move {
                let deadline = now.after(Duration::from_mins(1));
                case.approvals.wait_until_decided(id, deadline, &SystemClock).await
            }
        });
        let alice = human("alice", &["sre"]);
        let ballot = Ballot { approver: &alice, verdict: Verdict::Approve, reason: None };
        let here = if elsewhere { &open(case.folder.path()) } else { &case.approvals };
        here.vote(id, &ballot, SystemClock.now()).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert_eq!(heard.unwrap().unwrap(), Ok(()));
        let Standing::Approved(approved) = case.request("dec_2", SystemClock.now()).await else {
            panic!()
        };
        let _used = case.approvals.consume(approved, "dec_2", SystemClock.now()).await.unwrap();
    }
}

#[tokio::test]
async fn who_waits_in_vain_is_told_at_the_deadline() {
    let case = Case::new(&["sre"], 1);
    let now = SystemClock.now();
    let id = case.pending(now).await.id;
    let deadline = now.after(Duration::from_millis(50));
    let waited = case.approvals.wait_until_decided(id, deadline, &SystemClock);
    let waited = tokio::time::timeout(Duration::from_secs(10), waited).await;
    assert_eq!(waited.unwrap(), Ok(()));
    assert!(SystemClock.now() >= deadline);
}

#[tokio::test]
async fn lists_know_the_time() {
    let case = Case::new(&["sre"], 1);
    let approval = case.pending(at(0)).await;
    let list = |state, now| {
        let limit = NonZeroU32::new(9).unwrap();
        let approvals = &case.approvals;
        async move { approvals.list(state, now, limit).await.unwrap().len() }
    };
    assert_eq!(list(Some(ApprovalState::Pending), at(1)).await, 1);
    assert_eq!(list(Some(ApprovalState::Pending), at(900)).await, 0);
    assert_eq!(list(Some(ApprovalState::Expired), at(900)).await, 1);
    assert_eq!(list(None, at(900)).await, 1);
    let view = serde_json::to_value(ApprovalView::of(&approval, at(900))).unwrap();
    assert_eq!(view["state"], "expired");
    assert_eq!(view["chain"][1]["principal"], "github/repo:acme/shop");
    assert_eq!(view["terms"], json!({ "groups": ["sre"], "quorum": 1, "ttl_seconds": 900 }));
}

#[tokio::test]
async fn an_approval_whose_row_was_tampered_with_is_not_believed() {
    let case = Case::new(&["sre"], 1);
    let approval = case.pending(at(0)).await;
    let file = rusqlite::Connection::open(case.folder.path().join("store.db")).unwrap();
    file.execute("UPDATE approvals SET state = 'approved'", []).unwrap();
    let error = case.approvals.get(approval.id).await.unwrap_err();
    assert_eq!(error.code(), "approval_corrupt");
}

#[test]
fn an_id_has_one_spelling() {
    let id = ApprovalId::new(Uuid::from_u128(0xab));
    assert_eq!(id.to_string(), "apr_000000000000000000000000000000ab");
    assert_eq!(id.to_string().parse(), Ok(id));
    for other in [
        "",
        "apr_",
        "000000000000000000000000000000ab",
        "apr_000000000000000000000000000000AB",
        "apr_00000000-0000-0000-0000-0000000000ab",
        "apr_{00000000-0000-0000-0000-0000000000ab}",
    ] {
        assert_eq!(other.parse::<ApprovalId>(), Err(ApprovalIdError), "{other}");
    }
}
