//! `chaperone token exchange`: one step of a chain, for a shell script and for a
//! container's start.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cli::{Done, Failure, block_on, output};
use crate::exchange::TOKEN_PATH;
use crate::identity::{MAX_TOKEN_BYTES, Token};

/// Where a Kubernetes volume puts a workload's own token, as the documentation mounts
/// it.
const PROJECTED: &str = "/var/run/secrets/chaperone/token";

/// How soon it is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Exchanges a parent's token and this workload's own one for the next of the chain.
///
/// Prints the token and nothing else. The parent's token is what this step was given:
/// in a file, or in the environment variable CHAPERONE_TOKEN. The actor's token is this
/// workload's own: in a file, in CHAPERONE_ACTOR_TOKEN, or where Kubernetes projects it
/// (/var/run/secrets/chaperone/token). While the server cannot be reached or answers
/// 503, it is asked again. Exit code 0 when there is a token, 1 when the exchange is
/// refused, 2 when it could not be asked for.
///
/// Example: CHAPERONE_TOKEN=$(chaperone token exchange --server https://chaperone.example
/// --actor-token-file me.jwt --audience customers)
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The server's public URL.
    #[arg(long, value_name = "URL", env = "CHAPERONE_SERVER")]
    server: Url,

    /// The parent's token; `-` reads standard input.
    #[arg(long, value_name = "FILE", env = "CHAPERONE_SUBJECT_TOKEN_FILE")]
    subject_token_file: Option<PathBuf>,

    /// The environment variable that holds the parent's token, rather than
    /// CHAPERONE_TOKEN.
    #[arg(long, value_name = "NAME")]
    subject_token_env: Option<String>,

    /// This workload's own token.
    #[arg(long, value_name = "FILE", env = "CHAPERONE_ACTOR_TOKEN_FILE")]
    actor_token_file: Option<PathBuf>,

    /// The environment variable that holds this workload's own token, rather than
    /// CHAPERONE_ACTOR_TOKEN.
    #[arg(long, value_name = "NAME")]
    actor_token_env: Option<String>,

    /// Whom the new token is for; may be left out when only one is possible.
    #[arg(long, value_name = "AUD", env = "CHAPERONE_AUDIENCE")]
    audience: Option<String>,

    /// The scopes of the new token, separated by spaces; the parent's when left out.
    #[arg(long, value_name = "SCOPES", env = "CHAPERONE_SCOPE")]
    scope: Option<String>,

    /// How many seconds the new token is to live.
    #[arg(long, value_name = "SECONDS", env = "CHAPERONE_LIFETIME")]
    lifetime: Option<u64>,

    /// Where the token goes: a file, which only its owner may read, or `-`.
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// Gives the server's whole answer as JSON.
    #[arg(long)]
    json: bool,

    /// For how many seconds the server is asked again.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "CHAPERONE_TIMEOUT")]
    timeout: u64,

    /// Certificates (PEM) to trust besides those of the system.
    #[arg(long, value_name = "FILE", env = "CHAPERONE_CA_FILE")]
    ca_file: Option<PathBuf>,

    /// Lets the tokens travel over plain http to another machine, for a mesh that
    /// encrypts underneath.
    #[arg(long)]
    plain_http: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let endpoint = arguments.endpoint()?;
    let subject = arguments.subject()?;
    let actor = arguments.actor()?;
    let form = arguments.form(&subject, &actor);
    let client = arguments.client(&endpoint)?;
    let within = Duration::from_secs(arguments.timeout);
    let answer = block_on(ask(&client, &endpoint, &form, within))??;
    match answer {
        Answer::Granted(body) => arguments.give(&body),
        Answer::Refused(told) => {
            // A server that repeats what it was sent must not put it into a log.
            let told = [&subject, &actor]
                .iter()
                .fold(told, |told, token| told.replace(token.as_str(), "[token]"));
            Err(Failure::Refused(format!("the exchange is refused: {told}")))
        }
    }
}

