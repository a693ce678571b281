//! The current policies, replaced as a whole when their files change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use chaperone_inspection::digest::Digest;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::error::{PolicyErrors, PolicyWarning};
use super::set::{Known, PolicySet};
use super::source::{PolicySources, Snapshot};
use crate::time::{Clock, UnixMillis};

/// The current policies.
#[derive(Debug)]
pub struct Policies {
    sources: PolicySources,
    known: Known,
    current: ArcSwap<PolicySet>,
    watched: Mutex<Watched>,
}

/// What became of the policy files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyEvent {
    /// Another set is in force.
    Replaced {
        /// Its digest.
        policy_set: Digest,
    },
    /// The files changed to something that is not valid; the last good set stays.
    Refused {
        /// The digest of the set that stays.
        policy_set: Digest,
        /// What is wrong.
        errors: PolicyErrors,
    },
}

/// How the policies are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyHealth {
    /// The digest of the set in force.
    pub digest: Digest,
    /// How many policies it has.
    pub policies: usize,
    /// Since when it is in force.
    pub loaded_at: UnixMillis,
    /// What is wrong with the files, when they no longer hold a valid set.
    pub error: Option<String>,
}

/// What the last looks at the files saw.
#[derive(Debug)]
struct Watched {
    /// What was last tried, for better or worse.
    tried: Digest,
    /// What was seen once and not yet tried.
    settling: Option<Digest>,
    loaded_at: UnixMillis,
    error: Option<String>,
}

impl Policies {
    /// Reads the policies; an error tells everything that is wrong with them.
    pub fn load(
        sources: PolicySources,
        known: Known,
        now: UnixMillis,
    ) -> Result<Self, PolicyErrors> {
        let snapshot = sources.read();
        let tried = snapshot.digest();
        let set = parse(snapshot, &known)?;
        warn(set.warnings());
        Ok(Self {
            sources,
            known,
            current: ArcSwap::from_pointee(set),
            watched: Mutex::new(Watched { tried, settling: None, loaded_at: now, error: None }),
        })
    }

    /// The set in force.
    pub fn current(&self) -> Arc<PolicySet> {
        self.current.load_full()
    }

    /// How the policies are.
    pub fn health(&self) -> PolicyHealth {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let set = self.current.load();
        PolicyHealth {
            digest: set.digest(),
            policies: set.policies().len(),
            loaded_at: watched.loaded_at,
            error: watched.error.clone(),
        }
    }

    /// Looks at the files once.
    ///
    /// A change counts when two looks in a row see the same, so that a file that
    /// is being written is not taken for one that has lost its last policies.
    pub fn look(&self, now: UnixMillis) -> Option<PolicyEvent> {
        let snapshot = self.sources.read();
        let seen = snapshot.digest();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if seen == watched.tried {
            watched.settling = None;
            return None;
        }
        if watched.settling != Some(seen) {
            watched.settling = Some(seen);
            return None;
        }
        watched.settling = None;
        watched.tried = seen;
        match parse(snapshot, &self.known) {
            Ok(set) => self.replace(set, &mut watched, now),
            Err(errors) => {
                let policy_set = self.current.load().digest();
                tracing::error!(%policy_set, "the policies are not valid, the last ones stay: {errors}");
                watched.error = Some(errors.to_string());
                Some(PolicyEvent::Refused { policy_set, errors })
            }
        }
    }

    /// Looks at the files every `every`, for as long as somebody reads `events`.
    pub async fn watch(
        self: Arc<Self>,
        every: Duration,
        clock: Arc<dyn Clock>,
        events: mpsc::Sender<PolicyEvent>,
    ) {
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = events.closed() => return,
                _ = ticks.tick() => {}
            }
            let (policies, now) = (Arc::clone(&self), clock.now());
            let looked = tokio::task::spawn_blocking(move || policies.look(now)).await;
            match looked {
                Ok(None) => {}
                // A send fails when nobody reads any more; the next turn ends.
                Ok(Some(event)) => drop(events.send(event).await),
                Err(error) => tracing::error!(%error, "the policies could not be looked at"),
            }
        }
    }

    fn replace(
        &self,
        set: PolicySet,
        watched: &mut Watched,
        now: UnixMillis,
    ) -> Option<PolicyEvent> {
        let policy_set = set.digest();
        let same = policy_set == self.current.load().digest();
        let policies = set.policies().len();
        warn(set.warnings());
        watched.error = None;
        self.current.store(Arc::new(set));
        if same {
            // Comments and layout: the places of the policies, not what they say.
            return None;
        }
        watched.loaded_at = now;
        tracing::info!(%policy_set, policies, "other policies are in force");
        Some(PolicyEvent::Replaced { policy_set })
    }
}

fn parse(snapshot: Snapshot, known: &Known) -> Result<PolicySet, PolicyErrors> {
    let Snapshot { files, mut errors } = snapshot;
    match PolicySet::parse(&files, known) {
        Ok(set) if errors.is_empty() => Ok(set),
        Ok(_) => Err(PolicyErrors::new(errors)),
        Err(others) => {
            errors.extend_from_slice(others.errors());
            Err(PolicyErrors::new(errors))
        }
    }
}

