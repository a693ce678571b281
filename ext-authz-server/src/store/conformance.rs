//! What every backend must do. A backend's tests call [`suite!`] with a function
//! that makes a [`Fixture`]: one empty store, opened as often as a test likes, as
//! by so many processes.

use std::num::NonZeroU32;
use std::sync::Arc;

use chaperone_inspection::digest::Digest;

use super::{
    ApiKeyChange, ApiKeyRow, ApiKeyStep, ApprovalChange, ApprovalFilter, ApprovalRow,
    ApprovalState, Batch, Draft, Entry, Kind, Position, RevocationChange, RevocationKind,
    RevocationRow, RevocationStep, SeenTool, Store, StoreError, ToolKey, UnpairedSearch,
};
use crate::time::UnixMillis;

/// A place for one store.
pub(crate) trait Fixture {
    /// Opens it, anew each time.
    fn open(&self) -> Arc<dyn Store>;
}

macro_rules! suite {
    ($fixture:expr) => {
        $crate::store::conformance::suite!($fixture;
            an_empty_store_is_at_genesis,
            entries_are_linked_and_read_back,
            a_batch_is_written_whole_and_unbroken,
            two_processes_append_to_one_chain,
            entries_are_found_by_their_decision,
            what_lacks_its_counterpart_is_found,
            an_approval_is_read_back_by_id_and_action,
            of_two_first_approvals_one_conflicts,
            a_conflict_writes_nothing_of_its_batch,
            of_many_replacements_one_succeeds,
            lists_agree_with_the_filter,
            a_revocation_is_read_by_others_after_the_place_they_know,
            a_revocation_is_lifted_once,
            what_is_forgotten_gives_its_place_to_nobody,
            an_api_key_is_made_and_revoked_once,
            a_name_of_an_api_key_has_one_owner_at_a_time,
            a_revocation_that_conflicts_leaves_no_record,
            a_tool_is_known_as_it_was_seen_last,
            it_answers_a_ping
        );
    };
    ($fixture:expr; $($story:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $story() {
            $crate::store::conformance::$story(&$fixture).await;
        }
    )*};
}
pub(crate) use suite;

pub(crate) async fn an_empty_store_is_at_genesis(fixture: &impl Fixture) {
    let store = fixture.open();
    assert_eq!(store.head().await, Ok(Position::genesis()));
    assert_eq!(store.entries_after(0, many()).await, Ok(Vec::new()));
    assert_eq!(store.entries_of("d1").await, Ok(Vec::new()));
    assert_eq!(store.approval("apr_1").await, Ok(None));
    assert_eq!(store.latest_approval(Digest::of(b"a")).await, Ok(None));
    assert_eq!(store.commit(Batch::default()).await, Ok(Vec::new()));
    assert_eq!(store.head().await, Ok(Position::genesis()));
}

pub(crate) async fn entries_are_linked_and_read_back(fixture: &impl Fixture) {
    let store = fixture.open();
    let drafts = [
        draft("decision", 5, Some("d1"), r#"{"ä":"\u0000"}"#),
        draft("system", -5, None, ""),
        draft("outcome", 0, Some(""), "{}"),
    ];
    let mut expected = Vec::new();
    let mut head = Position::genesis();
    for draft in &drafts {
        head = head.next(draft);
        assert_eq!(append(&*store, draft).await, vec![head]);
        expected.push(Entry { position: head, draft: draft.clone() });
    }
    assert_eq!(store.entries_after(0, many()).await, Ok(expected.clone()));
    assert_eq!(store.entries_after(1, NonZeroU32::MIN).await, Ok(expected[1..2].to_vec()));
    assert_eq!(store.entries_after(3, many()).await, Ok(Vec::new()));
    assert_eq!(store.entries_after(u64::MAX, many()).await, Ok(Vec::new()));
    let other = fixture.open();
    assert_eq!(other.head().await, Ok(head));
    assert_eq!(other.entries_after(0, many()).await, Ok(expected));
}

pub(crate) async fn a_batch_is_written_whole_and_unbroken(fixture: &impl Fixture) {
    let store = fixture.open();
    let writer = |name: usize| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let id = format!("d{name}");
            let entries = (0..7).map(|at| draft("outcome", at, Some(&id), "{}")).collect();
            store.commit(Batch { entries, ..Batch::default() }).await.unwrap()
        })
    };
    let writers: Vec<_> = (0..40).map(writer).collect();
    for (name, writer) in writers.into_iter().enumerate() {
        let positions = writer.await.unwrap();
        assert_eq!(positions.len(), 7);
        let entries = store.entries_of(&format!("d{name}")).await.unwrap();
        let found: Vec<_> = entries.iter().map(|entry| entry.position).collect();
        assert_eq!(found, positions);
        assert!(positions.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
    }
    assert_linked(&*store, 280).await;
}

