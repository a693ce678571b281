//! All of it in order: issuer, upstream, server, filter, Envoy.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::answer::Answer;
use crate::artifacts::{self, FilterForm, Progress, workspace};
use crate::certificates::Authority;
use crate::envoy::{self, Envoy, EnvoySettings};
use crate::failure::{Failure, Result};
use crate::grpc::OrdersClient;
use crate::identity_provider::{self, IdentityProvider};
use crate::issuer::DevelopmentIssuer;
use crate::mcp_sdk::{self, McpServer};
use crate::ports::HeldPort;
use crate::postgres::{self, Postgres};
use crate::process::eventually;
use crate::request::Request;
use crate::server::{Server, ServerSettings};
use crate::tap::Tap;
use crate::template::fill;
use crate::upstream::Upstream;
use crate::workdir::Workdir;

/// How long the filter may take to report an outcome: its interval, and some.
const OUTCOME: Duration = Duration::from_secs(10);

/// How a mesh is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Whether the builds and installations show what they do.
    pub progress: Progress,
    /// The port of Envoy's listener; any that is free when `None`.
    pub port: Option<u16>,
    /// Whether there is a second listener, without the filter.
    pub bypass: bool,
    /// Whether there are listeners for client certificates, without a bypass.
    pub mutual_tls: bool,
    /// Changes the example configuration of the server.
    pub configure: fn(String) -> String,
    /// Files that stand beside the server's configuration: their names and contents.
    /// Beside `x.proto` goes its descriptor set, `x.binpb`.
    pub files: &'static [(&'static str, &'static str)],
    /// Changes the example bootstrap of Envoy.
    pub bootstrap: fn(String) -> String,
    /// How many worker threads Envoy has.
    pub concurrency: u32,
    /// Whether there is a real identity provider besides. Its URL goes where
    /// `configure` leaves `{{IDENTITY_PROVIDER_URL}}`.
    pub identity_provider: bool,
    /// What stands behind Envoy.
    pub behind: Behind,
    /// Which form of the filter it loads; the shipped one needs Node to be made.
    pub filter: FilterForm,
}

/// What stands behind Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The service with made-up customers.
    Customers,
    /// The same, with a real PostgreSQL behind its path `/postgres`.
    Postgres,
    /// An MCP server of the official SDK.
    McpSdk,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            progress: Progress::Quiet,
            port: None,
            bypass: false,
            mutual_tls: false,
            configure: std::convert::identity,
            files: &[],
            bootstrap: std::convert::identity,
            concurrency: 2,
            identity_provider: false,
            behind: Behind::Customers,
            filter: FilterForm::Shipped,
        }
    }
}

/// Everything, running. Dropped, it is stopped and its files are removed.
#[derive(Debug)]
pub struct Mesh {
    // Dropped in this order: Envoy before what it asks, the folder last.
    /// Envoy, with the filter.
    pub envoy: Envoy,
    /// The server.
    pub server: Server,
    /// The service that is guarded.
    pub upstream: Upstream,
    /// What Envoy sends to it.
    pub tap: Tap,
    /// Who makes tokens.
    pub issuer: DevelopmentIssuer,
    /// Who makes tokens as in production, if the mesh was set up with one.
    pub identity_provider: Option<IdentityProvider>,
    bypass: Option<SocketAddr>,
    mutual_tls: Option<MutualTls>,
    mcp_sdk: Option<(McpServer, mcp_sdk::Programs)>,
    workdir: Workdir,
}

/// The ways in for callers with client certificates.
#[derive(Debug)]
pub struct MutualTls {
    /// Signs the certificates that Envoy trusts.
    pub authority: Authority,
    /// Where client certificates are verified.
    pub address: SocketAddr,
    /// Where whatever callers say of certificates is passed on.
    pub careless: SocketAddr,
}

