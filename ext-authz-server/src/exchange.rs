//! The pipeline of one token exchange (RFC 8693), in order: credentials, terms,
//! policy, signature, audit, answer.
//!
//! Who may exchange what for what is policy's to say, of every hop of the chain that
//! the new token would tell of, as of every other request. No answer leaves before its
//! audit record is kept.

mod error;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use chaperone_inspection::facts::{Action, Command};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use self::error::{ExchangeError, FormError, OAuthError};
use crate::audit::{AncestorRecord, AuditLog, ExchangeRecord, IssuedRecord, Record, Verdict};
use crate::identity::{
    Acceptance, Authenticator, ChainClaims, Delegation, ExternalUrl, Presented, Token,
};
use crate::issuing::{
    BoundTo, ExchangeTerms, Minted, Parent, SigningKeys, TokenTerms, Wish, Wording, mint, narrow,
};
use crate::ledger::Ledger;
use crate::policy::{Decision, Enforce, Policies, Question, RequestContext, TokenContext};
use crate::redact::Redactor;
use crate::request::GuardedRequest;
use crate::service::Service;
use crate::time::{Clock, UnixMillis};
use crate::verdict::DecisionId;

/// The path of the token endpoint.
pub const TOKEN_PATH: &str = "/oauth/token";

/// The action that policies permit or not.
const ACTION: &str = "token:exchange";

/// What the configuration says about exchanges.
#[derive(Clone, Debug)]
pub struct ExchangeRules {
    /// The `iss` of the tokens: the server's public URL.
    pub issuer: String,
    /// What tokens may be for.
    pub terms: ExchangeTerms,
    /// Which hops must be permitted.
    pub enforce: Enforce,
    /// The services, by name: how much a denial tells.
    pub services: BTreeMap<String, Service>,
}

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    /// The token of the chain on whose behalf somebody acts.
    pub subject: Token,
    /// The token of the one who acts; `None` when it is in `Authorization`.
    pub actor: Option<Token>,
    /// What the new token is to be for.
    pub wish: Wish,
    /// What the new token is to be called in the answer.
    pub token_type: IssuedType,
}

/// What a token is called in the answer (RFC 8693 section 3). They are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuedType {
    /// An access token.
    #[default]
    AccessToken,
    /// A JWT.
    Jwt,
}

/// A token that came of an exchange.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Zeroizing<String>,
    /// What it is called.
    pub token_type: IssuedType,
    /// Whether it is bound to a key, so that it must be sent with a proof.
    pub bound: bool,
    /// How many seconds it lives.
    pub expires_in: i64,
    /// The scopes that it states, separated by spaces.
    pub scope: Option<String>,
}

/// What became of a request for an exchange.
#[derive(Debug)]
pub struct Exchanged {
    /// The decision's id.
    pub decision: DecisionId,
    /// The token, or why there is none.
    pub outcome: Result<Issued, ExchangeError>,
}

/// Exchanges tokens.
pub struct Exchanger {
    rules: ExchangeRules,
    acceptance: Acceptance,
    /// The URL that callers know the server by: what proofs are bound to.
    endpoint: Option<ExternalUrl>,
    keys: Arc<SigningKeys>,
    redactor: Redactor,
    authenticator: Arc<Authenticator>,
    policies: Arc<Policies>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Exchanger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchanger").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Exchanger {
    /// Puts the rooms in order.
    pub fn new(
        rules: ExchangeRules,
        keys: Arc<SigningKeys>,
        redactor: Redactor,
        authenticator: Arc<Authenticator>,
        policies: Arc<Policies>,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let acceptance = Acceptance {
            own: Some(rules.terms.everywhere()),
            also: [rules.terms.server.clone()].into(),
            ..Acceptance::default()
        };
        // Without a URL, no proof is for it.
        let endpoint = ExternalUrl::parse(&rules.issuer).ok();
        Self { rules, acceptance, endpoint, keys, redactor, authenticator, policies, audit, clock }
    }

    /// The `iss` of the tokens.
    pub fn issuer(&self) -> &str {
        &self.rules.issuer
    }

