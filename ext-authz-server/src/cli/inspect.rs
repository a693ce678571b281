//! `chaperone inspect`.

use std::io::Read as _;
use std::path::PathBuf;

use chaperone_inspection::Inspector;
use chaperone_inspection::plan::{Limits, Plan, ProtocolPlan, RoutePlan, ServicePlan, SqlCarrier};
use chaperone_inspection::protocol::RequestHead;

use super::{Done, Failure, output};
use crate::config::Config;

/// Reads a request, its body on standard input, and prints what it would do.
///
/// How to read it is told by --as, written as `inspect` of a route, or by the route that
/// the request has in a configuration. The facts are those that the filter would make.
/// Exit code 0 when the request could be read, 1 when it could not.
///
/// Example: echo 'DELETE FROM users' | chaperone inspect --as 'sql: {dialect: mysql}'
///
/// Example: chaperone inspect --config chaperone.yaml --host crm.example --path /mcp
/// < message.json
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How to read it: `mcp`, `'sql: {dialect: mysql}'`, ….
    #[arg(long = "as", value_name = "INSPECT", value_parser = written)]
    inspect: Option<ProtocolPlan>,

    /// The configuration whose route of the request says how to read it.
    #[arg(long, value_name = "FILE", env = "CHAPERONE_CONFIG")]
    config: Option<PathBuf>,

    /// The request method.
    #[arg(long, default_value = "POST")]
    method: String,

    /// The host.
    #[arg(long, default_value = "localhost")]
    host: String,

    /// The path, with its query.
    #[arg(long, default_value = "/")]
    path: String,

    /// A header, as NAME: VALUE; may be repeated. Without a content type, that of the
    /// protocol is taken.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let inspector = match (&arguments.inspect, &arguments.config) {
        (Some(inspect), _) => inspector(as_everything(inspect.clone()))?,
        (None, Some(file)) => inspector(Config::load(file)?.plugin_config().plan)?,
        (None, None) => {
            return Err(Failure::Usage("say how to read it, by --as or by --config".to_owned()));
        }
    };
    let mut headers: Vec<_> =
        arguments.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let has_type = headers.iter().any(|(name, _)| *name == "content-type");
    if let (Some(inspect), false) = (&arguments.inspect, has_type) {
        headers.extend(usual_type(inspect).map(|value| ("content-type", value)));
    }
    let Arguments { method, host, path, .. } = arguments;
    let head = RequestHead { method, authority: host, path, headers: &headers };
    let route = inspector
        .route(&head)
        .ok_or_else(|| Failure::Usage(format!("no service is configured for host `{host}`")))?;
    let route = match route {
        Ok(route) => route,
        Err(unparsed) => {
            let code = unparsed.code.name();
            return Err(Failure::Refused(format!("{code}: {}", unparsed.detail)));
        }
    };
    // One byte over the limit is enough to know that it is over.
    let most = route.limits.body_bytes as u64 + 1;
    let mut body = Vec::new();
    std::io::stdin().lock().take(most).read_to_end(&mut body)?;
    let facts = inspector.inspect(route, &head, &body);
    output::json(&facts)?;
    Ok(if facts.unparsed.is_none() { Done::Yes } else { Done::No })
}

fn inspector(plan: Plan) -> Result<Inspector, Failure> {
    Inspector::new(plan).map_err(|error| Failure::Usage(error.to_string()))
}

/// A plan that reads everything in one way.
fn as_everything(inspect: ProtocolPlan) -> Plan {
    let service = ServicePlan {
        name: "request".to_owned(),
        hosts: vec!["*".to_owned()],
        routes: vec![RoutePlan::new("/".to_owned(), inspect)],
        paths: Vec::new(),
    };
    Plan { services: vec![service], limits: Limits::default() }
}

/// The content type that requests of a protocol usually have.
fn usual_type(inspect: &ProtocolPlan) -> Option<&'static str> {
    match inspect {
        ProtocolPlan::Http | ProtocolPlan::Multipart(_) => None,
        ProtocolPlan::Form(_) => Some("application/x-www-form-urlencoded"),
        ProtocolPlan::Grpc(_) => Some("application/grpc"),
        ProtocolPlan::Sql(plan) => match plan.statement {
            SqlCarrier::Body | SqlCarrier::Clickhouse | SqlCarrier::Trino => {
                Some("application/sql")
            }
            SqlCarrier::FormField(_) => Some("application/x-www-form-urlencoded"),
            _ => Some("application/json"),
        },
        _ => Some("application/json"),
    }
}

fn written(text: &str) -> Result<ProtocolPlan, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}
