//! Functions that reach out of the database, run text as SQL, hold it up, or change how
//! it runs: a SELECT that calls one is not the read that it looks like.

use std::collections::BTreeSet;

use crate::plan::{DangerousFunctions, SqlDialect};

/// Those of `called` that are dangerous in `dialect`, by the list that is built in and
/// what `configured` changes of it. An asterisk at the end of a name stands for any
/// characters.
pub(super) fn of(
    called: &BTreeSet<String>,
    dialect: SqlDialect,
    configured: &DangerousFunctions,
) -> BTreeSet<String> {
    let listed = |name: &str| {
        name == "execute_immediate"
            || lists(dialect).iter().any(|list| is_one(name, list.split_ascii_whitespace()))
            || is_one(name, configured.add.iter().map(String::as_str))
    };
    called
        .iter()
        .filter(|name| listed(name) && !is_one(name, configured.remove.iter().map(String::as_str)))
        .cloned()
        .collect()
}

/// Whether one of `patterns` is `name`, or what of it follows the last dot.
fn is_one<'p>(name: &str, mut patterns: impl Iterator<Item = &'p str>) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    patterns.any(|pattern| fits(pattern, name) || fits(pattern, last))
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

fn lists(dialect: SqlDialect) -> &'static [&'static str] {
    match dialect {
        // Whatever the database is, it may be any of them.
        SqlDialect::Generic => &[
            POSTGRESQL, MYSQL, SQLITE, CLICKHOUSE, SNOWFLAKE, BIGQUERY, TRINO, DATABRICKS,
            SQL_SERVER,
        ],
        SqlDialect::Postgresql => &[POSTGRESQL],
        SqlDialect::Mysql => &[MYSQL],
        SqlDialect::Sqlite => &[SQLITE],
        SqlDialect::Clickhouse => &[CLICKHOUSE],
        SqlDialect::Snowflake => &[SNOWFLAKE],
        SqlDialect::Bigquery => &[BIGQUERY],
        SqlDialect::Trino => &[TRINO],
        SqlDialect::Databricks => &[DATABRICKS],
    }
}

/// PostgreSQL 18, chapters 9.9 to 9.30 and the modules of appendix F: files, large
/// objects, other servers, text that is run as SQL, other sessions, settings, locks.
const POSTGRESQL: &str = "\
    pg_read_file pg_read_binary_file pg_read_server_files pg_ls_* pg_stat_file pg_file_* \
    pg_logdir_ls pg_hba_file_rules lo_import lo_export lo_get lo_put lo_from_bytea lo_open \
    lo_create lo_creat lo_unlink loread lowrite dblink* postgres_fdw_* file_fdw_* \
    query_to_xml* table_to_xml* cursor_to_xml* schema_to_xml* database_to_xml* ts_stat \
    ts_rewrite crosstab* connectby xpath_table pg_sleep* pg_terminate_backend \
    pg_cancel_backend pg_reload_conf pg_rotate_logfile set_config pg_promote pg_switch_wal \
    pg_create_* pg_drop_* pg_replication_* pg_logical_* pg_backup_* pg_start_backup \
    pg_stop_backup pg_wal_* pg_export_snapshot pg_import_system_collations pg_notify \
    pg_advisory_lock* pg_advisory_xact_lock* pg_try_advisory_* pg_execute_server_program \
    pg_stat_reset* pg_stat_statements_reset pg_log_backend_memory_contexts nextval setval \
    pg_extension_config_dump pg_restore_* pg_clear_* http http_* aws_s3* aws_lambda* \
    cron.* schedule schedule_in_database plpy* ";

/// MySQL 8.4, chapter 14, and functions that are loaded as plugins by that name.
const MYSQL: &str = "\
    load_file sleep benchmark get_lock release_lock release_all_locks is_free_lock \
    sys_exec sys_eval sys_get sys_set master_pos_wait source_pos_wait wait_for_executed_gtid_set \
    keyring_key_* group_replication_* asynchronous_connection_failover_* audit_log_* \
    firewall_* mysql_firewall_* set_system_time ps_* extractvalue updatexml name_const ";

