//! Whether a query leaves any document out.

use serde_json::Value;

/// Queries with a condition of their own on a field or an id.
const CONDITIONS: &[&str] = &[
    "fuzzy",
    "geo_bounding_box",
    "geo_distance",
    "geo_polygon",
    "geo_shape",
    "ids",
    "intervals",
    "match",
    "match_bool_prefix",
    "match_none",
    "match_phrase",
    "match_phrase_prefix",
    "multi_match",
    "shape",
    "term",
    "terms",
];

/// Whether `query` is seen to leave documents out. One that is always true in a less
/// plain way, such as a range over everything there is, may still seem to.
pub(super) fn restricts(query: &Value) -> bool {
    let Some((name, body)) = query.as_object().and_then(|query| query.iter().next()) else {
        return false;
    };
    let some = |key: &str| body.get(key).is_some_and(any_restricts);
    match name.as_str() {
        "bool" => {
            let optional = body.get("minimum_should_match").is_some();
            let alone = ["must", "filter"].iter().all(|key| body.get(*key).is_none());
            let should = alone && !optional && body.get("should").is_some_and(all_restrict);
            some("must") || some("filter") || should || body.get("must_not").is_some_and(leaves_out)
        }
        "constant_score" => some("filter"),
        "nested" | "has_child" | "has_parent" | "function_score" | "script_score" => some("query"),
        "dis_max" => body.get("queries").is_some_and(all_restrict),
        "boosting" => some("positive"),
        "range" => fields(body, |bounds| {
            let bound = |key: &&str| bounds.get(*key).is_some_and(|bound| !bound.is_null());
            ["gt", "gte", "lt", "lte", "from", "to"].iter().any(bound)
        }),
        "prefix" | "wildcard" => fields(body, |value| {
            let value = value.get("value").or_else(|| value.get("wildcard")).unwrap_or(value);
            value.as_str().is_some_and(|text| text.chars().any(|c| !matches!(c, '*' | '?')))
        }),
        "query_string" | "simple_query_string" => {
            body.get("query").and_then(Value::as_str).is_some_and(text_restricts)
        }
        name if name.contains("match") && name != "match_none" => {
            // A text of stop words alone matches everything then.
            CONDITIONS.contains(&name)
                && body.get("zero_terms_query").is_none()
                && !fields(body, |field| field.get("zero_terms_query").is_some())
        }
        name => CONDITIONS.contains(&name),
    }
}

/// Whether a query in Lucene's syntax is plain words: an operator or an asterisk can make
/// it match everything.
pub(super) fn text_restricts(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.' | '"' | ' ');
    let words = ["OR", "NOT", "_exists_"];
    !text.trim().is_empty()
        && text.chars().all(plain)
        && !text.contains(" -")
        && !text.starts_with('-')
        && !words.iter().any(|word| text.contains(word))
}

fn any_restricts(queries: &Value) -> bool {
    match queries {
        Value::Array(queries) => queries.iter().any(restricts),
        query => restricts(query),
    }
}

fn all_restrict(queries: &Value) -> bool {
    match queries {
        Value::Array(queries) => !queries.is_empty() && queries.iter().all(restricts),
        query => restricts(query),
    }
}

/// Whether what must not be is more than nothing.
fn leaves_out(queries: &Value) -> bool {
    let nothing = |query: &Value| query.get("match_none").is_some();
    match queries {
        // `must_not: exists` and the like depend on the document, a term may be on none.
        Value::Array(queries) => queries.iter().any(|query| !nothing(query) && all_of(query)),
        query => !nothing(query) && all_of(query),
    }
}

fn all_of(query: &Value) -> bool {
    query.get("match_all").is_some() || query.get("exists").is_some()
}

fn fields(body: &Value, restricted: impl Fn(&Value) -> bool) -> bool {
    body.as_object().is_some_and(|fields| fields.values().any(restricted))
}
