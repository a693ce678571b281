//! How each room is, in one report.

use std::sync::Arc;

use serde::Serialize;

use crate::identity::{Authenticator, IssuerHealth, Withdrawals};
use crate::issuing::SERVER;
use crate::policy::{Policies, PolicyHealth};
use crate::store::Store;
use crate::time::UnixMillis;

/// Looks after the rooms.
pub struct Health {
    authenticator: Arc<Authenticator>,
    withdrawals: Arc<Withdrawals>,
    policies: Arc<Policies>,
    store: Arc<dyn Store>,
}

/// How each room is.
#[derive(Clone, Debug, Serialize)]
pub struct HealthReport {
    /// Whether requests can be decided.
    pub ready: bool,
    /// The issuers and their keys.
    pub issuers: Vec<IssuerHealth>,
    /// What was revoked.
    pub revocations: RevocationsHealth,
    /// The policy set in force, and what is wrong with a newer one.
    pub policies: PolicyHealth,
    /// Where records are kept.
    pub store: StoreHealth,
}

/// How the knowledge of revocations is.
#[derive(Clone, Debug, Serialize)]
pub struct RevocationsHealth {
    /// Whether it is fresh enough to let anybody in.
    pub ready: bool,
    /// How many count.
    pub count: Option<usize>,
}

/// How the store is.
#[derive(Clone, Debug, Serialize)]
pub struct StoreHealth {
    /// Whether it answers.
    pub ready: bool,
    /// Why not.
    pub error: Option<String>,
}

impl Health {
    /// A health report looks at these.
    pub fn new(
        authenticator: Arc<Authenticator>,
        withdrawals: Arc<Withdrawals>,
        policies: Arc<Policies>,
        store: Arc<dyn Store>,
    ) -> Self {
        Self { authenticator, withdrawals, policies, store }
    }

    /// How each room is now. A broken newer policy set does not stop decisions, the
    /// last good one decides; neither does one issuer of several without keys: its
    /// callers get 503, the others do not suffer.
    pub async fn report(&self, now: UnixMillis) -> HealthReport {
        let issuers = self.authenticator.health(now);
        let error = self.store.ping().await.err().map(|error| error.to_string());
        let count = self.withdrawals.revoked(now);
        let revocations = RevocationsHealth { ready: count.is_some(), count };
        let store = StoreHealth { ready: error.is_none(), error };
        HealthReport {
            // The first token is never one of ours, so our own keys do not make it ready.
            ready: store.ready
                && revocations.ready
                && issuers.iter().any(|issuer| issuer.ready && issuer.issuer.as_str() != SERVER),
            revocations,
            policies: self.policies.health(),
            issuers,
            store,
        }
    }
}
