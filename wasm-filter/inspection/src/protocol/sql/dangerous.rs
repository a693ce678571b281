//! Functions that do more than their statement shows: that reach files, programs,
//! other servers or the server's own settings, run SQL that is given to them as text,
//! read tables that are not named as tables, or hold a connection up.
//!
//! A pattern is a name in lower case, `*` at its end for any ending. One without a
//! dot is met by the last part of a qualified name.

use std::collections::BTreeSet;

use crate::plan::{FunctionList, SqlDialect};

/// Those of `functions` that are dangerous.
pub(super) fn among(
    functions: &BTreeSet<String>,
    dialect: SqlDialect,
    list: &FunctionList,
) -> BTreeSet<String> {
    let listed = |name: &str| {
        let built_in = lists(dialect).iter().flat_map(|list| list.split_ascii_whitespace());
        // No built-in function has such a name, but some databases compare names as
        // if accents were not there.
        !name.is_ascii()
            || name == EXECUTE_IMMEDIATE
            || built_in.chain(list.add.iter().map(String::as_str)).any(|item| meets(name, item))
    };
    let removed = |name: &str| list.remove.iter().any(|item| meets(name, item));
    functions.iter().filter(|name| listed(name) && !removed(name)).cloned().collect()
}

/// What the functions of a statement have in them that runs text as SQL by itself.
pub(super) const EXECUTE_IMMEDIATE: &str = "execute immediate";

fn meets(name: &str, pattern: &str) -> bool {
    let name = if pattern.contains('.') {
        name
    } else {
        name.rsplit_once('.').map_or(name, |(_, last)| last)
    };
    match pattern.strip_suffix('*') {
        Some(start) => name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)),
        None => name.eq_ignore_ascii_case(pattern),
    }
}

const fn lists(dialect: SqlDialect) -> &'static [&'static str] {
    match dialect {
        SqlDialect::Generic => {
            &[POSTGRESQL, MYSQL, SQLITE, CLICKHOUSE, SNOWFLAKE, BIGQUERY, DATABRICKS, TRINO, OTHERS]
        }
        SqlDialect::Postgresql | SqlDialect::Redshift => &[POSTGRESQL],
        SqlDialect::Mysql => &[MYSQL],
        SqlDialect::Sqlite => &[SQLITE],
        SqlDialect::Clickhouse => &[CLICKHOUSE],
        SqlDialect::Snowflake => &[SNOWFLAKE],
        SqlDialect::Bigquery => &[BIGQUERY],
        SqlDialect::Databricks => &[DATABRICKS],
        SqlDialect::Trino => &[TRINO],
    }
}

/// <https://www.postgresql.org/docs/current/functions-admin.html>, `functions-xml`,
/// `lo-funcs`, and the extensions `adminpack`, `dblink`, `tablefunc`, `xml2`, `http`,
/// `pg_net`, `pg_cron`, `aws_s3`, `aws_lambda`.
const POSTGRESQL: &str = "pg_read_file pg_read_binary_file pg_ls_* pg_stat_file pg_file_* \
    pg_logdir_ls lo_* loread lowrite dblink* pg_sleep* pg_terminate_backend pg_cancel_backend \
    pg_reload_conf pg_rotate_logfile* pg_promote pg_switch_wal pg_create_* pg_copy_* pg_drop_* \
    pg_backup_* pg_start_backup pg_stop_backup pg_logical_* pg_replication_* pg_wal_replay_* \
    pg_advisory_* pg_try_advisory_* pg_notify pg_stat_reset* pg_log_* pg_import_* \
    pg_extension_config_dump set_config setval query_to_xml* table_to_xml* cursor_to_xml* \
    schema_to_xml* database_to_xml* ts_stat ts_rewrite crosstab* connectby xpath_table \
    http http_* net.http_* cron.* aws_s3.* aws_lambda.* azure_storage.* pg_background_* \
    postgres_fdw_* plpython* sys_exec sys_eval system xp_*";

/// <https://dev.mysql.com/doc/refman/8.4/en/functions.html>, and the functions of
/// `lib_mysqludf_sys`.
const MYSQL: &str = "load_file sleep benchmark get_lock release_lock release_all_locks \
    master_pos_wait source_pos_wait wait_for_executed_gtid_set wait_until_sql_thread_after_gtids \
    sys_exec sys_eval sys_get sys_set keyring_* group_replication_* version_tokens_* \
    service_get_* asynchronous_connection_failover_* audit_log_* sys.execute_prepared_stmt \
    ps_setup_* http_* lib_mysqludf_*";

