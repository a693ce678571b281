//! Paths of the API server that are of no resource: what it has, and how it is.

use super::super::Reading;
use super::{named, refuse_tunnel, unexpected_method, unknown, write};
use crate::facts::{Attributes, Command, Unparsed};

/// The command of such a path.
pub(super) fn command(
    request: &Reading<'_>,
    path: &str,
    segments: &[&str],
) -> Result<Command, Unparsed> {
    refuse_tunnel(request)?;
    let action = match segments {
        ["healthz" | "livez" | "readyz", ..] => "k8s:health",
        ["metrics"] | ["metrics", "slis"] => "k8s:metrics",
        ["" | "version" | "api" | "apis"]
        | ["apis", _]
        | ["apis", _, _]
        | ["api", "v1"]
        | ["openapi", "v2"]
        | ["openapi", "v3", ..]
        | [".well-known", "openid-configuration"]
        | ["openid", "v1", "jwks"] => "k8s:discover",
        _ => return Err(unknown("the path is none of the Kubernetes API that is known")),
    };
    let verb = match request.head.method {
        "GET" => "get",
        "HEAD" => "head",
        _ => return Err(unexpected_method()),
    };
    let mut attributes = Attributes::new();
    for name in ["group", "version", "namespace", "resource", "name", "subresource"] {
        write(&mut attributes, name, "");
    }
    for name in ["namespaced", "rbac", "secret"] {
        write(&mut attributes, name, false);
    }
    write(&mut attributes, "verb", verb);
    write(&mut attributes, "path", path);
    Ok(Command { action: named(action)?, resource: path.to_owned(), attributes })
}
