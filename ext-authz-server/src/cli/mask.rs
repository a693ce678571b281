//! `chaperone mask`.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use chaperone_inspection::Masker;
use chaperone_inspection::mask::CompiledProfile;
use chaperone_inspection::mask::profile::Profile;

use super::{Done, Failure};
use crate::config::Config;

/// Masks a response body.
///
/// Reads the body on standard input, writes the masked body to standard output and
/// what was masked how often, as JSON, to standard error.
///
/// Example: chaperone mask --profile pii,secrets < customers.json
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The profiles: `pii`, `secrets`, `all`, or those of the configuration.
    #[arg(long = "profile", value_name = "NAME", value_delimiter = ',', required = true)]
    profiles: Vec<String>,

    /// The response's content type.
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,

    /// Masks in chunks of this many bytes, as a stream does; the result is the same.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024, value_parser = clap::value_parser!(u32).range(1..))]
    chunk: u32,

    /// The configuration file that other profiles are in.
    #[arg(long, value_name = "FILE", env = "CHAPERONE_CONFIG")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let profile = Arc::new(profile(arguments)?);
    let unmaskable = |error: chaperone_inspection::mask::Unmaskable| {
        Failure::Refused(format!("the body cannot be masked: {error}"))
    };
    let mut masker =
        Masker::new(profile, Some(&arguments.content_type), None).map_err(unmaskable)?;
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut chunk = vec![0; arguments.chunk as usize];
    let mut masked = Vec::new();
    loop {
        let read = input.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        masker.push(&chunk[..read], &mut masked).map_err(unmaskable)?;
        output.write_all(&masked)?;
        masked.clear();
    }
    masker.finish(&mut masked).map_err(unmaskable)?;
    output.write_all(&masked)?;
    output.flush()?;
    eprintln!("{}", serde_json::json!(masker.counts()));
    Ok(Done::Yes)
}

fn profile(arguments: &Arguments) -> Result<CompiledProfile, Failure> {
    let config = arguments.config.as_deref().map(Config::load).transpose()?;
    let mut union = Profile::default();
    for name in &arguments.profiles {
        let configured = config.as_ref().and_then(|config| config.profile(name));
        let profile = configured.or_else(|| Profile::built_in(name)).ok_or_else(|| {
            Failure::Usage(format!(
                "there is no masking profile `{name}`; built in are pii, secrets and all, \
                 others come from --config"
            ))
        })?;
        union.extend(&profile);
    }
    CompiledProfile::new(&union).map_err(|error| Failure::Usage(error.to_string()))
}
