//! What the query says of how a request is done: selectors, a trial run, an apply.

use super::super::Reading;
use super::query::Query;
use super::request_info::RequestInfo;
use super::{malformed, write};
use crate::facts::{Attributes, Unparsed};

/// The options of a deletion that may be in the query or in the body, not in both: the
/// API server reads the query only where there is no body.
const DELETION: [&str; 5] = [
    "dryRun",
    "gracePeriodSeconds",
    "propagationPolicy",
    "orphanDependents",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
];

/// Writes the options.
pub(super) fn describe(
    info: &RequestInfo,
    request: &Reading<'_>,
    query: &Query,
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    if info.is_collection() {
        for (name, parameter) in
            [("field_selector", "fieldSelector"), ("label_selector", "labelSelector")]
        {
            let selector = query.once(parameter)?.filter(|selector| !selector.is_empty());
            if let Some(selector) = selector {
                write(attributes, name, selector);
            }
        }
    }
    if !info.changes() {
        return Ok(());
    }
    write(attributes, "dry_run", dry_run(&query.all("dryRun")?)?);
    if matches!(info.verb, "delete" | "deletecollection") {
        return deletion(request, query, attributes);
    }
    if let Some(manager) = query.once("fieldManager")?.filter(|manager| !manager.is_empty()) {
        write(attributes, "field_manager", manager);
    }
    if info.verb == "patch" {
        write(attributes, "force", query.flag("force")?);
    }
    Ok(())
}

/// Whether nothing is to be kept: `All` is the one value that there is.
pub(super) fn dry_run(values: &[&str]) -> Result<bool, Unparsed> {
    if values.iter().any(|value| *value != "All") {
        return Err(malformed("`dryRun` is not `All`"));
    }
    Ok(!values.is_empty())
}

fn deletion(
    request: &Reading<'_>,
    query: &Query,
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    let mut said = false;
    for name in DELETION {
        said |= !query.all(name)?.is_empty();
    }
    if said && !request.body.is_empty() {
        return Err(malformed("the options of the deletion are in the query and in the body"));
    }
    if let Some(policy) = query.once("propagationPolicy")? {
        write(attributes, "propagation_policy", policy);
    }
    if let Some(seconds) = query.once("gracePeriodSeconds")? {
        let seconds = seconds.parse::<i64>();
        let seconds = seconds.map_err(|_| malformed("`gracePeriodSeconds` is not a number"))?;
        write(attributes, "grace_period_seconds", seconds);
    }
    Ok(())
}