impl Mesh {
    /// The mesh that the tests of one program share: with a bypass, otherwise as in
    /// the example. A test that breaks things takes its own.
    ///
    /// # Panics
    ///
    /// When it does not start, with what the programs logged.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Mesh> = OnceCell::const_new();
        let start = || async {
            let setup = Setup { bypass: true, ..Setup::default() };
            Self::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"))
        };
        SHARED.get_or_init(start).await
    }

    /// Builds what is not built and starts everything.
    pub async fn start(setup: Setup) -> Result<Self> {
        let (artifacts, filter, binary) = blocking(move || {
            let artifacts = artifacts::build(setup.progress)?;
            let filter = artifacts.filter(setup.filter, setup.progress)?;
            Ok((artifacts, filter, envoy::obtain(setup.progress)?))
        })
        .await?;
        let workdir = Workdir::create()?;
        let issuer = DevelopmentIssuer::start(0).await?;
        let identity_provider = if setup.identity_provider {
            Some(provider(setup.progress, &workdir).await?)
        } else {
            None
        };
        let upstream = if setup.behind == Behind::Postgres {
            let binaries = blocking(move || postgres::obtain(setup.progress)).await?;
            Upstream::with_postgres(Postgres::start(&binaries, &workdir).await?).await?
        } else {
            Upstream::start(0).await?
        };
        let mcp_sdk = if setup.behind == Behind::McpSdk {
            let programs = blocking(move || mcp_sdk::obtain(setup.progress)).await?;
            Some((McpServer::start(&programs, &workdir).await?, programs))
        } else {
            None
        };
        let behind = mcp_sdk.as_ref().map_or(upstream.address(), |(server, _)| server.address());
        let tap = Tap::start(behind).await?;
        let grpc = HeldPort::free()?;
        let http = HeldPort::free()?;
        let listener = setup.port.map_or_else(HeldPort::free, HeldPort::named)?;
        let admin = HeldPort::free()?;
        let bypass = if setup.bypass { Some(HeldPort::free()?) } else { None };
        let settings = ServerSettings {
            binary: artifacts.chaperone.clone(),
            grpc_port: grpc.release(),
            http_port: http.release(),
            issuer_url: issuer.url(),
            identity_provider_url: identity_provider.as_ref().map(|idp| idp.url().to_owned()),
            configure: setup.configure,
            files: setup.files,
        };
        let grpc_port = settings.grpc_port;
        let server = Server::start(settings, &workdir).await?;
        let bypass = bypass.map(HeldPort::release);
        let places = Places {
            port: listener.release(),
            admin_port: admin.release(),
            upstream_port: tap.port(),
            grpc_port,
        };
        let plugin = server.plugin_config()?;
        let mutual_tls = if setup.mutual_tls { Some(MutualTls::free()?) } else { None };
        let overlay = match (&mutual_tls, bypass) {
            (Some(mutual_tls), _) => Some(mutual_tls.overlay(&workdir, &filter, &plugin)?),
            (None, bypass) => bypass.map(bypass_overlay).transpose()?,
        };
        let text = places.bootstrap(&setup, &filter, &plugin)?;
        let bootstrap = workdir.write("envoy.yaml", text)?;
        let settings = EnvoySettings {
            binary,
            bootstrap,
            overlay,
            log: workdir.path().join("envoy.log"),
            port: places.port,
            admin_port: places.admin_port,
            concurrency: setup.concurrency,
        };
        let envoy = Envoy::start(settings, &workdir.leash()).await?;
        let bypass = bypass.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Ok(Self {
            envoy,
            server,
            upstream,
            tap,
            issuer,
            identity_provider,
            bypass,
            mutual_tls,
            mcp_sdk,
            workdir,
        })
    }

    /// The folder with configuration, policies and logs.
    pub fn workdir(&self) -> &Workdir {
        &self.workdir
    }

    /// A request through Envoy.
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request::new(self.envoy.address(), method, path)
    }

    /// A GET through Envoy.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A POST of JSON through Envoy.
    pub fn post(&self, path: &str, body: &Value) -> Request {
        self.request(Method::POST, path).json(body)
    }

    /// An SQL statement through Envoy.
    pub fn sql(&self, statement: &str) -> Request {
        self.post("/sql", &serde_json::json!({ "query": statement }))
    }

    /// An MCP request through Envoy.
    pub fn mcp(&self, id: &Value, method: &str, params: &Value) -> Request {
        let message = serde_json::json!({
            "jsonrpc": "2.0", "id": id, "method": method, "params": params,
        });
        self.post("/mcp", &message).header("accept", "application/json, text/event-stream")
    }

    /// A gRPC client of the orders service, through Envoy by that host name.
    pub async fn orders(&self, host: &str) -> Result<OrdersClient> {
        OrdersClient::connect(self.envoy.address(), host).await
    }

    /// A request through Envoy around the filter.
    ///
    /// # Panics
    ///
    /// When the mesh was started without a bypass.
    pub fn bypass(&self, method: Method, path: &str) -> Request {
        let bypass = self.bypass.expect("the mesh has a bypass");
        Request::new(bypass, method, path)
    }

    /// The ways in for callers with client certificates.
    ///
    /// # Panics
    ///
    /// When the mesh was started without them.
    pub fn mutual_tls(&self) -> &MutualTls {
        self.mutual_tls.as_ref().expect("the mesh has mutual TLS")
    }

    /// What a client of the official MCP SDK sees at `path`: its tools, and the result of
    /// each of `calls`, a list of `{name, arguments}`.
    ///
    /// # Panics
    ///
    /// When the mesh was started without the SDK.
    pub async fn mcp_client(&self, path: &str, token: &str, calls: &Value) -> Result<Value> {
        let (_, programs) = self.mcp_sdk.as_ref().expect("the mesh has the SDK");
        // The client takes the host from the URL.
        let url = format!("http://{}{path}", self.envoy.address());
        mcp_sdk::client(programs, &url, token, calls).await
    }

    /// The audit record of the decision on the request that was answered so.
    pub fn decision_of(&self, answer: &Answer) -> Result<Value> {
        let id = answer.decision().ok_or_else(|| {
            Failure::unexpected(
                "looking for a decision",
                format!("the answer names none: {answer:?}"),
            )
        })?;
        entry(self.server.audit_of(id)?, "decision").ok_or_else(|| {
            Failure::unexpected("looking for a decision", format!("{id} is not in the audit log"))
        })
    }

    /// The audit record of the outcome of the request that was answered so, once the
    /// filter has reported it.
    pub async fn outcome_of(&self, answer: &Answer) -> Result<Value> {
        let id = answer.decision().unwrap_or_default().to_owned();
        let what = format!("the outcome of {id}");
        let reported = || async { entry(self.server.audit_of(&id).ok()?, "outcome") };
        eventually(&what, OUTCOME, reported).await
    }
}

