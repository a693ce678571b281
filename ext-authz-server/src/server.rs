//! The running server: both ports, what runs beside them, and their end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::Inspector;
use chaperone_inspection::mask::ProfileError;
use chaperone_inspection::protocol::PlanError;
use chaperone_proto::v1::outcomes_server::OutcomesServer;
use chaperone_proto::v1::tools_server::ToolsServer;
use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tonic::transport::server::TcpIncoming;

use crate::approval::Approvals;
use crate::audit::{AuditError, AuditLog, Record, SystemEvent, SystemRecord};
use crate::config::{Config, ExchangeSettings};
use crate::decide::{Decider, Rules};
use crate::envoy::{CheckService, OutcomesService, ToolsService};
use crate::exchange::{ExchangeRules, Exchanger};
use crate::health::Health;
use crate::http::{HttpState, oauth_router, router};
use crate::identity::{IssuerUrl, KeysEvent, SettingsError, Withdrawals, WithdrawalsError};
use crate::issuing::{KeyChange, KeysError, SigningKeys, Transactions};
use crate::policy::{Policies, PolicyErrors, PolicyEvent};
use crate::redact::Redactor;
use crate::store::{Store, StoreError};
use crate::time::{Clock, SystemClock, UnixMillis};
use crate::tools::{ToolLists, Tools};

/// How long requests that are being answered are given when the server ends.
const DRAIN: Duration = Duration::from_secs(5);

