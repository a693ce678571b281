//! Who makes and revokes API keys: each change in one commit with the audit entry
//! that tells of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{ApiKey, ApiKeyId};
use crate::audit::{ApiKeyRecord, AuditError, Record};
use crate::identity::chain::GroupName;
use crate::store::{ApiKeyChange, ApiKeyRow, ApiKeyStep, Batch, Store, StoreError};
use crate::time::UnixMillis;

/// How many changes are read at once.
pub(super) const PAGE: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// The longest that a key may be good.
pub const MAX_API_KEY_LIFE: Duration = Duration::from_hours(24 * 90);

/// How long a key is remembered after its end, so that its last users are told what
/// is wrong with it.
pub(super) const FORGET_AFTER: Duration = Duration::from_hours(24 * 30);

/// The longest name or owner, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// The API keys in the store.
pub struct ApiKeyBook {
    store: Arc<dyn Store>,
}

/// Who a key is for: checked, with everything that is mandatory.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    name: String,
    owner: String,
    groups: BTreeSet<GroupName>,
    lasts: Duration,
}

/// A key that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct ApiKeyOrder<'a> {
    /// Who it is for.
    pub new: &'a NewApiKey,
    /// The key.
    pub key: &'a ApiKey,
    /// Who makes it, for the record.
    pub by: &'a str,
}

/// A key, as it is told: all but the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// The name of the automation that has it.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// The groups that the automation is in.
    pub groups: BTreeSet<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it is no longer good.
    pub expires_at: UnixMillis,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
}

/// A key could not be made, found or revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// The name is not one.
    #[error("a name is made of lower-case letters, digits, `.`, `-` and `_`, at most 64")]
    Name,
    /// Nobody answers for it.
    #[error("an owner is a text of 1 to {MAX_TEXT_BYTES} bytes without control characters")]
    Owner,
    /// It would be good for too long, or not at all.
    #[error("an API key is good for at most 90 days, and for at least a second")]
    Life,
    /// Somebody else has the name.
    #[error("another owner has a key of that name that is still good")]
    NameTaken,
    /// There is none of that id that is good.
    #[error("there is no such API key, or it was revoked or is over")]
    NotFound,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// What is stored is no API key.
    #[error("a stored API key is damaged: {0}")]
    Corrupt(String),
    /// It could not be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApiKeyError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name => "api_key_name",
            Self::Owner => "api_key_owner",
            Self::Life => "api_key_life",
            Self::NameTaken => "api_key_name_taken",
            Self::NotFound => "api_key_not_found",
            Self::NoRandomness => "no_randomness",
            Self::Corrupt(_) => "api_key_corrupt",
            Self::Audit(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

impl NewApiKey {
    /// A key for the automation `name`, which `owner` answers for, good for `lasts`.
    pub fn new(
        name: &str,
        owner: &str,
        groups: BTreeSet<GroupName>,
        lasts: Duration,
    ) -> Result<Self, ApiKeyError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err(ApiKeyError::Name);
        }
        let owner = owner.trim();
        if owner.is_empty() || owner.len() > MAX_TEXT_BYTES || owner.contains(char::is_control) {
            return Err(ApiKeyError::Owner);
        }
        if lasts < Duration::from_secs(1) || lasts > MAX_API_KEY_LIFE {
            return Err(ApiKeyError::Life);
        }
        Ok(Self { name: name.to_owned(), owner: owner.to_owned(), groups, lasts })
    }
}

impl std::fmt::Debug for ApiKeyBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeyBook")
    }
}

impl ApiKeyBook {
    /// The API keys in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Makes a key; it is good in every process as soon as that has read the store
    /// again. One automation may have several, so that they can be rotated.
    pub async fn create(
        &self,
        order: &ApiKeyOrder<'_>,
        now: UnixMillis,
    ) -> Result<ApiKeyView, ApiKeyError> {
        let ApiKeyOrder { new, key, by } = order;
        let row = ApiKeyRow {
            id: key.id().to_string(),
            name: new.name.clone(),
            owner: new.owner.clone(),
            groups: new.groups.iter().map(ToString::to_string).collect(),
            hash: key.hash(),
            by: (*by).to_owned(),
            at: now,
            expires_at: now.after(new.lasts),
        };
        let view = ApiKeyView::new(key.id(), &row);
        let entry = record(ApiKeyStep::Created, &row).draft(now)?;
        self.commit(ApiKeyChange::Create(row), entry).await.map_err(|error| match error {
            ApiKeyError::Store(StoreError::Conflict) => ApiKeyError::NameTaken,
            error => error,
        })?;
        Ok(view)
    }

