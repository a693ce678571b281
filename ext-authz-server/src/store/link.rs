//! How entries are linked: each hash commits to the entry and to the hash before
//! it, so that no entry can be changed, removed, put in or moved unnoticed.
//!
//! `hash = SHA-256(DOMAIN ‖ previous hash ‖ seq ‖ at ‖ kind ‖ decision id ‖ body)`,
//! numbers as 8 bytes big-endian, texts with their length before them.

use chaperone_inspection::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{Draft, Position};

/// Keeps these hashes apart from any other use of SHA-256.
const DOMAIN: &[u8] = b"chaperone audit entry v1\0";

/// What the log starts from: the hash before the first entry is that of this text.
const GENESIS: &[u8] = b"chaperone audit log v1";

impl Position {
    /// Before the first entry: place 0, with the hash of the text
    /// `chaperone audit log v1`.
    pub fn genesis() -> Self {
        Self { seq: 0, hash: Digest::of(GENESIS) }
    }

    /// Where `draft` stands when it comes next.
    #[must_use]
    pub fn next(&self, draft: &Draft) -> Self {
        let seq = self.seq.saturating_add(1);
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.hash.as_bytes());
        hash.update(seq.to_be_bytes());
        hash.update(draft.at.millis().to_be_bytes());
        text(&mut hash, draft.kind.name());
        // An entry about no decision is another than one about a decision without
        // a name.
        match &draft.decision_id {
            None => hash.update([0]),
            Some(decision_id) => {
                hash.update([1]);
                text(&mut hash, decision_id);
            }
        }
        text(&mut hash, &draft.body);
        Self { seq, hash: Digest::from_bytes(hash.finalize().into()) }
    }
}

fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Kind;
    use crate::time::UnixMillis;

    fn draft(kind: &str, at: i64, decision_id: Option<&str>, body: &str) -> Draft {
        Draft {
            kind: Kind::stored(kind.to_owned()),
            at: UnixMillis::new(at),
            decision_id: decision_id.map(str::to_owned),
            body: body.to_owned(),
        }
    }

    #[test]
    fn the_hash_is_what_the_documentation_says() {
        let first = Position::genesis().next(&draft("decision", 258, Some("d1"), "{}"));
        let mut bytes = b"chaperone audit entry v1\0".to_vec();
        bytes.extend(Digest::of(b"chaperone audit log v1").as_bytes());
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        bytes.extend(b"\0\0\0\0\0\0\0\x08decision");
        bytes.extend(b"\x01\0\0\0\0\0\0\0\x02d1");
        bytes.extend(b"\0\0\0\0\0\0\0\x02{}");
        assert_eq!(first, Position { seq: 1, hash: Digest::of(&bytes) });
    }

    fn drafts() -> impl Strategy<Value = Draft> {
        ("[a-c]{0,2}", 0..3_i64, proptest::option::of("[a-c]{0,2}"), "[a-c]{0,3}")
            .prop_map(|(kind, at, id, body)| draft(&kind, at, id.as_deref(), &body))
    }

    proptest! {
        #[test]
        fn different_entries_have_different_hashes(
            one in drafts(), other in drafts(), before in drafts()
        ) {
            let genesis = Position::genesis();
            prop_assert_eq!(genesis.next(&one) == genesis.next(&other), one == other);
            prop_assert_ne!(genesis.next(&before).next(&one).hash, genesis.next(&one).hash);
        }
    }
}