/// How often expired approvals are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// The server cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({key} in the configuration): {source}")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The policies are not good.
    #[error("{0}")]
    Policies(#[from] PolicyErrors),
    /// The store cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The start cannot be recorded.
    #[error("the audit log cannot be written: {0}")]
    Audit(#[from] AuditError),
    /// Keys cannot be fetched.
    #[error("the issuers cannot be used: {0}")]
    Issuers(#[from] SettingsError),
    /// The keys that sign tokens cannot be used.
    #[error("the signing keys cannot be used: {0}")]
    SigningKeys(#[from] KeysError),
    /// What was revoked cannot be read.
    #[error("the store cannot be read: {0}")]
    Withdrawals(#[from] WithdrawalsError),
    /// The inspection plan contradicts itself.
    #[error("the configuration contradicts itself: {0}")]
    Plan(#[from] PlanError),
    /// The built-in masking profile is not good.
    #[error("the built-in masking profile does not compile: {0}")]
    Redactor(#[from] ProfileError),
    /// A port failed while it was served.
    #[error("{port} can no longer be served: {why}")]
    Port {
        /// Its configuration key.
        port: &'static str,
        /// Why.
        why: String,
    },
}

/// Serves until `stop` completes, then lets what is being answered end.
pub async fn serve(config: Config, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let grpc = listen("listen.grpc", config.listen.grpc).await?;
    let http = listen("listen.http", config.listen.http).await?;
    let policies =
        Arc::new(Policies::load(config.policy_sources(), config.policy_names(), clock.now())?);
    let store: Arc<dyn Store> = Arc::new(config.open_store()?);
    let audit = Arc::new(AuditLog::new(Arc::clone(&store)));
    let approvals = Arc::new(Approvals::new(Arc::clone(&store)));
    let withdrawals = Arc::new(Withdrawals::new(Arc::clone(&store)));
    withdrawals.start(clock.now()).await?;
    let authenticator =
        Arc::new(config.authenticator()?.with_withdrawals(Arc::clone(&withdrawals)));
    // Room for one event an issuer, until somebody reads them below.
    let (keys_told, keys_changed) = mpsc::channel(config.identity.issuers.len().max(16));
    authenticator.start_telling(keys_told).await;
    let signing = open_signing_keys(&config, clock.now())?;
    let started = SystemRecord {
        policy_set: Some(policies.current().digest()),
        ..system(SystemEvent::Started, clock.now())
    };
    audit.append(&Record::System(started), clock.now()).await?;

    // The watcher ends when the recorder, which reads its events, is dropped.
    let (events, changes) = mpsc::channel(1);
    let every = config.policies.reload;
    tokio::spawn(Arc::clone(&policies).watch(every, Arc::clone(&clock), events));
    let recorder = tokio::spawn(record_changes(changes, Arc::clone(&audit), Arc::clone(&clock)));
    let reader = tokio::spawn(Arc::clone(&withdrawals).keep_fresh(Arc::clone(&clock)));
    let _watchers = watch_files(&config);
    let keys_recorder =
        tokio::spawn(record_keys(keys_changed, Arc::clone(&audit), Arc::clone(&clock)));
    let sweeper = tokio::spawn(sweep(Arc::clone(&approvals), Arc::clone(&clock)));
    let transactions = signing.as_ref().and_then(|(keys, _)| {
        let issuer = IssuerUrl::parse(&config.public_url).ok()?;
        Some(Transactions::new(Arc::clone(keys), issuer))
    });
    let exchanger = signing.as_ref().map(|(keys, settings)| {
        let rules = exchange_rules(&config, settings);
        let (authenticator, policies) = (Arc::clone(&authenticator), Arc::clone(&policies));
        let (audit, clock) = (Arc::clone(&audit), Arc::clone(&clock));
        let keys = Arc::clone(keys);
        Redactor::new().map(|redactor| {
            Arc::new(Exchanger::new(rules, keys, redactor, authenticator, policies, audit, clock))
        })
    });
    let exchanger = exchanger.transpose()?;
    let follower = signing.map(|(keys, settings)| {
        let (audit, clock) = (Arc::clone(&audit), Arc::clone(&clock));
        tokio::spawn(follow_keys(keys, settings.reload, audit, clock))
    });

    let tools = Arc::new(Tools::new(Arc::clone(&store)));
    let lists = tool_lists(&config, &policies, &tools);
    let ports = Ports {
        exchanger,
        tools: ToolsService::new(Arc::clone(&config.facts_keys), lists, Arc::clone(&clock)),
        outcomes: OutcomesService::new(
            Arc::clone(&config.facts_keys),
            Arc::clone(&audit),
            Arc::clone(&clock),
        ),
        state: HttpState {
            health: Arc::new(Health::new(
                Arc::clone(&authenticator),
                withdrawals,
                Arc::clone(&policies),
                Arc::clone(&store),
            )),
            approvals: Arc::clone(&approvals),
            clock: Arc::clone(&clock),
        },
        check: CheckService::new(Arc::new(Decider::new(
            rules(config, transactions, tools)?,
            Redactor::new()?,
            authenticator,
            policies,
            approvals,
            Arc::clone(&audit),
            Arc::clone(&clock),
        ))),
    };
    let served = ports.serve(grpc, http, stop).await;
    recorder.abort();
    reader.abort();
    keys_recorder.abort();
    sweeper.abort();
    if let Some(follower) = follower {
        follower.abort();
    }
    let stopped = system(SystemEvent::Stopped, clock.now());
    audit.append(&Record::System(stopped), clock.now()).await?;
    served
}

/// What the two ports answer with.
struct Ports {
    check: CheckService,
    outcomes: OutcomesService,
    tools: ToolsService,
    state: HttpState,
    exchanger: Option<Arc<Exchanger>>,
}

impl Ports {
    async fn serve(
        self,
        grpc: TcpListener,
        http: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let (end, ended) = watch::channel(false);
        let until_end = |mut ended: watch::Receiver<bool>| async move {
            // Its sender is kept below; if it were dropped, that were an end too.
            let _ = ended.wait_for(|ended| *ended).await;
        };
        let mut grpc = tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(AuthorizationServer::new(self.check))
                .add_service(OutcomesServer::new(self.outcomes))
                .add_service(ToolsServer::new(self.tools))
                // Without it an answer waits for the acknowledgement of the one before,
                // which the peer delays by 40 ms.
                .serve_with_incoming_shutdown(
                    TcpIncoming::from(grpc).with_nodelay(Some(true)),
                    until_end(ended.clone()),
                ),
        );
        let mut routes = router(self.state);
        if let Some(exchanger) = self.exchanger {
            routes = routes.merge(oauth_router(exchanger));
        }
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        let mut http = tokio::spawn(
            axum::serve(http, routes).with_graceful_shutdown(until_end(ended)).into_future(),
        );
        tracing::info!("serving");
        tokio::select! {
            () = stop => {}
            ended = &mut grpc => return Err(failed("listen.grpc", ended)),
            ended = &mut http => return Err(failed("listen.http", ended)),
        }
        tracing::info!("ending");
        end.send_replace(true);
        let drained = tokio::time::timeout(DRAIN, async { tokio::join!(&mut grpc, &mut http) });
        if drained.await.is_err() {
            tracing::warn!("requests were still being answered at the end");
        }
        Ok(())
    }
}

fn failed<E: std::error::Error>(
    port: &'static str,
    ended: Result<Result<(), E>, JoinError>,
) -> ServeError {
    let why = match ended {
        Ok(Ok(())) => "it ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    ServeError::Port { port, why }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen {
        key,
        address,
        source,
    })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "listening ({key})");
    }
    Ok(listener)
}

/// Takes over what changes in the files of services, until it is dropped.
fn watch_files(config: &Config) -> JoinSet<()> {
    let mut watchers = JoinSet::new();
    for service in config.services.values() {
        if let Some(own) = service.upstream.watched() {
            watchers.spawn(own.watch());
        }
        for pins in service.pins.values() {
            watchers.spawn(Arc::clone(pins).watch());
        }
    }
    watchers
}

fn tool_lists(config: &Config, policies: &Arc<Policies>, tools: &Arc<Tools>) -> ToolLists {
    ToolLists::new(
        Arc::clone(&config.facts_keys),
        config.services.clone(),
        config.enforce,
        Arc::clone(policies),
        Arc::clone(tools),
    )
}

fn rules(
    config: Config,
    transactions: Option<Transactions>,
    tools: Arc<Tools>,
) -> Result<Rules, PlanError> {
    Ok(Rules {
        transactions,
        tools,
        inspector: Inspector::new(config.plan)?,
        services: config.services,
        profiles: config.profiles,
        facts_keys: config.facts_keys,
        facts_window: config.facts_window,
        enforce: config.enforce,
        public_url: config.public_url,
    })
}

fn open_signing_keys(
    config: &Config,
    now: UnixMillis,
) -> Result<Option<(Arc<SigningKeys>, ExchangeSettings)>, KeysError> {
    let Some(settings) = config.exchange.clone() else { return Ok(None) };
    Ok(Some((Arc::new(settings.open_keys(now)?), settings)))
}

fn exchange_rules(config: &Config, settings: &ExchangeSettings) -> ExchangeRules {
    ExchangeRules {
        issuer: config.public_url.clone(),
        terms: settings.terms.clone(),
        enforce: config.enforce,
        services: config.services.clone(),
    }
}

/// Follows the files of the signing keys, and puts into the audit log what becomes of
/// them.
async fn follow_keys(
    keys: Arc<SigningKeys>,
    every: Duration,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (looking, now) = (Arc::clone(&keys), clock.now());
        let change = match tokio::task::spawn_blocking(move || looking.look(now)).await {
            Ok(change) => change,
            Err(error) => {
                tracing::error!(%error, "the signing keys could not be looked at");
                continue;
            }
        };
        let record = match change {
            None => continue,
            Some(KeyChange::Signs { kid }) => {
                SystemRecord { key: Some(kid), ..system(SystemEvent::SigningKeyUsed, now) }
            }
            Some(KeyChange::Refused { error }) => {
                SystemRecord { error: Some(error), ..system(SystemEvent::SigningKeysRefused, now) }
            }
        };
        if let Err(error) = audit.append(&Record::System(record), now).await {
            tracing::error!(%error, "a change of the signing keys could not be recorded");
        }
    }
}

/// Puts into the audit log what becomes of the policy files.
async fn record_changes(
    mut changes: mpsc::Receiver<PolicyEvent>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
) {
    while let Some(change) = changes.recv().await {
        let now = clock.now();
        let record = match change {
            PolicyEvent::Replaced { policy_set } => SystemRecord {
                policy_set: Some(policy_set),
                ..system(SystemEvent::PoliciesLoaded, now)
            },
            PolicyEvent::Refused { policy_set, errors } => SystemRecord {
                policy_set: Some(policy_set),
                error: Some(errors.to_string()),
                ..system(SystemEvent::PoliciesRefused, now)
            },
        };
        if let Err(error) = audit.append(&Record::System(record), now).await {
            tracing::error!(%error, "a change of the policies could not be recorded");
        }
    }
}

/// Puts into the audit log what becomes of the issuers' keys.
async fn record_keys(
    mut changes: mpsc::Receiver<KeysEvent>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
) {
    while let Some(change) = changes.recv().await {
        let now = clock.now();
        let (event, issuer, error) = match change {
            KeysEvent::Unusable { issuer, error } => (SystemEvent::KeysUnusable, issuer, error),
            KeysEvent::Usable { issuer } => (SystemEvent::KeysUsable, issuer, None),
        };
        let issuer = Some(issuer.to_string());
        let record = SystemRecord { issuer, error, ..system(event, now) };
        if let Err(error) = audit.append(&Record::System(record), now).await {
            tracing::error!(%error, "a change of an issuer's keys could not be recorded");
        }
    }
}

/// Records that approvals have expired; that they have, needs no record to count.
async fn sweep(approvals: Arc<Approvals>, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        if let Err(error) = approvals.sweep(clock.now()).await {
            tracing::warn!(%error, "expired approvals could not be recorded");
        }
    }
}

fn system(event: SystemEvent, at: UnixMillis) -> SystemRecord {
    let version = Some(env!("CARGO_PKG_VERSION").to_owned());
    SystemRecord { event, at, version, policy_set: None, issuer: None, error: None, key: None }
}
