//! Facts keys, from files and the environment.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaperone_inspection::seal::FactsKey;
use serde_saphyr::Spanned;
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::file;

/// Reads every key; the first one seals.
pub(super) fn facts_keys(
    written: &[Spanned<file::FactsKey>],
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Vec<FactsKey> {
    if written.is_empty() {
        errors.push(ConfigError::general(
            "keys.facts is empty; the filter and the server need a key to share",
        ));
    }
    let mut keys: Vec<FactsKey> = Vec::new();
    for key in written {
        match facts_key(&key.value, folder) {
            Ok(read) if keys.iter().any(|other| other.id() == read.id()) => {
                errors.push(ConfigError::at(
                    key,
                    format!("facts key `{}` is there twice", read.id()),
                ));
            }
            Ok(read) => keys.push(read),
            Err(message) => errors.push(ConfigError::at(key, message)),
        }
    }
    keys
}

fn facts_key(written: &file::FactsKey, folder: &Path) -> Result<FactsKey, String> {
    let (text, source) = match (&written.file, &written.env) {
        (Some(path), None) => {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read the key file {}: {error}", path.display()))?;
            (Zeroizing::new(text), path.display().to_string())
        }
        (None, Some(name)) => {
            let text = std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set"))?;
            (Zeroizing::new(text), format!("the environment variable {name}"))
        }
        _ => return Err(format!("facts key `{}` needs either `file` or `env`", written.id)),
    };
    let make = "make one with: openssl rand -base64 32";
    let secret = STANDARD
        .decode(text.trim())
        .map_err(|_| format!("the key in {source} is not base64; {make}"))?;
    FactsKey::new(written.id.clone(), secret)
        .map_err(|error| format!("facts key `{}`: {error}; {make}", written.id))
}
