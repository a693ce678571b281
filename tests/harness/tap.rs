//! A tap on the line between Envoy and the upstream: every byte that Envoy sends.
//!
//! The upstream's own record holds whole requests only; a header that left too early
//! would not be in it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::failure::{Failure, Result};
use crate::runtime::RUNTIME;

/// A tap, as long as it is not dropped.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    sent: Sent,
    task: AbortHandle,
}

type Sent = Arc<Mutex<Vec<u8>>>;

impl Tap {
    /// Passes on whatever connects to it to `upstream`, and its answers back.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Failure::unexpected("starting a tap", error);
        let sent = Sent::default();
        let kept = Arc::clone(&sent);
        let listening = RUNTIME.spawn(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let address = listener.local_addr()?;
            let accepting = RUNTIME.spawn(accept(listener, upstream, kept));
            Ok::<_, std::io::Error>((address, accepting.abort_handle()))
        });
        let bound = listening.await.map_err(|error| failed(&error))?;
        let (address, task) = bound.map_err(|error| failed(&error))?;
        Ok(Self { address, sent, task })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether any byte string that Envoy sent holds `text`.
    ///
    /// # Panics
    ///
    /// When a connection's task has panicked.
    pub fn saw(&self, text: &str) -> bool {
        let sent = self.sent.lock().expect("no holder panics");
        sent.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, sent: Sent) {
    while let Ok((envoy, _)) = listener.accept().await {
        RUNTIME.spawn(pass(envoy, upstream, Arc::clone(&sent)));
    }
}

async fn pass(envoy: TcpStream, upstream: SocketAddr, sent: Sent) {
    let Ok(upstream) = TcpStream::connect(upstream).await else { return };
    let (from_envoy, mut to_envoy) = envoy.into_split();
    let (mut from_upstream, to_upstream) = upstream.into_split();
    let requests = keep(from_envoy, to_upstream, sent);
    let answers = async move {
        let _ = copy(&mut from_upstream, &mut to_envoy).await;
        let _ = to_envoy.shutdown().await;
    };
    // Either side may end first: a half-closed connection goes on the other way.
    tokio::join!(requests, answers);
}

/// Keeps what comes before it is passed on.
async fn keep(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, sent: Sent) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(size @ 1..) = from.read(&mut chunk).await {
        let Some(bytes) = chunk.get(..size) else { break };
        sent.lock().expect("no holder panics").extend_from_slice(bytes);
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