async fn provider(progress: Progress, workdir: &Workdir) -> Result<IdentityProvider> {
    let program = blocking(move || identity_provider::obtain(progress)).await?;
    IdentityProvider::start(program, workdir).await
}

fn entry(entries: Vec<Value>, kind: &str) -> Option<Value> {
    let mut found = entries.into_iter().filter(|entry| entry["kind"] == kind);
    found.next().map(|mut entry| entry["record"].take())
}

/// Where everything listens.
struct Places {
    port: u16,
    admin_port: u16,
    upstream_port: u16,
    grpc_port: u16,
}

impl Places {
    fn bootstrap(&self, setup: &Setup, filter: &Path, plugin: &str) -> Result<String> {
        let text = fill(
            &example("envoy.yaml")?,
            &[
                ("ENVOY_PORT", &self.port.to_string()),
                ("ENVOY_ADMIN_PORT", &self.admin_port.to_string()),
                ("UPSTREAM_PORT", &self.upstream_port.to_string()),
                ("CHAPERONE_GRPC_PORT", &self.grpc_port.to_string()),
                ("FILTER_WASM", &filter.to_string_lossy()),
                ("PLUGIN_CONFIG", plugin),
            ],
        )?;
        Ok((setup.bootstrap)(text))
    }
}

impl MutualTls {
    fn free() -> Result<Self> {
        let (tls, careless) = (HeldPort::free()?, HeldPort::free()?);
        let local = |port: HeldPort| SocketAddr::from(([127, 0, 0, 1], port.release()));
        Ok(Self { authority: Authority::new()?, address: local(tls), careless: local(careless) })
    }

    fn overlay(&self, workdir: &Workdir, filter: &Path, plugin: &str) -> Result<String> {
        self.authority.write_for_envoy(workdir)?;
        fill(
            include_str!("envoy/mtls.yaml"),
            &[
                ("MTLS_PORT", &self.address.port().to_string()),
                ("CARELESS_PORT", &self.careless.port().to_string()),
                ("CERTIFICATES", &workdir.path().to_string_lossy()),
                ("FILTER_WASM", &filter.to_string_lossy()),
                ("PLUGIN_CONFIG", plugin),
            ],
        )
    }
}

/// A second listener, without the filter: what a misconfigured mesh or an attacker
/// inside it would have.
fn bypass_overlay(port: u16) -> Result<String> {
    fill(include_str!("envoy/bypass.yaml"), &[("BYPASS_PORT", &port.to_string())])
}

fn example(name: &str) -> Result<String> {
    let path = workspace().join("envoy-config").join(name);
    std::fs::read_to_string(&path).map_err(Failure::io("read", path))
}

/// Runs what takes long where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::unexpected("building", error))?
}