    /// The keys that sign them.
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// The time.
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Exchanges what `asked` for, which came in `request`, and keeps the record of it.
    pub async fn exchange(
        &self,
        request: &GuardedRequest,
        asked: Result<Asked, FormError>,
    ) -> Exchanged {
        let now = self.clock.now();
        let decision = DecisionId::new(Uuid::now_v7());
        let mut ledger = Ledger::open(&decision, request, None, &self.redactor, now);
        let outcome = match asked {
            Ok(asked) => self.judge(request, &asked, now, &mut ledger).await,
            Err(error) => Err(ExchangeError::Form(error)),
        };
        let (issued, outcome) = match outcome {
            Ok((issued, record)) => (Some(record), Ok(issued)),
            Err(error) => (None, Err(error)),
        };
        let (verdict, status) = match &outcome {
            Ok(_) => (Verdict::Allow, 200),
            Err(error) => (error.verdict(), error.oauth().status()),
        };
        let code = outcome.as_ref().err().map(ExchangeError::code);
        let record = ExchangeRecord { decision: ledger.close_as(verdict, status, code), issued };
        let kept = self.audit.append(&Record::Exchange(Box::new(record)), now).await;
        let outcome = match kept {
            Ok(_) => outcome,
            Err(error) => {
                tracing::error!(%error, %decision, "an exchange could not be recorded");
                Err(ExchangeError::AuditUnavailable)
            }
        };
        Exchanged { decision, outcome }
    }

    async fn judge(
        &self,
        request: &GuardedRequest,
        asked: &Asked,
        now: UnixMillis,
        ledger: &mut Ledger<'_>,
    ) -> Result<(Issued, IssuedRecord), ExchangeError> {
        let delegation = self.credentials(request, asked, now).await?;
        ledger.credential(&delegation.credential);
        let bound_to = delegation.key.map(|key| BoundTo { jkt: key });
        let parent = Parent {
            audiences: delegation.audiences.clone(),
            scopes: delegation.authority.scopes.clone(),
            actor_scopes: delegation.actor_scopes.clone(),
            expires_at: delegation.expires_at,
        };
        let terms = narrow(&parent, &asked.wish, &self.rules.terms, now).map_err(|error| {
            ledger.commands("oauth", &[wished(&asked.wish, bound_to.is_some())]);
            ExchangeError::Terms(error)
        })?;
        self.permitted(&delegation, &terms, bound_to.is_some(), now, ledger)?;
        self.issued(&delegation, &terms, bound_to.as_ref(), asked.token_type, now)
    }

    async fn credentials(
        &self,
        request: &GuardedRequest,
        asked: &Asked,
        now: UnixMillis,
    ) -> Result<Delegation, ExchangeError> {
        let header = |name| request.headers.get(name);
        let from_header;
        let actor = if let Some(actor) = &asked.actor {
            actor
        } else {
            let value = header("authorization").ok_or(ExchangeError::ActorMissing)?;
            (_, from_header) = Token::from_authorization(value).map_err(ExchangeError::Client)?;
            &from_header
        };
        let presented = Presented {
            proof: header("dpop"),
            method: &request.method,
            path: TOKEN_PATH,
            // The server sees neither its scheme nor, behind a proxy, its name.
            external_url: self.endpoint.as_ref(),
            ..Presented::default()
        };
        let delegation =
            self.authenticator.delegate(&asked.subject, actor, &presented, &self.acceptance, now);
        delegation.await.map_err(|error| ExchangeError::credentials(error, asked.actor.is_none()))
    }

