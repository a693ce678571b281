//! What the filter adds to the time of one request: a 1 KiB MCP call through Envoy with
//! the filter, beside a filter that holds the body and does nothing. The requests of
//! both are sent by turns over one connection each, so that the machine is as busy for
//! the one as for the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chaperone_inspection::plan::{
    Limits, McpPlan, OutcomesConfig, Plan, PluginConfig, ProtocolPlan, RoutePlan, ServicePlan,
};
use chaperone_inspection::seal::FactsKey;
use clap::Parser;
use harness::artifacts::{self, FilterForm, Progress};
use harness::envoy::{self, Envoy, EnvoySettings};
use harness::failure::{Failure, Result};
use harness::ports::HeldPort;
use harness::template::fill;
use harness::upstream::Upstream;
use harness::workdir::Workdir;
use serde_json::json;

/// Measures what the filter adds to the time of one request.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many requests each filter gets.
    #[arg(long, default_value_t = 5_000)]
    requests: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let measured = Bench::start().await?.run(arguments.requests)?;
    println!("{:>12} {:>10} {:>10} {:>10}", "", "p50", "p90", "p99");
    for (name, mut times) in [("chaperone", measured.chaperone), ("buffering", measured.buffering)]
    {
        times.sort_unstable();
        let at =
            |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        println!("{name:>12} {:>10.1?} {:>10.1?} {:>10.1?}", at(50), at(90), at(99));
    }
    Ok(())
}

struct Bench {
    chaperone: SocketAddr,
    buffering: SocketAddr,
    // Dropped in this order.
    _envoy: Envoy,
    _upstream: Upstream,
    _workdir: Workdir,
}

struct Measured {
    chaperone: Vec<Duration>,
    buffering: Vec<Duration>,
}

impl Bench {
    async fn start() -> Result<Self> {
        let built = artifacts::build(Progress::Shown)?;
        let filter = built.filter(FilterForm::Shipped, Progress::Shown)?;
        let buffering_wasm = artifacts::build_buffering_filter(Progress::Shown)?;
        let binary = envoy::obtain(Progress::Shown)?;
        let workdir = Workdir::create()?;
        let upstream = Upstream::start(0).await?;
        let ports = [HeldPort::free()?, HeldPort::free()?, HeldPort::free()?];
        let [port, buffering, admin_port] = ports.map(HeldPort::release);
        let text = fill(
            include_str!("envoy.yaml"),
            &[
                ("ADMIN_PORT", &admin_port.to_string()),
                ("CHAPERONE_PORT", &port.to_string()),
                ("BUFFERING_PORT", &buffering.to_string()),
                ("UPSTREAM_PORT", &upstream.port().to_string()),
                ("CHAPERONE_WASM", &filter.to_string_lossy()),
                ("BUFFERING_WASM", &buffering_wasm.to_string_lossy()),
                ("PLUGIN_CONFIG", &json!(plugin_config()?).to_string()),
            ],
        )?;
        let settings = EnvoySettings {
            binary,
            bootstrap: workdir.write("envoy.yaml", text)?,
            overlay: None,
            log: workdir.path().join("envoy.log"),
            port,
            admin_port,
            concurrency: 1,
        };
        let envoy = Envoy::start(settings, &workdir.leash()).await?;
        Ok(Self {
            chaperone: envoy.address(),
            buffering: SocketAddr::from(([127, 0, 0, 1], buffering)),
            _envoy: envoy,
            _upstream: upstream,
            _workdir: workdir,
        })
    }

    fn run(&self, requests: usize) -> Result<Measured> {
        let request = request();
        let connect = |to: SocketAddr| {
            let stream =
                TcpStream::connect(to).map_err(Failure::io("connect to", to.to_string()))?;
            stream.set_nodelay(true).map_err(Failure::io("set", "nodelay"))?;
            Ok::<_, Failure>(stream)
        };
        let mut chaperone = connect(self.chaperone)?;
        let mut buffering = connect(self.buffering)?;
        let mut measured = Measured { chaperone: Vec::new(), buffering: Vec::new() };
        // The first tenth warms up.
        for round in 0..requests + requests / 10 {
            let with = timed(&mut chaperone, &request)?;
            let without = timed(&mut buffering, &request)?;
            if round >= requests / 10 {
                measured.chaperone.push(with);
                measured.buffering.push(without);
            }
        }
        Ok(measured)
    }
}

fn plugin_config() -> Result<PluginConfig> {
    let key = FactsKey::new("bench", vec![7; 32])
        .map_err(|error| Failure::unexpected("making a key", error))?;
    let mcp = ProtocolPlan::Mcp(McpPlan::default());
    let service = ServicePlan {
        name: "tools".into(),
        hosts: vec!["tools.example".into()],
        routes: vec![RoutePlan::new("/mcp".into(), mcp)],
        paths: Vec::new(),
    };
    Ok(PluginConfig {
        plan: Plan { services: vec![service], limits: Limits::default() },
        facts_keys: vec![key],
        outcomes: OutcomesConfig { cluster: "chaperone".into(), interval_ms: 60_000, batch: 500 },
    })
}

/// A call of a tool, its body 1 KiB long.
fn request() -> Vec<u8> {
    let message = |note: &str| {
        json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "update_customer", "arguments": {
                "id": 4711, "tags": ["new", "priority"], "dry_run": false, "note": note,
            } },
        })
        .to_string()
    };
    let room = 1024 - message("").len();
    let body = message(&"lorem ipsum ".repeat(100)[..room]);
    format!(
        "POST /mcp HTTP/1.1\r\nhost: tools.example\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2025-06-18\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The time from the request's first byte to the answer's last.
fn timed(stream: &mut TcpStream, request: &[u8]) -> Result<Duration> {
    let failed = || Failure::unexpected("measuring", "Envoy gave no whole answer of status 200");
    let mut answer = Vec::with_capacity(4096);
    let mut chunk = [0; 4096];
    let start = Instant::now();
    stream.write_all(request).map_err(Failure::io("write", "a request"))?;
    loop {
        let size = stream.read(&mut chunk).map_err(Failure::io("read", "an answer"))?;
        answer.extend_from_slice(chunk.get(..size).unwrap_or_default());
        if size == 0 {
            return Err(failed());
        }
        if is_whole(&answer) {
            break;
        }
    }
    let took = start.elapsed();
    if answer.starts_with(b"HTTP/1.1 200") { Ok(took) } else { Err(failed()) }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| body.len() >= length)
}
