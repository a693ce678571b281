//! The runtime of the harness's own servers.
//!
//! `#[tokio::test]` gives each test a runtime that dies with it; what tests share
//! must outlive any one of them, so it runs here.

use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use crate::failure::{Failure, Result};

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("harness")
        .enable_all()
        .build()
        .expect("a runtime can be made")
});

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `router` on `port` of the loopback interface; 0 takes any that is free.
pub async fn serve(router: Router, port: u16) -> Result<Serving> {
    let listening = RUNTIME.spawn(async move {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let server = axum::serve(listener, router).into_future();
        Ok::<_, std::io::Error>((address, RUNTIME.spawn(server).abort_handle()))
    });
    let bound = listening.await.map_err(|error| Failure::unexpected("starting a server", error))?;
    let (address, task) = bound.map_err(|_| Failure::PortTaken { port })?;
    Ok(Serving { address, task })
}