    /// Revokes the key of that id.
    pub async fn revoke(
        &self,
        id: ApiKeyId,
        by: &str,
        now: UnixMillis,
    ) -> Result<ApiKeyView, ApiKeyError> {
        let row = self.rows().await?.remove(&id).map(|(row, _)| row);
        let row = row.ok_or(ApiKeyError::NotFound)?;
        let view = ApiKeyView { revoked_at: Some(now), ..ApiKeyView::new(id, &row) };
        let row = ApiKeyRow { by: by.to_owned(), at: now, ..row };
        let entry = record(ApiKeyStep::Revoked, &row).draft(now)?;
        let change = ApiKeyChange::Revoke { id: row.id, by: row.by, at: now };
        self.commit(change, entry).await.map_err(|error| match error {
            ApiKeyError::Store(StoreError::Conflict) => ApiKeyError::NotFound,
            error => error,
        })?;
        Ok(view)
    }

    /// Every key that is remembered, the newest last.
    pub async fn list(&self) -> Result<Vec<ApiKeyView>, ApiKeyError> {
        let rows = self.rows().await?;
        let view = |(id, (row, revoked_at))| ApiKeyView { revoked_at, ..ApiKeyView::new(id, &row) };
        let mut keys: Vec<_> = rows.into_iter().map(view).collect();
        keys.sort_by_key(|key| (key.created_at, key.id));
        Ok(keys)
    }

    /// Takes from the store what has been over for a while; the audit log keeps it.
    pub async fn forget(&self, now: UnixMillis) -> Result<(), ApiKeyError> {
        let change = ApiKeyChange::Forget(now.before(FORGET_AFTER));
        self.store.commit(Batch { api_keys: vec![change], ..Batch::default() }).await?;
        Ok(())
    }

    async fn commit(
        &self,
        change: ApiKeyChange,
        entry: crate::store::Draft,
    ) -> Result<(), ApiKeyError> {
        let batch = Batch { api_keys: vec![change], entries: vec![entry], ..Batch::default() };
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Each key as it was made, and when it was revoked.
    async fn rows(
        &self,
    ) -> Result<BTreeMap<ApiKeyId, (ApiKeyRow, Option<UnixMillis>)>, ApiKeyError> {
        let mut rows = BTreeMap::new();
        let mut seen = 0;
        loop {
            let events = self.store.api_keys_after(seen, PAGE).await?;
            let Some(last) = events.last() else { return Ok(rows) };
            seen = last.seq;
            for event in events {
                let id = ApiKeyId::from_str(&event.row.id)
                    .map_err(|_| ApiKeyError::Corrupt(event.row.id.clone()))?;
                match event.what {
                    ApiKeyStep::Created => drop(rows.insert(id, (event.row, None))),
                    ApiKeyStep::Revoked => {
                        if let Some((_, revoked_at)) = rows.get_mut(&id) {
                            *revoked_at = Some(event.row.at);
                        }
                    }
                }
            }
        }
    }
}

impl ApiKeyView {
    fn new(id: ApiKeyId, row: &ApiKeyRow) -> Self {
        Self {
            id,
            name: row.name.clone(),
            owner: row.owner.clone(),
            groups: row.groups.clone(),
            created_at: row.at,
            expires_at: row.expires_at,
            revoked_at: None,
        }
    }

    /// Whether it is good, revoked or over at `now`.
    pub fn state(&self, now: UnixMillis) -> &'static str {
        match self.revoked_at {
            Some(_) => "revoked",
            None if self.expires_at <= now => "expired",
            None => "good",
        }
    }
}

fn record(event: ApiKeyStep, row: &ApiKeyRow) -> Record {
    Record::ApiKey(ApiKeyRecord {
        event,
        key_id: row.id.clone(),
        name: row.name.clone(),
        owner: row.owner.clone(),
        groups: row.groups.clone(),
        by: row.by.clone(),
        at: row.at,
        expires_at: row.expires_at,
    })
}