/// SQLite, lang_corefunc.html and the functions of its shell and of known extensions.
const SQLITE: &str = "\
    load_extension readfile writefile edit lsmode fsdir fts3_tokenizer sqlite_dbpage \
    sqlite_dbdata randomblob zeroblob eval zipfile sqlar_* ";

/// ClickHouse, table functions and functions that wait, read files or run programs.
const CLICKHOUSE: &str = "\
    file fileCluster filecluster url urlCluster urlcluster s3 s3Cluster s3cluster gcs hdfs \
    hdfsCluster hdfscluster azureBlobStorage* azureblobstorage* remote remoteSecure remotesecure \
    cluster clusterAllReplicas clusterallreplicas mysql postgresql mongodb redis sqlite jdbc odbc \
    executable executablePool executablepool input deltaLake* deltalake* iceberg* hudi* paimon* \
    ytsaurus arrowFlight arrowflight merge mergeTree* mergetree* loop sleep sleepEachRow \
    sleepeachrow catboostEvaluate catboostevaluate getSetting getsetting addressToLine addresstoline \
    dictGet* dictget* joinGet* joinget* filesystem* throwIf throwif ";

/// Snowflake, system functions that act, and functions that reach out.
const SNOWFLAKE: &str = "\
    system$* result_scan get_presigned_url build_scoped_file_url build_stage_file_url \
    infer_schema ai_* snowflake.cortex.* complete identifier ";

/// BigQuery, federated queries, remote models and sessions.
const BIGQUERY: &str = "\
    external_query external_object_transform ml.* ai.* vector_search error session_user \
    keys.* aead.* deterministic_* bqutil.* appends changes ";

/// Trino, table functions that pass queries through to what is behind a connector.
const TRINO: &str = "query raw_query procedure table_changes sheet sleep exclude_columns ";

/// Databricks, functions that read files, call other services, or run code.
const DATABRICKS: &str = "\
    read_files cloud_files http_request remote_query ai_* secret try_secret java_method reflect \
    try_reflect vector_search event_log read_kafka read_kinesis read_pubsub read_pulsar \
    list_secrets raise_error assert_true ";

/// SQL Server, for the generic dialect.
const SQL_SERVER: &str = "\
    xp_* sp_executesql sp_execute_external_script sp_oa* sp_configure sp_addlinkedserver \
    sp_addextendedproc openrowset opendatasource openquery openxml fn_get_audit_file fn_xe_file_target_read_file ";

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn dangerous(names: &[&str], dialect: SqlDialect, plan: &DangerousFunctions) -> Vec<String> {
        let called = names.iter().map(ToString::to_string).collect();
        of(&called, dialect, plan).into_iter().collect()
    }

    #[test]
    fn what_is_dangerous_depends_on_the_dialect_and_the_configuration() {
        let none = DangerousFunctions::default();
        let names = ["count", "pg_read_file", "load_file", "public.dblink_exec", "pg_sleep_for"];
        let postgresql = dangerous(&names, SqlDialect::Postgresql, &none);
        assert_eq!(postgresql, ["pg_read_file", "pg_sleep_for", "public.dblink_exec"]);
        assert_eq!(dangerous(&names, SqlDialect::Mysql, &none), ["load_file"]);
        assert_eq!(dangerous(&names, SqlDialect::Generic, &none).len(), 4);
        let configured = DangerousFunctions {
            add: ["my_*".to_owned()].into(),
            remove: ["pg_sleep*".to_owned()].into(),
        };
        let names = ["my_exec", "pg_sleep", "lo_export"];
        let found = dangerous(&names, SqlDialect::Postgresql, &configured);
        assert_eq!(found, ["lo_export", "my_exec"]);
    }
}