impl Arguments {
    fn endpoint(&self) -> Result<Url, Failure> {
        let usage = |told: &str| Failure::Usage(format!("--server: {told}"));
        let host = self.server.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        match self.server.scheme() {
            "https" => {}
            "http" if here || self.plain_http => {}
            "http" => {
                return Err(usage(
                    "tokens travel by https; --plain-http says that a mesh encrypts",
                ));
            }
            _ => return Err(usage("an http or https URL")),
        }
        let base = self.server.as_str().trim_end_matches('/');
        format!("{base}{TOKEN_PATH}").parse().map_err(|_| usage("a URL without a query"))
    }

    fn subject(&self) -> Result<Zeroizing<String>, Failure> {
        let variable = self.subject_token_env.as_deref();
        match (variable, &self.subject_token_file) {
            (None, Some(file)) => from_file(file),
            (variable, _) => from_env(variable.unwrap_or("CHAPERONE_TOKEN"))?.ok_or_else(|| {
                Failure::Usage(
                    "there is no parent's token: set CHAPERONE_TOKEN or give --subject-token-file"
                        .to_owned(),
                )
            }),
        }
    }

    fn actor(&self) -> Result<Zeroizing<String>, Failure> {
        let variable = self.actor_token_env.as_deref();
        if let (None, Some(file)) = (variable, &self.actor_token_file) {
            return from_file(file);
        }
        match from_env(variable.unwrap_or("CHAPERONE_ACTOR_TOKEN"))? {
            Some(token) => Ok(token),
            None if variable.is_none() && Path::new(PROJECTED).exists() => {
                from_file(Path::new(PROJECTED))
            }
            None => Err(Failure::Usage(format!(
                "there is no token of this workload: set CHAPERONE_ACTOR_TOKEN, give \
                 --actor-token-file, or have it projected to {PROJECTED}"
            ))),
        }
    }

    fn form(&self, subject: &str, actor: &str) -> Zeroizing<String> {
        const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("subject_token", subject)
            .append_pair("subject_token_type", JWT)
            .append_pair("actor_token", actor)
            .append_pair("actor_token_type", JWT);
        let lifetime = self.lifetime.map(|seconds| seconds.to_string());
        for (name, value) in [
            ("audience", self.audience.as_ref()),
            ("scope", self.scope.as_ref()),
            ("requested_lifetime", lifetime.as_ref()),
        ] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        Zeroizing::new(form.finish())
    }

    fn client(&self, endpoint: &Url) -> Result<Client, Failure> {
        let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
        let mut client = Client::builder()
            .timeout(Duration::from_secs(10))
            // Tokens go to the server that was named, and to no other.
            .redirect(Policy::none())
            .referer(false)
            .user_agent(concat!("chaperone/", env!("CARGO_PKG_VERSION")));
        if endpoint.scheme() == "http" {
            // Without https there is nobody to verify, and nobody to go through.
            client = client.tls_certs_only([]).no_proxy();
        } else if let Some(path) = &self.ca_file {
            let pem = std::fs::read(path)
                .map_err(|error| usage(&format!("cannot read {}: {error}", path.display())))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|error| usage(&format!("{}: {error}", path.display())))?;
            client = client.tls_certs_merge(certificates);
        }
        client.build().map_err(|error| usage(&error))
    }

    /// Prints or keeps the token.
    fn give(&self, body: &Value) -> Result<Done, Failure> {
        let Some(token) = body["access_token"].as_str() else {
            return Err(Failure::Usage("the server's answer has no token in it".to_owned()));
        };
        if self.output == Path::new("-") {
            if self.json {
                output::json(body)?;
            } else {
                output::line(token)?;
            }
            return Ok(Done::Yes);
        }
        let text = if self.json { body.to_string() } else { token.to_owned() };
        write_for_owner(&self.output, &Zeroizing::new(text)).map_err(|error| {
            Failure::Usage(format!("cannot write {}: {error}", self.output.display()))
        })?;
        Ok(Done::Yes)
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    // A little more than the longest token is enough to know that it is longer.
    let limit = MAX_TOKEN_BYTES as u64 + 3;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::Usage(format!("cannot read the token in {}: {error}", path.display()))
    })?;
    checked(&text, &path.display().to_string())
}