pub(crate) async fn two_processes_append_to_one_chain(fixture: &impl Fixture) {
    let writers: Vec<_> = (0..2)
        .flat_map(|_| {
            let store = fixture.open();
            (0..8).map(move |_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for at in 0..10 {
                        append(&*store, &draft("decision", at, None, "{}")).await;
                    }
                })
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_linked(&*fixture.open(), 160).await;
}

pub(crate) async fn entries_are_found_by_their_decision(fixture: &impl Fixture) {
    let store = fixture.open();
    for (kind, id) in [
        ("decision", Some("d1")),
        ("decision", Some("d2")),
        ("system", None),
        ("outcome", Some("d1")),
    ] {
        append(&*store, &draft(kind, 0, id, "{}")).await;
    }
    let places = |entries: Vec<Entry>| -> Vec<u64> {
        entries.iter().map(|entry| entry.position.seq).collect()
    };
    assert_eq!(places(store.entries_of("d1").await.unwrap()), [1, 4]);
    assert_eq!(places(store.entries_of("d2").await.unwrap()), [2]);
    assert_eq!(places(store.entries_of("D1").await.unwrap()), [] as [u64; 0]);
}

pub(crate) async fn what_lacks_its_counterpart_is_found(fixture: &impl Fixture) {
    let store = fixture.open();
    for (kind, at, id) in [
        ("decision", 10, Some("early")),
        ("decision", 20, Some("ended")),
        ("decision", 20, Some("open")),
        ("outcome", 25, Some("ended")),
        ("approval", 25, Some("open")),
        ("decision", 25, None),
        ("outcome", 26, Some("unknown")),
        ("decision", 29, Some("open too")),
        ("decision", 30, Some("late")),
    ] {
        append(&*store, &draft(kind, at, id, "{}")).await;
    }
    let search = |kind, without, after| UnpairedSearch {
        kind: Kind::named(kind),
        without: Kind::named(without),
        since: UnixMillis::new(20),
        until: UnixMillis::new(30),
        after,
    };
    let ids = |entries: Vec<Entry>| -> Vec<String> {
        entries.into_iter().filter_map(|entry| entry.draft.decision_id).collect()
    };
    let open = store.unpaired(search("decision", "outcome", 0), many()).await.unwrap();
    assert_eq!(ids(open), ["open", "open too"]);
    let open = store.unpaired(search("decision", "outcome", 3), many()).await.unwrap();
    assert_eq!(ids(open), ["open too"]);
    let open = store.unpaired(search("decision", "outcome", 0), NonZeroU32::MIN).await.unwrap();
    assert_eq!(ids(open), ["open"]);
    let unknown = store.unpaired(search("outcome", "decision", 0), many()).await.unwrap();
    assert_eq!(ids(unknown), ["unknown"]);
}

pub(crate) async fn an_approval_is_read_back_by_id_and_action(fixture: &impl Fixture) {
    let store = fixture.open();
    let (first, second) = (row("a", b"action", 1), row("b", b"action", 2));
    for row in [&first, &second] {
        assert_eq!(change(&*store, ApprovalChange::Insert(row.clone())).await, Ok(()));
    }
    let other = fixture.open();
    assert_eq!(other.approval("a").await, Ok(Some(first)));
    assert_eq!(other.latest_approval(Digest::of(b"action")).await, Ok(Some(second)));
    assert_eq!(other.latest_approval(Digest::of(b"another")).await, Ok(None));
}

pub(crate) async fn of_two_first_approvals_one_conflicts(fixture: &impl Fixture) {
    let store = fixture.open();
    let insert = |row| change(&*store, ApprovalChange::Insert(row));
    assert_eq!(insert(row("a", b"action", 1)).await, Ok(()));
    assert_eq!(insert(row("b", b"action", 1)).await, Err(StoreError::Conflict));
    assert_eq!(insert(row("a", b"another", 1)).await, Err(StoreError::Conflict));
    assert_eq!(insert(row("b", b"another", 1)).await, Ok(()));
    assert_eq!(store.approval("a").await, Ok(Some(row("a", b"action", 1))));
}

pub(crate) async fn a_conflict_writes_nothing_of_its_batch(fixture: &impl Fixture) {
    let store = fixture.open();
    let batch = Batch {
        approvals: vec![
            ApprovalChange::Insert(row("new", b"new", 1)),
            ApprovalChange::Replace(row("absent", b"absent", 1)),
        ],
        entries: vec![draft("approval", 0, None, "{}")],
        ..Batch::default()
    };
    assert_eq!(store.commit(batch).await, Err(StoreError::Conflict));
    assert_eq!(store.approval("new").await, Ok(None));
    assert_eq!(store.head().await, Ok(Position::genesis()));
}

pub(crate) async fn of_many_replacements_one_succeeds(fixture: &impl Fixture) {
    let stores = [fixture.open(), fixture.open()];
    let first = row("a", b"action", 1);
    assert_eq!(change(&*stores[0], ApprovalChange::Insert(first.clone())).await, Ok(()));
    let rival = |number: usize| {
        let store = Arc::clone(&stores[number % 2]);
        let mut next = first.clone();
        next.version = 2;
        next.state = ApprovalState::Consumed;
        next.body = format!("by {number}");
        tokio::spawn(async move {
            let batch = Batch {
                approvals: vec![ApprovalChange::Replace(next.clone())],
                entries: vec![draft("approval", 0, None, &next.body)],
                ..Batch::default()
            };
            store.commit(batch).await.map(|_| next)
        })
    };
    let mut winners = Vec::new();
    for rival in (0..50).map(rival).collect::<Vec<_>>() {
        match rival.await.unwrap() {
            Ok(row) => winners.push(row),
            Err(error) => assert_eq!(error, StoreError::Conflict),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(stores[0].approval("a").await, Ok(winners.pop()));
    assert_linked(&*stores[1], 1).await;
}

pub(crate) async fn lists_agree_with_the_filter(fixture: &impl Fixture) {
    let store = fixture.open();
    let mut rows = Vec::new();
    for (number, state) in ApprovalState::ALL.into_iter().enumerate() {
        for expires_at in [99, 100, 101] {
            let mut row = row(&format!("{number}-{expires_at}"), state.name().as_bytes(), 1);
            row.action = Digest::of(row.id.as_bytes());
            row.state = state;
            row.created_at = UnixMillis::new(i64::try_from(rows.len()).unwrap());
            row.expires_at = UnixMillis::new(expires_at);
            assert_eq!(change(&*store, ApprovalChange::Insert(row.clone())).await, Ok(()));
            rows.insert(0, row);
        }
    }
    let now = UnixMillis::new(100);
    let filters = ApprovalState::ALL.into_iter().map(ApprovalFilter::In);
    for filter in filters.chain([ApprovalFilter::Any, ApprovalFilter::Lapsed]) {
        let mut expected = rows.clone();
        expected.retain(|row| filter.passes(row, now));
        assert!(!expected.is_empty(), "{filter:?}");
        assert_eq!(store.approvals(filter, now, many()).await, Ok(expected.clone()), "{filter:?}");
        expected.truncate(1);
        assert_eq!(store.approvals(filter, now, NonZeroU32::MIN).await, Ok(expected));
    }
}

pub(crate) async fn a_revocation_is_read_by_others_after_the_place_they_know(
    fixture: &impl Fixture,
) {
    let (store, other) = (fixture.open(), fixture.open());
    let mut seen = 0;
    for (number, kind) in RevocationKind::ALL.into_iter().enumerate() {
        let mut row = revocation(&format!("rev_{number}"));
        row.kind = kind;
        if number % 2 == 0 {
            (row.issuer, row.reason) = (None, None);
        }
        assert_eq!(revoke(&*store, RevocationChange::Revoke(row.clone())).await, Ok(()));
        let events = other.revocations_after(seen, many()).await.unwrap();
        assert_eq!(events.len(), 1, "only what is new");
        assert!(events[0].seq > seen);
        assert_eq!((events[0].what, &events[0].row), (RevocationStep::Revoked, &row));
        seen = events[0].seq;
    }
    assert_eq!(other.revocations_after(0, many()).await.unwrap().len(), 4);
    assert_eq!(other.revocations_after(0, NonZeroU32::MIN).await.unwrap()[0].row.id, "rev_0");
    assert_eq!(other.revocations_after(u64::MAX, many()).await, Ok(Vec::new()));
}

pub(crate) async fn a_revocation_is_lifted_once(fixture: &impl Fixture) {
    let store = fixture.open();
    let row = revocation("rev_a");
    let lift = |id: &str, at| {
        let lift = RevocationChange::Lift { id: id.to_owned(), by: "bob".to_owned(), at };
        let store = Arc::clone(&store);
        async move { revoke(&*store, lift).await }
    };
    let (in_time, too_late) = (UnixMillis::new(50), row.expires_at);
    assert_eq!(lift("rev_a", in_time).await, Err(StoreError::Conflict), "there is none");
    assert_eq!(revoke(&*store, RevocationChange::Revoke(row.clone())).await, Ok(()));
    let again = RevocationChange::Revoke(row.clone());
    assert_eq!(revoke(&*store, again).await, Err(StoreError::Conflict), "the id is taken");
    assert_eq!(lift("rev_a", too_late).await, Err(StoreError::Conflict), "it is over");
    assert_eq!(lift("rev_a", in_time).await, Ok(()));
    assert_eq!(lift("rev_a", in_time).await, Err(StoreError::Conflict), "it was lifted");
    let events = store.revocations_after(0, many()).await.unwrap();
    let lifted = RevocationRow { by: "bob".to_owned(), at: in_time, ..row };
    assert_eq!((events[1].what, &events[1].row), (RevocationStep::Lifted, &lifted));
    assert_eq!(events.len(), 2);
}

pub(crate) async fn what_is_forgotten_gives_its_place_to_nobody(fixture: &impl Fixture) {
    let store = fixture.open();
    let forget = |before| RevocationChange::Forget(UnixMillis::new(before));
    assert_eq!(revoke(&*store, forget(1000)).await, Ok(()), "there may be none");
    for id in ["rev_a", "rev_b"] {
        assert_eq!(revoke(&*store, RevocationChange::Revoke(revocation(id))).await, Ok(()));
    }
    let last = store.revocations_after(0, many()).await.unwrap()[1].seq;
    assert_eq!(revoke(&*store, forget(100)).await, Ok(()));
    assert_eq!(store.revocations_after(0, many()).await.unwrap().len(), 2, "not over before 100");
    assert_eq!(revoke(&*store, forget(101)).await, Ok(()));
    assert_eq!(store.revocations_after(0, many()).await, Ok(Vec::new()));
    assert_eq!(revoke(&*store, RevocationChange::Revoke(revocation("rev_c"))).await, Ok(()));
    let events = fixture.open().revocations_after(last, many()).await.unwrap();
    assert_eq!(events[0].row.id, "rev_c", "who knew the place of rev_b sees it");
}

pub(crate) async fn an_api_key_is_made_and_revoked_once(fixture: &impl Fixture) {
    let (store, other) = (fixture.open(), fixture.open());
    let row = api_key("k1", "nightly", "ada");
    let end = |id: &str, at| ApiKeyChange::Revoke {
        id: id.to_owned(),
        by: "bob".to_owned(),
        at: UnixMillis::new(at),
    };
    assert_eq!(change_key(&*store, ApiKeyChange::Create(row.clone())).await, Ok(()));
    let again = ApiKeyChange::Create(row.clone());
    assert_eq!(change_key(&*store, again).await, Err(StoreError::Conflict), "the id is taken");
    let events = other.api_keys_after(0, many()).await.unwrap();
    assert_eq!((events[0].what, &events[0].row), (ApiKeyStep::Created, &row));
    let seen = events[0].seq;
    assert_eq!(change_key(&*store, end("k2", 50)).await, Err(StoreError::Conflict));
    assert_eq!(change_key(&*store, end("k1", 100)).await, Err(StoreError::Conflict), "it is over");
    assert_eq!(change_key(&*store, end("k1", 50)).await, Ok(()));
    assert_eq!(change_key(&*store, end("k1", 50)).await, Err(StoreError::Conflict));
    let events = other.api_keys_after(seen, many()).await.unwrap();
    let revoked = ApiKeyRow { by: "bob".to_owned(), at: UnixMillis::new(50), ..row };
    assert_eq!((events[0].what, &events[0].row), (ApiKeyStep::Revoked, &revoked));
    assert_eq!(events.len(), 1);
    let forget = |before| ApiKeyChange::Forget(UnixMillis::new(before));
    assert_eq!(change_key(&*store, forget(100)).await, Ok(()));
    assert_eq!(other.api_keys_after(0, many()).await.unwrap().len(), 2);
    assert_eq!(change_key(&*store, forget(101)).await, Ok(()));
    assert_eq!(other.api_keys_after(0, many()).await, Ok(Vec::new()));
}

pub(crate) async fn a_name_of_an_api_key_has_one_owner_at_a_time(fixture: &impl Fixture) {
    let store = fixture.open();
    let create = |id: &str, owner: &str, at| {
        let mut row = api_key(id, "nightly", owner);
        row.at = UnixMillis::new(at);
        row.expires_at = UnixMillis::new(at + 99);
        let store = Arc::clone(&store);
        async move { change_key(&*store, ApiKeyChange::Create(row)).await }
    };
    assert_eq!(create("k1", "ada", 1).await, Ok(()));
    assert_eq!(create("k2", "ada", 2).await, Ok(()), "keys of one name overlap in a rotation");
    assert_eq!(create("k3", "eve", 50).await, Err(StoreError::Conflict));
    for id in ["k1", "k2"] {
        let (id, by, at) = (id.to_owned(), "ada".to_owned(), UnixMillis::new(60));
        assert_eq!(change_key(&*store, ApiKeyChange::Revoke { id, by, at }).await, Ok(()));
    }
    assert_eq!(create("k3", "eve", 60).await, Ok(()), "ada has given the name up");
    assert_eq!(create("k4", "ada", 158).await, Err(StoreError::Conflict));
    assert_eq!(create("k4", "ada", 159).await, Ok(()), "and eve's key is over");
}

pub(crate) async fn a_revocation_that_conflicts_leaves_no_record(fixture: &impl Fixture) {
    let store = fixture.open();
    let (id, by, at) = ("rev_none".to_owned(), "bob".to_owned(), UnixMillis::new(1));
    let batch = Batch {
        revocations: vec![
            RevocationChange::Revoke(revocation("rev_new")),
            RevocationChange::Lift { id, by, at },
        ],
        api_keys: vec![ApiKeyChange::Create(api_key("k1", "nightly", "ada"))],
        entries: vec![draft("revocation", 0, None, "{}")],
        ..Batch::default()
    };
    assert_eq!(store.commit(batch).await, Err(StoreError::Conflict));
    assert_eq!(store.revocations_after(0, many()).await, Ok(Vec::new()));
    assert_eq!(store.api_keys_after(0, many()).await, Ok(Vec::new()));
    assert_eq!(store.head().await, Ok(Position::genesis()));
}

pub(crate) async fn a_tool_is_known_as_it_was_seen_last(fixture: &impl Fixture) {
    let (store, other) = (fixture.open(), fixture.open());
    let key = |route: &str, tool: &str| ToolKey {
        service: "s".to_owned(),
        route: route.to_owned(),
        tool: tool.to_owned(),
    };
    assert_eq!(store.tool_seen(key("/mcp", "a")).await, Ok(None));
    for definition in [b"1", b"2"] {
        let (digest, at) = (Digest::of(definition), UnixMillis::new(5));
        let tools = ["a", "b"].map(|tool| SeenTool { key: key("/mcp", tool), digest, at });
        store.commit(Batch { tools: tools.into(), ..Batch::default() }).await.unwrap();
        assert_eq!(other.tool_seen(key("/mcp", "a")).await, Ok(Some(digest)));
        assert_eq!(other.tool_seen(key("/mcp", "b")).await, Ok(Some(digest)));
    }
    assert_eq!(other.tool_seen(key("/other", "a")).await, Ok(None));
}

pub(crate) async fn it_answers_a_ping(fixture: &impl Fixture) {
    assert_eq!(fixture.open().ping().await, Ok(()));
}

const fn many() -> NonZeroU32 {
    NonZeroU32::new(1000).unwrap()
}

pub(crate) fn draft(kind: &str, at: i64, decision_id: Option<&str>, body: &str) -> Draft {
    Draft {
        kind: Kind::stored(kind.to_owned()),
        at: UnixMillis::new(at),
        decision_id: decision_id.map(str::to_owned),
        body: body.to_owned(),
    }
}

fn row(id: &str, action: &[u8], ordinal: u64) -> ApprovalRow {
    ApprovalRow {
        id: id.to_owned(),
        action: Digest::of(action),
        ordinal,
        version: 1,
        state: ApprovalState::Pending,
        created_at: UnixMillis::new(1),
        expires_at: UnixMillis::new(2),
        body: format!("the body of {id}"),
    }
}

fn revocation(id: &str) -> RevocationRow {
    RevocationRow {
        id: id.to_owned(),
        kind: RevocationKind::Subject,
        issuer: Some("github".to_owned()),
        value: "repo:acme/shop".to_owned(),
        reason: Some("leaked".to_owned()),
        by: "ada".to_owned(),
        at: UnixMillis::new(1),
        expires_at: UnixMillis::new(100),
    }
}

fn api_key(id: &str, name: &str, owner: &str) -> ApiKeyRow {
    ApiKeyRow {
        id: id.to_owned(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        groups: ["batch".to_owned(), "ä,\"".to_owned()].into(),
        hash: Digest::of(id.as_bytes()),
        by: owner.to_owned(),
        at: UnixMillis::new(1),
        expires_at: UnixMillis::new(100),
    }
}

async fn append(store: &dyn Store, draft: &Draft) -> Vec<Position> {
    let entries = vec![draft.clone()];
    store.commit(Batch { entries, ..Batch::default() }).await.unwrap()
}

async fn change(store: &dyn Store, change: ApprovalChange) -> Result<(), StoreError> {
    store.commit(Batch { approvals: vec![change], ..Batch::default() }).await.map(drop)
}

async fn revoke(store: &dyn Store, change: RevocationChange) -> Result<(), StoreError> {
    store.commit(Batch { revocations: vec![change], ..Batch::default() }).await.map(drop)
}

async fn change_key(store: &dyn Store, change: ApiKeyChange) -> Result<(), StoreError> {
    store.commit(Batch { api_keys: vec![change], ..Batch::default() }).await.map(drop)
}

/// The log has so many entries, each linked to the one before it.
async fn assert_linked(store: &dyn Store, entries: u64) {
    let mut head = Position::genesis();
    for entry in store.entries_after(0, many()).await.unwrap() {
        head = head.next(&entry.draft);
        assert_eq!(entry.position, head);
    }
    assert_eq!(head.seq, entries);
    assert_eq!(store.head().await, Ok(head));
}
