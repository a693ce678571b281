//! Which API server is asked who a token is.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Certificate;

use super::file;
use crate::identity::{GroupClaim, InCluster, JwksUrl, KeySource, Preset, TokenReviewSettings};

/// The API server that `written` names; for the Kubernetes preset, that of the cluster
/// that the server runs in unless it names one. `audiences` are those of the issuer.
pub(super) fn source(
    written: &file::TokenReview,
    preset: Option<Preset>,
    audiences: &BTreeSet<String>,
    folder: &Path,
) -> Result<KeySource, String> {
    let cluster = preset.and_then(Preset::cluster).filter(|_| written.url.is_none());
    let url = written.url.as_deref().or(cluster.map(|InCluster { url, .. }| url));
    let url = url.ok_or("token_review.url is missing; it is the base URL of the API server")?;
    let url = JwksUrl::parse(url).map_err(|error| format!("token_review.url: {error}"))?;
    let ca_file = written.ca_file.as_deref().or(cluster.map(|cluster| Path::new(cluster.ca_file)));
    let token_file =
        written.token_file.as_deref().or(cluster.map(|cluster| Path::new(cluster.token_file)));
    Ok(KeySource::Review(TokenReviewSettings {
        url,
        authorities: ca_file.map(|file| authorities(&folder.join(file))).transpose()?,
        token_file: token_file.map(|file| folder.join(file)),
        audiences: written.audiences.as_ref().unwrap_or(audiences).clone(),
        cache: written.cache.0,
    }))
}

/// The groups that an API server names.
pub(super) fn groups() -> Vec<GroupClaim> {
    GroupClaim::parse("groups", None).into_iter().collect()
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, String> {
    let told = |problem: String| format!("token_review.ca_file: {}: {problem}", file.display());
    let pem = std::fs::read(file).map_err(|error| told(error.to_string()))?;
    let authorities =
        Certificate::from_pem_bundle(&pem).map_err(|error| told(error.to_string()))?;
    if authorities.is_empty() {
        return Err(told("it has no certificate in PEM".to_owned()));
    }
    Ok(authorities)
}