/// <https://sqlite.org/lang_corefunc.html>, and the extensions of the shell.
const SQLITE: &str = "load_extension readfile writefile edit fts3_tokenizer fsdir lsdir lsmode \
    zipfile sqlar_* eval pragma_* sqlite_dbpage sqlite_dbdata csv";

/// <https://clickhouse.com/docs/sql-reference/table-functions>, and engines of those
/// names. `merge` reads tables by a pattern.
const CLICKHOUSE: &str = "file filecluster url urlcluster s3 s3cluster s3queue gcs cosn oss \
    azureblobstorage* azurequeue hdfs hdfscluster remote remotesecure cluster \
    clusterallreplicas mysql materializedmysql postgresql materializedpostgresql mongodb redis \
    sqlite jdbc odbc executable executablepool input iceberg* deltalake* hudi* paimon* \
    ytsaurus arrowflight kafka rabbitmq nats merge loop mergetreeindex mergetreeprojection \
    dictionary fuzzquery sleep sleepeachrow addresstoline* addresstosymbol demangle \
    catboostevaluate evalmlmethod joinget* distributed buffer prometheusquery*";

/// <https://docs.snowflake.com/en/sql-reference/functions-all>
const SNOWFLAKE: &str = "system$* result_scan to_query get_presigned_url build_*_file_url \
    build_stage_file_url get_stage_location infer_schema directory sql identifier \
    snowflake.cortex.* ai_*";

/// <https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all>
const BIGQUERY: &str = "external_query ai.* ml.generate_* bqutil.*";

/// <https://docs.databricks.com/en/sql/language-manual/sql-ref-functions-builtin-alpha.html>
const DATABRICKS: &str = "read_files remote_query http_request java_method reflect try_reflect \
    ai_* secret try_secret list_secrets cloud_files_state event_log table_changes read_kafka \
    read_kinesis read_pubsub read_pulsar read_statestore vector_search input_file_name identifier";

/// Table functions that hand text to the database behind a connector, in any catalog.
/// <https://trino.io/docs/current/connector.html>
const TRINO: &str = "query raw_query procedure table_changes";

/// SQL Server, Oracle, Db2.
const OTHERS: &str = "xp_* sp_* openrowset opendatasource openquery utl_* dbms_* httpuritype \
    waitfor utl_http.* utl_file.* utl_inaddr.* utl_tcp.* utl_smtp.* dbms_scheduler.* dbms_sql.* \
    dbms_ldap.* dbms_xmlgen.* dbms_xmlquery.* dbms_pipe.* dbms_lock.* dbms_cloud.* sysproc.*";

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn found(dialect: SqlDialect, name: &str, list: &FunctionList) -> bool {
        !among(&BTreeSet::from([name.to_owned()]), dialect, list).is_empty()
    }

    #[test]
    fn a_function_is_dangerous_by_its_name_without_a_schema() {
        let list = FunctionList::default();
        for (dialect, name, expected) in [
            (SqlDialect::Postgresql, "pg_read_file", true),
            (SqlDialect::Postgresql, "public.dblink_exec", true),
            (SqlDialect::Postgresql, "query_to_xml_and_xmlschema", true),
            (SqlDialect::Postgresql, "net.http_get", true),
            (SqlDialect::Postgresql, "lower", false),
            (SqlDialect::Postgresql, "load_file", false),
            (SqlDialect::Mysql, "load_file", true),
            (SqlDialect::Mysql, "sl\u{e9}ep", true),
            (SqlDialect::Trino, "pg.system.query", true),
            (SqlDialect::Clickhouse, "url", true),
            (SqlDialect::Sqlite, "url", false),
            (SqlDialect::Generic, "master..xp_cmdshell", true),
            (SqlDialect::Snowflake, "system$cancel_query", true),
            (SqlDialect::Sqlite, EXECUTE_IMMEDIATE, true),
        ] {
            assert_eq!(found(dialect, name, &list), expected, "{name}");
        }
    }

    #[test]
    fn the_list_can_be_added_to_and_taken_from() {
        let list = FunctionList {
            add: ["lower".to_owned(), "app.purge_*".to_owned()].into(),
            remove: ["pg_sleep*".to_owned()].into(),
        };
        for (name, expected) in
            [("lower", true), ("app.purge_all", true), ("purge_all", false), ("pg_sleep", false)]
        {
            assert_eq!(found(SqlDialect::Postgresql, name, &list), expected, "{name}");
        }
    }
}
