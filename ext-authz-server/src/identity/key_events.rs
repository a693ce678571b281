//! What becomes of an issuer's keys, told once and not at every look.

use tokio::sync::mpsc;

use super::chain::IssuerAlias;
use super::fetch::FetchError;

/// What becomes of the keys of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysEvent {
    /// There are none, or they are too old: its tokens cannot be verified.
    Unusable {
        /// The issuer.
        issuer: IssuerAlias,
        /// Why the last fetch failed.
        error: Option<String>,
    },
    /// There are some again.
    Usable {
        /// The issuer.
        issuer: IssuerAlias,
    },
}

/// Tells of the keys of one issuer: in the log, and to whoever listens.
#[derive(Debug)]
pub(super) struct Teller {
    issuer: IssuerAlias,
    events: Option<mpsc::Sender<KeysEvent>>,
    usable: bool,
}

impl Teller {
    /// Nobody has yet been told anything: that keys are there at the start is no news.
    pub(super) const fn new(issuer: IssuerAlias, events: Option<mpsc::Sender<KeysEvent>>) -> Self {
        Self { issuer, events, usable: true }
    }

    /// Says in the log that a fetch failed.
    pub(super) fn failed(&self, error: &FetchError, usable: bool) {
        tracing::warn!(issuer = %self.issuer, %error, usable, "keys could not be fetched");
    }

    /// Tells whether the keys are usable, unless that is known.
    pub(super) fn tell(&mut self, usable: bool, error: Option<&FetchError>) {
        if self.usable == usable {
            return;
        }
        self.usable = usable;
        let issuer = self.issuer.clone();
        let event = if usable {
            tracing::info!(%issuer, "the issuer's keys can be used again");
            KeysEvent::Usable { issuer }
        } else {
            let error = error.map(ToString::to_string);
            let why = error.as_deref().unwrap_or("they are too old");
            tracing::warn!(%issuer, error = why, "the issuer's keys cannot be used; its tokens get 503");
            KeysEvent::Unusable { issuer, error }
        };
        // Fetching does not wait for whoever listens.
        if let Some(Err(error)) = self.events.as_ref().map(|events| events.try_send(event)) {
            tracing::error!(issuer = %self.issuer, %error, "a change of keys could not be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once() {
        let (events, mut told) = mpsc::channel(8);
        let mut teller = Teller::new("idp".parse().unwrap(), Some(events));
        let error = FetchError::Status(503);
        teller.tell(true, None);
        teller.tell(false, Some(&error));
        teller.tell(false, Some(&FetchError::Connect));
        teller.tell(true, None);
        let issuer: IssuerAlias = "idp".parse().unwrap();
        let unusable = KeysEvent::Unusable {
            issuer: issuer.clone(),
            error: Some("the answer has status 503".into()),
        };
        assert_eq!(told.try_recv(), Ok(unusable));
        assert_eq!(told.try_recv(), Ok(KeysEvent::Usable { issuer }));
        assert!(told.try_recv().is_err());
    }
}
