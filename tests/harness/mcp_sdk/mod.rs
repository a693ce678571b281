//! The official MCP SDK (npm's `@modelcontextprotocol/sdk`) on both sides: a server, and
//! a client as agents have it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::artifacts::Progress;
use crate::failure::{Failure, Result};
use crate::npm::Packages;
use crate::ports::HeldPort;
use crate::process::Process;
use crate::workdir::Workdir;

const PACKAGES: Packages = Packages {
    what: "the MCP SDK",
    folder: "mcp-sdk",
    package: include_str!("package.json"),
    lock: include_str!("package-lock.json"),
};

/// How long the server may take to get ready.
const START: Duration = Duration::from_secs(30);

/// Both programs.
#[derive(Clone, Debug)]
pub struct Programs {
    server: PathBuf,
    client: PathBuf,
}

/// Installs them, where they are not installed.
pub fn obtain(progress: Progress) -> Result<Programs> {
    Ok(Programs {
        server: PACKAGES.program("server.mjs", include_str!("server.mjs"), progress)?,
        client: PACKAGES.program("client.mjs", include_str!("client.mjs"), progress)?,
    })
}

/// A running MCP server.
#[derive(Debug)]
pub struct McpServer {
    port: u16,
    _process: Process,
}

impl McpServer {
    /// Starts it and waits until it answers.
    pub async fn start(programs: &Programs, workdir: &Workdir) -> Result<Self> {
        let port = HeldPort::free()?.release();
        let mut command = Command::new("node");
        command.arg(&programs.server).arg(port.to_string());
        let log = workdir.path().join("mcp-server.log");
        let mut process = Process::start("the MCP server", command, &log, &workdir.leash())?;
        process.ready(&format!("http://127.0.0.1:{port}/healthz"), START).await?;
        Ok(Self { port, _process: process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

/// What a client of the SDK sees at `url`: its tools, and the result of each of `calls`,
/// a list of `{name, arguments}`.
pub async fn client(programs: &Programs, url: &str, token: &str, calls: &Value) -> Result<Value> {
    let mut command = Command::new("node");
    command.arg(&programs.client).arg(url).arg(calls.to_string()).env("TOKEN", token);
    command.stdin(Stdio::null());
    let failed = |error: &dyn std::fmt::Display| Failure::unexpected("the MCP client", error);
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| failed(&String::from_utf8_lossy(&output.stderr)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn client_and_server_of_the_sdk_understand_each_other() {
        let workdir = Workdir::create().unwrap();
        let programs = obtain(Progress::Quiet).unwrap();
        let server = McpServer::start(&programs, &workdir).await.unwrap();
        let url = format!("http://{}/mcp", server.address());
        let calls = json!([{ "name": "echo", "arguments": { "text": "hello" } },
                           { "name": "slow_count", "arguments": { "to": 3 } }]);
        let told = client(&programs, &url, "none", &calls).await.unwrap();
        assert_eq!(told["tools"], json!(["echo", "delete_customer", "slow_count"]), "{told}");
        let results = json!([{ "text": "hello" }, { "text": "counted to 3" }]);
        assert_eq!(told["results"], results, "{told}");
        assert_eq!(told["progress"], 3);
    }

    #[test]
    fn every_locked_package_is_free_and_its_bytes_are_known() {
        PACKAGES.check("node_modules/@modelcontextprotocol/sdk", &[]);
    }
}
