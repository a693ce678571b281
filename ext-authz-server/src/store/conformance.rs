//! What every backend must do. A backend's tests call [`suite!`] with a function
//! that makes a [`Fixture`]: one empty store, opened as often as a test likes, as
//! by so many processes.

use std::num::NonZeroU32;
use std::sync::Arc;

use chaperone_inspection::digest::Digest;

use super::{
    ApprovalChange, ApprovalFilter, ApprovalRow, ApprovalState, Batch, Draft, Entry, Kind,
    Position, Store, StoreError, UnpairedSearch,
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

async fn append(store: &dyn Store, draft: &Draft) -> Vec<Position> {
    let entries = vec![draft.clone()];
    store.commit(Batch { entries, ..Batch::default() }).await.unwrap()
}

async fn change(store: &dyn Store, change: ApprovalChange) -> Result<(), StoreError> {
    store.commit(Batch { approvals: vec![change], ..Batch::default() }).await.map(drop)
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
