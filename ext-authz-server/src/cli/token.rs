//! `chaperone token`.

mod exchange;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Done, Failure, block_on, output};
use crate::config::Config;
use crate::identity::{
    Acceptance, Algorithm, Authenticator, AuthenticatorSettings, Credential, Hop, IdentityError,
    IssuerSettings, IssuerUrl, JwkSet, KeySource, MAX_TOKEN_BYTES, Token,
};
use crate::time::{Clock as _, SystemClock, UnixMillis};

/// Looks at tokens, and exchanges them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reads one token on standard input and prints who it proves.
    ///
    /// The issuers are those of the configuration, or the one that the options
    /// describe; its alias is `issuer` then. Exit code 0 when the token is good, 1
    /// when it is refused.
    ///
    /// Example: chaperone token verify --config chaperone.yaml < token.jwt
    Verify(VerifyArguments),
    Exchange(exchange::Arguments),
}

#[derive(Debug, clap::Args)]
struct VerifyArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "CHAPERONE_CONFIG", required_unless_present = "issuer")]
    config: Option<PathBuf>,

    /// The `iss` of the token; the configuration is not read then.
    #[arg(long, value_name = "URL", requires_all = ["audience", "jwks"])]
    issuer: Option<String>,

    /// An `aud` that the token may be for; may be repeated.
    #[arg(long, value_name = "AUD", requires = "issuer")]
    audience: Vec<String>,

    /// The issuer's JWK Set.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    jwks: Option<PathBuf>,

    /// The time to verify at, RFC 3339; by default now.
    #[arg(long, value_name = "RFC3339")]
    at: Option<UnixMillis>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let arguments = match &arguments.command {
        Command::Verify(arguments) => arguments,
        Command::Exchange(arguments) => return exchange::run(arguments),
    };
    let verified = match (&arguments.issuer, &arguments.jwks, &arguments.config) {
        (Some(issuer), Some(jwks), _) => {
            verify(&described(issuer, &arguments.audience, jwks)?, arguments.at)?
        }
        (None, None, Some(path)) => {
            let config = Config::load(path)?;
            let now = SystemClock.now();
            // Without its keys, only the server's own tokens cannot be verified.
            let own = config.exchange.as_ref().and_then(|own| own.read_keys(now).ok());
            tracing::debug!(found = own.is_some(), "our own keys");
            let authenticator = config.authenticator();
            let authenticator = authenticator.map_err(|error| Failure::Usage(error.to_string()))?;
            verify(&authenticator, arguments.at)?
        }
        _ => return Err(Failure::Usage("name --config, or --issuer with its --jwks".into())),
    };
    match verified {
        Ok(credential) => {
            output::json(&proven(&credential))?;
            Ok(Done::Yes)
        }
        Err(error) => {
            let (code, message) = (error.code(), error.to_string());
            output::json(&json!({ "error": { "code": code, "message": message } }))?;
            Ok(Done::No)
        }
    }
}

fn verify(
    authenticator: &Authenticator,
    at: Option<UnixMillis>,
) -> Result<Result<Credential, IdentityError>, Failure> {
    let mut text = Vec::new();
    // One line end more than the longest token is enough to know that it is longer.
    std::io::stdin().lock().take(MAX_TOKEN_BYTES as u64 + 3).read_to_end(&mut text)?;
    block_on(async {
        let token = Token::parse(String::from_utf8_lossy(&text).trim())?;
        authenticator.start().await;
        let now = at.unwrap_or_else(|| SystemClock.now());
        authenticator.verify(&token, &Acceptance::default(), now).await
    })
}

/// An authenticator of the one issuer that the options describe, with the defaults
/// of the configuration and every algorithm.
fn described(issuer: &str, audiences: &[String], jwks: &Path) -> Result<Authenticator, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let text = std::fs::read_to_string(jwks)
        .map_err(|error| usage(&format!("cannot read the key file {}: {error}", jwks.display())))?;
    let keys =
        JwkSet::parse(&text).map_err(|error| usage(&format!("{}: {error}", jwks.display())))?;
    let alias = "issuer".parse().map_err(|error| usage(&error))?;
    let issuer = IssuerUrl::parse(issuer).map_err(|error| usage(&error))?;
    let settings = IssuerSettings {
        audiences: audiences.iter().cloned().collect(),
        algorithms: Algorithm::ALL.into(),
        ..IssuerSettings::new(alias, issuer, KeySource::Document(keys))
    };
    Authenticator::new(AuthenticatorSettings::new(vec![settings])).map_err(|error| usage(&error))
}

fn proven(credential: &Credential) -> Value {
    let hop = |hop: &Hop| {
        json!({
            "principal": hop.principal,
            "assurance": hop.assurance,
            "credential": hop.credential,
            "groups": hop.groups,
            "attributes": hop.attributes,
        })
    };
    let token = &credential.token;
    json!({
        "principal": credential.chain.current().principal,
        "chain": credential.chain.hops().iter().map(hop).collect::<Vec<_>>(),
        "issuer": token.issuer,
        "key": token.key,
        "id": token.id,
        "expires_at": token.expires_at,
        "scopes": token.authority.scopes,
        "transaction": token.transaction,
        "kind": credential.kind,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: super::Arguments,
    }

    fn accepts(arguments: &str) -> bool {
        let arguments = arguments.split(' ').filter(|argument| !argument.is_empty());
        Cli::try_parse_from(["token", "verify"].into_iter().chain(arguments)).is_ok()
    }

    #[test]
    fn issuers_come_from_the_configuration_or_from_the_options() {
        assert!(accepts("--config c.yaml"));
        assert!(accepts("--config c.yaml --at 2026-11-24T09:30:00Z"));
        assert!(accepts("--issuer https://idp.example --audience a --jwks k.json"));
        assert!(!accepts("--issuer https://idp.example --audience a"));
        assert!(!accepts("--issuer https://idp.example --jwks k.json"));
        assert!(!accepts("--config c.yaml --jwks k.json"));
        assert!(!accepts("--config c.yaml --at yesterday"));
    }
}