fn warn(warnings: &[PolicyWarning]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::golden::known;
    use super::*;
    use crate::time::SystemClock;

    const GOOD: &str = "@id(\"a\") permit (principal, action, resource);";
    const OTHER: &str = "@id(\"b\") forbid (principal, action, resource);";

    /// A folder that goes when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, text: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("chaperone-{}", uuid::Uuid::now_v7()));
            std::fs::create_dir(&folder).unwrap();
            let folder = Self(folder);
            folder.write(name, text);
            folder
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.join(name), text).unwrap();
        }

        fn load(&self) -> Result<Policies, PolicyErrors> {
            let sources = PolicySources { paths: vec![self.0.clone()] };
            Policies::load(sources, known(), UnixMillis::new(0))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn look(policies: &Policies) -> Option<PolicyEvent> {
        policies.look(UnixMillis::new(7))
    }

    fn ids(policies: &Policies) -> Vec<String> {
        policies.current().policies().map(|policy| policy.id.0.clone()).collect()
    }

    #[test]
    fn a_change_counts_once_two_looks_have_seen_it() {
        let folder = Folder::with("a.cedar", GOOD);
        let policies = folder.load().unwrap();
        let before = policies.current();
        assert_eq!(look(&policies), None);
        folder.write("b.cedar", OTHER);
        assert_eq!((look(&policies), ids(&policies).len()), (None, 1));
        let Some(PolicyEvent::Replaced { policy_set }) = look(&policies) else { panic!() };
        assert_eq!(ids(&policies), ["a", "b"]);
        assert_eq!(look(&policies), None);
        assert_ne!(before.digest(), policy_set);
        assert_eq!(before.policies().len(), 1, "a set in use stays as it was");
        assert_eq!(policies.health().loaded_at, UnixMillis::new(7));
    }

    #[test]
    fn a_broken_file_leaves_the_last_good_set_and_is_told_once() {
        let folder = Folder::with("a.cedar", GOOD);
        let policies = folder.load().unwrap();
        let good = policies.current().digest();
        folder.write("a.cedar", "@id(\"a\") permit (principal, act");
        assert_eq!(look(&policies), None);
        assert!(matches!(
            look(&policies),
            Some(PolicyEvent::Refused { policy_set, .. }) if policy_set == good
        ));
        assert_eq!((look(&policies), look(&policies)), (None, None));
        let health = policies.health();
        assert_eq!((health.digest, health.policies), (good, 1));
        assert!(health.error.unwrap().contains("a.cedar:1:"), "the place is told");
        folder.write("a.cedar", &format!("{GOOD} // Whole again."));
        assert_eq!((look(&policies), look(&policies)), (None, None), "the same policies");
        assert_eq!(policies.health().error, None);
    }

    #[test]
    fn files_that_go_away_change_nothing() {
        let folder = Folder::with("a.cedar", GOOD);
        let policies = folder.load().unwrap();
        std::fs::remove_file(folder.0.join("a.cedar")).unwrap();
        assert_eq!(look(&policies), None);
        assert!(matches!(look(&policies), Some(PolicyEvent::Refused { .. })));
        assert_eq!(ids(&policies), ["a"]);
    }

    #[test]
    fn what_is_not_a_policy_file_is_not_read_and_what_is_missing_is_told() {
        let folder = Folder::with("notes.txt", "Not Cedar.");
        let told = folder.load().unwrap_err().to_string();
        assert!(told.ends_with("the folder has no *.cedar file"), "{told}");
        folder.write(".a.cedar", "An editor's own.");
        folder.write("a.cedar", GOOD);
        assert_eq!(ids(&folder.load().unwrap()), ["a"]);
        let sources = PolicySources { paths: vec![Path::new("/nowhere/x.cedar").to_owned()] };
        let told = Policies::load(sources, known(), UnixMillis::new(0)).unwrap_err();
        assert_eq!(told.errors()[0].code, "policy_unreadable");
    }

    #[tokio::test]
    async fn a_watch_tells_of_changes_and_ends_when_nobody_listens() {
        let folder = Folder::with("a.cedar", GOOD);
        let policies = Arc::new(folder.load().unwrap());
        let (sender, mut events) = mpsc::channel(1);
        let clock = Arc::new(SystemClock);
        let watch = Arc::clone(&policies).watch(Duration::from_millis(5), clock, sender);
        let watch = tokio::spawn(watch);
        folder.write("b.cedar", OTHER);
        let bound = Duration::from_secs(20);
        let event = tokio::time::timeout(bound, events.recv()).await.unwrap();
        assert!(matches!(event, Some(PolicyEvent::Replaced { .. })));
        assert_eq!(ids(&policies), ["a", "b"]);
        drop(events);
        tokio::time::timeout(bound, watch).await.unwrap().unwrap();
    }
}
