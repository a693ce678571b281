//! A second server on the same store, with an Envoy of its own: what scaling out
//! looks like.

use reqwest::Method;

use crate::envoy::Envoy;
use crate::failure::Result;
use crate::mesh::Mesh;
use crate::ports::HeldPort;
use crate::request::Request;
use crate::server::Server;

/// A second server and a second Envoy, which asks it.
#[derive(Debug)]
pub struct Replica {
    // Envoy is dropped before what it asks.
    /// Envoy, with the same filter.
    pub envoy: Envoy,
    /// The server, with the store and the policies of the first one.
    pub server: Server,
}

impl Replica {
    /// Starts both beside `mesh`.
    pub async fn start(mesh: &Mesh) -> Result<Self> {
        let (grpc, http) = (HeldPort::free()?, HeldPort::free()?);
        let (listener, admin) = (HeldPort::free()?, HeldPort::free()?);
        let server = mesh.server.replica(grpc.release(), http.release()).await?;
        let ports = [(mesh.server.grpc_port(), server.grpc_port())];
        let envoy = mesh.envoy.replica(listener.release(), admin.release(), &ports).await?;
        Ok(Self { envoy, server })
    }

    /// A GET through its Envoy.
    pub fn get(&self, path: &str) -> Request {
        Request::new(self.envoy.address(), Method::GET, path)
    }
}
