CREATE TABLE IF NOT EXISTS checkpoints_v3 (projection_name LowCardinality(String), version UInt32, partition UInt16, epoch UInt64, sequence UInt64, hash FixedString(32), recorded_at Int64, place UInt64, parts String)
    ENGINE = ReplacingMergeTree(sequence)
    ORDER BY (projection_name, version, partition, epoch)
    SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS projection_versions_v1 (partition UInt16, name String, version UInt32, revision UInt64, declared UInt32, role LowCardinality(String), is_paused UInt8, share Float64, until String, definition String, reason String, at Int64)
    ENGINE = ReplacingMergeTree(revision)
    ORDER BY (name, version)
    SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS projection_skips_v1 (name String, version UInt32, partition UInt16, sequence UInt64, reason String, said_by String, at Int64)
    ENGINE = ReplacingMergeTree(at)
    ORDER BY (name, version, partition, sequence)
    SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS projection_faults_v1 (name String, version UInt32, partition UInt16, at Int64, sequence UInt64, cause String)
    ENGINE = ReplacingMergeTree(at)
    ORDER BY (name, version, partition)
    SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS feed_balances_v1 (sequence UInt64, recorded_at DateTime64(9, 'UTC'), effective_at DateTime64(9, 'UTC'), received_at DateTime64(9, 'UTC'), transfer_id UUID, related_id UUID, reference UUID, fingerprint UInt64, amount Int64, expires_at DateTime64(9, 'UTC'), debit_version UInt64, debit_debits_posted Int64, debit_debits_pending Int64, debit_credits_posted Int64, debit_credits_pending Int64, credit_version UInt64, credit_debits_posted Int64, credit_debits_pending Int64, credit_credits_posted Int64, credit_credits_pending Int64, debit_account UInt32, credit_account UInt32, currency FixedString(8), code UInt32, kind UInt8, refusal UInt8, scale UInt8, command UInt8, partition UInt16, link_index UInt16, memo String, owner String, named_accounts String, padding String) ENGINE = Null;

CREATE TABLE IF NOT EXISTS accounts_v1 (partition UInt16, account UInt32, version UInt64, sequence UInt64, recorded_at DateTime64(9, 'UTC'), kind UInt8, account_id UUID, owner String, currency String, scale UInt8, overdraft_limit Int64)
    ENGINE = ReplacingMergeTree()
    PARTITION BY partition ORDER BY (account, version)
    SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE MATERIALIZED VIEW IF NOT EXISTS accounts_v1_filler TO accounts_v1
    AS SELECT partition, debit_account AS account, debit_version AS version, sequence, recorded_at, kind,
        related_id AS account_id, owner, toStringCutToZero(currency) AS currency, scale, amount AS overdraft_limit FROM feed_balances_v1 WHERE (kind BETWEEN 1 AND 4 OR kind = 6);

CREATE TABLE IF NOT EXISTS account_ids_v1 (partition UInt16, account_id UUID, account UInt32, sequence UInt64)
    ENGINE = ReplacingMergeTree()
    PARTITION BY partition ORDER BY (account_id)
    SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE MATERIALIZED VIEW IF NOT EXISTS account_ids_v1_filler TO account_ids_v1
    AS SELECT partition, related_id AS account_id, debit_account AS account, sequence FROM feed_balances_v1 WHERE kind = 1;

CREATE TABLE IF NOT EXISTS account_owners_v1 (partition UInt16, owner String, account UInt32, sequence UInt64)
    ENGINE = ReplacingMergeTree()
    PARTITION BY partition ORDER BY (owner, account, sequence)
    SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE MATERIALIZED VIEW IF NOT EXISTS account_owners_v1_filler TO account_owners_v1
    AS SELECT partition, owner, debit_account AS account, sequence FROM feed_balances_v1 WHERE (kind = 1 OR (kind = 6 AND owner != ''));

CREATE TABLE IF NOT EXISTS balances_v1 (partition UInt16, account UInt32, version UInt64, sequence UInt64, recorded_at DateTime64(9, 'UTC'), debits_posted Int64, debits_pending Int64, credits_posted Int64, credits_pending Int64)
    ENGINE = ReplacingMergeTree(version)
    PARTITION BY partition ORDER BY (account)
    SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE MATERIALIZED VIEW IF NOT EXISTS balances_v1_filler TO balances_v1
    AS SELECT partition, if(arrayJoin([1, 0]) = 1, debit_account, credit_account) AS account, if(arrayJoin([1, 0]) = 1, debit_version, credit_version) AS version, sequence, recorded_at,
        if(arrayJoin([1, 0]) = 1, debit_debits_posted, credit_debits_posted) AS debits_posted, if(arrayJoin([1, 0]) = 1, debit_debits_pending, credit_debits_pending) AS debits_pending,
        if(arrayJoin([1, 0]) = 1, debit_credits_posted, credit_credits_posted) AS credits_posted, if(arrayJoin([1, 0]) = 1, debit_credits_pending, credit_credits_pending) AS credits_pending FROM feed_balances_v1 WHERE refusal = 0 AND account != 0;

CREATE TABLE IF NOT EXISTS shared_e4ede819ceaf5b0a (sequence UInt64, recorded_at DateTime64(9, 'UTC'), effective_at DateTime64(9, 'UTC'), received_at DateTime64(9, 'UTC'), transfer_id UUID, related_id UUID, reference UUID, fingerprint UInt64, amount Int64, expires_at DateTime64(9, 'UTC'), debit_version UInt64, debit_debits_posted Int64, debit_debits_pending Int64, debit_credits_posted Int64, debit_credits_pending Int64, credit_version UInt64, credit_debits_posted Int64, credit_debits_pending Int64, credit_credits_posted Int64, credit_credits_pending Int64, debit_account UInt32, credit_account UInt32, currency FixedString(8), code UInt32, kind UInt8, refusal UInt8, scale UInt8, command UInt8, partition UInt16, link_index UInt16, memo String, owner String, named_accounts String, padding String) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS shared_e4ede819ceaf5b0a_to_feed_balances_v1 TO feed_balances_v1 AS SELECT * FROM shared_e4ede819ceaf5b0a;

CREATE MATERIALIZED VIEW IF NOT EXISTS shared_e4ede819ceaf5b0a_to_feed_history_v1 TO feed_history_v1 AS SELECT * FROM shared_e4ede819ceaf5b0a;

CREATE MATERIALIZED VIEW IF NOT EXISTS shared_e4ede819ceaf5b0a_to_feed_audit_v1 TO feed_audit_v1 AS SELECT * FROM shared_e4ede819ceaf5b0a;

CREATE MATERIALIZED VIEW IF NOT EXISTS shared_e4ede819ceaf5b0a_to_feed_crossings_v1 TO feed_crossings_v1 AS SELECT * FROM shared_e4ede819ceaf5b0a;