fn from_env(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match std::env::var(name) {
        Ok(text) if !text.trim().is_empty() => checked(&Zeroizing::new(text), name).map(Some),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::Usage(format!("the environment variable {name} holds no token")))
        }
    }
}

/// The token that `text`, which was in `place`, is.
fn checked(text: &str, place: &str) -> Result<Zeroizing<String>, Failure> {
    let text = text.trim();
    Token::parse(text)
        .map_err(|error| Failure::Usage(format!("what is in {place} is no token: {error}")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// What the server says.
enum Answer {
    Granted(Value),
    Refused(String),
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Asks, and again while the server is not there or cannot decide.
async fn ask(
    client: &Client,
    endpoint: &Url,
    form: &str,
    within: Duration,
) -> Result<Answer, Failure> {
    let deadline = Instant::now() + within;
    let (mut pause, longest) = RETRY;
    loop {
        let (told, wait) = match once(client, endpoint, form).await {
            Ok(answer) => return Ok(answer),
            Err(Once::Again { told, after }) => (told, after.unwrap_or(pause).min(longest)),
            Err(Once::Never(told)) => return Err(Failure::Usage(told)),
        };
        if Instant::now() + wait >= deadline {
            let seconds = within.as_secs();
            return Err(Failure::Usage(format!("no answer within {seconds} s: {told}")));
        }
        tokio::time::sleep(wait).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// Why there is no answer.
enum Once {
    /// It is worth asking again, perhaps after a while that the server names.
    Again { told: String, after: Option<Duration> },
    /// It is not.
    Never(String),
}

async fn once(client: &Client, endpoint: &Url, form: &str) -> Result<Answer, Once> {
    let request = client
        .post(endpoint.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.to_owned());
    let again = |told: &str| Once::Again { told: told.to_owned(), after: None };
    let mut response = request.send().await.map_err(|error| {
        again(if error.is_connect() { "no connection" } else { "the connection broke" })
    })?;
    let status = response.status().as_u16();
    if matches!(status, 429 | 502..=504) {
        let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
        let after = after.and_then(|after| after.parse().ok()).map(Duration::from_secs);
        return Err(Once::Again { told: format!("the server answers {status}"), after });
    }
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|_| again("the connection broke"))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Once::Never("the server's answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    if status == 200 {
        let parsed = serde_json::from_slice(&body);
        return parsed
            .map(Answer::Granted)
            .map_err(|_| Once::Never("the server's answer is not JSON".to_owned()));
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(Refusal { error, error_description }) => {
            let told = format!("{error}: {error_description}");
            Ok(Answer::Refused(told.chars().filter(|c| !c.is_control()).take(500).collect()))
        }
        Err(_) => Err(Once::Never(format!(
            "the server answers {status}, which is no answer of a token endpoint"
        ))),
    }
}

/// Writes a file that only its owner may read, as a whole or not at all.
fn write_for_owner(path: &Path, text: &str) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        // What is half written is nobody's token.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn endpoint(arguments: &[&str]) -> Result<String, String> {
        let cli = Cli::try_parse_from(["exchange", "--server"].iter().chain(arguments)).unwrap();
        match cli.arguments.endpoint() {
            Ok(url) => Ok(url.to_string()),
            Err(Failure::Usage(told)) => Err(told),
            Err(Failure::Refused(told)) => panic!("not a usage error: {told}"),
            Err(Failure::ReaderGone) => panic!("nothing is printed"),
        }
    }

    #[test]
    fn tokens_travel_encrypted_or_not_at_all() {
        assert_eq!(endpoint(&["https://c.example/"]).unwrap(), "https://c.example/oauth/token");
        assert_eq!(endpoint(&["https://c.example/x"]).unwrap(), "https://c.example/x/oauth/token");
        assert!(endpoint(&["http://127.0.0.1:8080"]).is_ok());
        assert!(endpoint(&["http://[::1]:8080"]).is_ok());
        assert!(endpoint(&["http://c.example"]).unwrap_err().contains("--plain-http"));
        assert!(endpoint(&["http://c.example", "--plain-http"]).is_ok());
        assert!(endpoint(&["ftp://c.example"]).is_err());
    }
}