    /// Asks policy, of every hop.
    fn permitted(
        &self,
        delegation: &Delegation,
        terms: &TokenTerms,
        bound: bool,
        now: UnixMillis,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), ExchangeError> {
        let service =
            self.rules.terms.service_of(&terms.audience).ok_or(ExchangeError::ServiceUnknown)?;
        let lifetime = terms.expires_at.seconds().saturating_sub(now.seconds());
        let scopes = terms.scopes.iter().flatten();
        let command = command([&terms.audience], scopes, lifetime, bound);
        ledger.service(service);
        ledger.commands("oauth", std::slice::from_ref(&command));
        let credential = &delegation.credential;
        let answer = self.policies.current().decide(&Question {
            chain: &credential.chain,
            enforce: self.rules.enforce,
            service,
            request: RequestContext {
                method: "POST",
                host: self.endpoint.as_ref().map_or("", ExternalUrl::authority),
                path: TOKEN_PATH,
                contains: &BTreeSet::new(),
            },
            token: &TokenContext::of(credential, now),
            commands: &[command],
        });
        ledger.answer(&answer);
        match answer.decision {
            Decision::Allow(_) => Ok(()),
            // A token is gone in the time that a person takes to look at it.
            Decision::NeedsApproval(..) => Err(ExchangeError::NeedsApproval),
            Decision::Deny(reasons) => {
                let told = self
                    .rules
                    .services
                    .get(service)
                    .map(|service| service.denial(&reasons, None, None));
                let told = told.as_ref().map_or("Policy does not permit it.", |told| told.detail());
                Err(ExchangeError::Denied(told.to_owned()))
            }
        }
    }

    fn issued(
        &self,
        delegation: &Delegation,
        terms: &TokenTerms,
        bound_to: Option<&BoundTo>,
        token_type: IssuedType,
        now: UnixMillis,
    ) -> Result<(Issued, IssuedRecord), ExchangeError> {
        let parent = delegation.parent();
        let chain = &delegation.credential.chain;
        let lineage = delegation.lineage();
        let (id, new_transaction) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let transaction = parent.transaction.as_deref().unwrap_or(&new_transaction);
        let wording = Wording {
            issuer: &self.rules.issuer,
            chain: ChainClaims::new(chain, delegation.may_act.as_ref(), &lineage, |alias| {
                self.authenticator.issuer_url(alias)
            })?,
            terms,
            id: &id,
            client: &chain.current().principal.to_string(),
            transaction,
            acr: parent.acr.as_deref(),
            authenticated_at: parent.authenticated_at,
            authorization_details: delegation.authority.details.as_deref(),
            bound_to,
        };
        let key = self.keys.signer(now).ok_or(ExchangeError::NoKey)?;
        let Minted { token, kid } = mint(&key, wording, now)?;
        let record = IssuedRecord {
            key: kid,
            audience: terms.audience.clone(),
            expires_at: terms.expires_at,
            transaction: transaction.to_owned(),
            bound: bound_to.is_some(),
            lineage: lineage
                .into_iter()
                .map(|ancestor| AncestorRecord {
                    issuer: ancestor.issuer.to_string(),
                    key: ancestor.key,
                    id: ancestor.id,
                })
                .collect(),
            id,
        };
        let scope = |scopes: &BTreeSet<String>| {
            scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        let issued = Issued {
            token,
            token_type,
            bound: bound_to.is_some(),
            expires_in: terms.expires_at.seconds().saturating_sub(now.seconds()),
            scope: terms.scopes.as_ref().map(scope),
        };
        Ok((issued, record))
    }
}

/// What was asked for and not given.
fn wished(wish: &Wish, bound: bool) -> Command {
    let lifetime = wish.lifetime.map_or(0, |lifetime| lifetime.as_secs());
    let lifetime = i64::try_from(lifetime).unwrap_or(i64::MAX);
    command(&wish.audience, wish.scopes.iter().flatten(), lifetime, bound)
}

fn command<'a>(
    audiences: impl IntoIterator<Item = &'a String>,
    scopes: impl Iterator<Item = &'a String>,
    lifetime: i64,
    bound: bool,
) -> Command {
    let attributes = [
        ("audiences", json!(audiences.into_iter().collect::<Vec<_>>())),
        ("scopes", json!(scopes.collect::<Vec<_>>())),
        ("lifetime", json!(lifetime)),
        ("bound", json!(bound)),
    ];
    Command {
        action: Action::named(ACTION).expect("the vocabulary has it: a test holds that"),
        resource: String::new(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
    }
}

#[cfg(test)]
pub(crate) mod test_world;
#[cfg(test)]
mod tests;
