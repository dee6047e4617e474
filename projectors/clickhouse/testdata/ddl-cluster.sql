CREATE TABLE IF NOT EXISTS purser.checkpoints_v3_local ON CLUSTER 'bank' (projection_name LowCardinality(String), version UInt32, partition UInt16, epoch UInt64, sequence UInt64, hash FixedString(32), recorded_at Int64, place UInt64, parts String)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', sequence)
    ORDER BY (projection_name, version, partition, epoch)
    SETTINGS replicated_deduplication_window = 0, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS purser.checkpoints_v3 ON CLUSTER 'bank' (projection_name LowCardinality(String), version UInt32, partition UInt16, epoch UInt64, sequence UInt64, hash FixedString(32), recorded_at Int64, place UInt64, parts String)
    ENGINE = Distributed('bank', 'purser', 'checkpoints_v3_local', partition);

CREATE TABLE IF NOT EXISTS purser.projection_versions_v1_local ON CLUSTER 'bank' (partition UInt16, name String, version UInt32, revision UInt64, declared UInt32, role LowCardinality(String), is_paused UInt8, share Float64, until String, definition String, reason String, at Int64)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', revision)
    ORDER BY (name, version)
    SETTINGS replicated_deduplication_window = 0, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS purser.projection_versions_v1 ON CLUSTER 'bank' (partition UInt16, name String, version UInt32, revision UInt64, declared UInt32, role LowCardinality(String), is_paused UInt8, share Float64, until String, definition String, reason String, at Int64)
    ENGINE = Distributed('bank', 'purser', 'projection_versions_v1_local', partition);

CREATE TABLE IF NOT EXISTS purser.projection_skips_v1_local ON CLUSTER 'bank' (name String, version UInt32, partition UInt16, sequence UInt64, reason String, said_by String, at Int64)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', at)
    ORDER BY (name, version, partition, sequence)
    SETTINGS replicated_deduplication_window = 0, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS purser.projection_skips_v1 ON CLUSTER 'bank' (name String, version UInt32, partition UInt16, sequence UInt64, reason String, said_by String, at Int64)
    ENGINE = Distributed('bank', 'purser', 'projection_skips_v1_local', partition);

CREATE TABLE IF NOT EXISTS purser.projection_faults_v1_local ON CLUSTER 'bank' (name String, version UInt32, partition UInt16, at Int64, sequence UInt64, cause String)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', at)
    ORDER BY (name, version, partition)
    SETTINGS replicated_deduplication_window = 0, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS purser.projection_faults_v1 ON CLUSTER 'bank' (name String, version UInt32, partition UInt16, at Int64, sequence UInt64, cause String)
    ENGINE = Distributed('bank', 'purser', 'projection_faults_v1_local', partition);

CREATE TABLE IF NOT EXISTS purser.feed_balances_v1_local ON CLUSTER 'bank' (sequence UInt64, recorded_at DateTime64(9, 'UTC'), effective_at DateTime64(9, 'UTC'), received_at DateTime64(9, 'UTC'), transfer_id UUID, related_id UUID, reference UUID, fingerprint UInt64, amount Int64, expires_at DateTime64(9, 'UTC'), debit_version UInt64, debit_debits_posted Int64, debit_debits_pending Int64, debit_credits_posted Int64, debit_credits_pending Int64, credit_version UInt64, credit_debits_posted Int64, credit_debits_pending Int64, credit_credits_posted Int64, credit_credits_pending Int64, debit_account UInt32, credit_account UInt32, currency FixedString(8), code UInt32, kind UInt8, refusal UInt8, scale UInt8, command UInt8, partition UInt16, link_index UInt16, memo String, owner String, named_accounts String, padding String) ENGINE = Null;

CREATE TABLE IF NOT EXISTS purser.feed_balances_v1 ON CLUSTER 'bank' (sequence UInt64, recorded_at DateTime64(9, 'UTC'), effective_at DateTime64(9, 'UTC'), received_at DateTime64(9, 'UTC'), transfer_id UUID, related_id UUID, reference UUID, fingerprint UInt64, amount Int64, expires_at DateTime64(9, 'UTC'), debit_version UInt64, debit_debits_posted Int64, debit_debits_pending Int64, debit_credits_posted Int64, debit_credits_pending Int64, credit_version UInt64, credit_debits_posted Int64, credit_debits_pending Int64, credit_credits_posted Int64, credit_credits_pending Int64, debit_account UInt32, credit_account UInt32, currency FixedString(8), code UInt32, kind UInt8, refusal UInt8, scale UInt8, command UInt8, partition UInt16, link_index UInt16, memo String, owner String, named_accounts String, padding String)
    ENGINE = Distributed('bank', 'purser', 'feed_balances_v1_local', partition);

CREATE TABLE IF NOT EXISTS purser.accounts_v1_local ON CLUSTER 'bank' (partition UInt16, account UInt32, version UInt64, sequence UInt64, recorded_at DateTime64(9, 'UTC'), kind UInt8, account_id UUID, owner String, currency String, scale UInt8, overdraft_limit Int64)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
    PARTITION BY partition ORDER BY (account, version)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE TABLE IF NOT EXISTS purser.accounts_v1 ON CLUSTER 'bank' (partition UInt16, account UInt32, version UInt64, sequence UInt64, recorded_at DateTime64(9, 'UTC'), kind UInt8, account_id UUID, owner String, currency String, scale UInt8, overdraft_limit Int64)
    ENGINE = Distributed('bank', 'purser', 'accounts_v1_local', partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.accounts_v1_filler ON CLUSTER 'bank' TO purser.accounts_v1_local
    AS SELECT partition, debit_account AS account, debit_version AS version, sequence, recorded_at, kind,
        related_id AS account_id, owner, toStringCutToZero(currency) AS currency, scale, amount AS overdraft_limit FROM purser.feed_balances_v1_local WHERE (kind BETWEEN 1 AND 4 OR kind = 6);

CREATE TABLE IF NOT EXISTS purser.account_ids_v1_local ON CLUSTER 'bank' (partition UInt16, account_id UUID, account UInt32, sequence UInt64)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
    PARTITION BY partition ORDER BY (account_id)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE TABLE IF NOT EXISTS purser.account_ids_v1 ON CLUSTER 'bank' (partition UInt16, account_id UUID, account UInt32, sequence UInt64)
    ENGINE = Distributed('bank', 'purser', 'account_ids_v1_local', partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.account_ids_v1_filler ON CLUSTER 'bank' TO purser.account_ids_v1_local
    AS SELECT partition, related_id AS account_id, debit_account AS account, sequence FROM purser.feed_balances_v1_local WHERE kind = 1;

CREATE TABLE IF NOT EXISTS purser.account_owners_v1_local ON CLUSTER 'bank' (partition UInt16, owner String, account UInt32, sequence UInt64)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
    PARTITION BY partition ORDER BY (owner, account, sequence)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE TABLE IF NOT EXISTS purser.account_owners_v1 ON CLUSTER 'bank' (partition UInt16, owner String, account UInt32, sequence UInt64)
    ENGINE = Distributed('bank', 'purser', 'account_owners_v1_local', partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.account_owners_v1_filler ON CLUSTER 'bank' TO purser.account_owners_v1_local
    AS SELECT partition, owner, debit_account AS account, sequence FROM purser.feed_balances_v1_local WHERE (kind = 1 OR (kind = 6 AND owner != ''));

CREATE TABLE IF NOT EXISTS purser.balances_v1_local ON CLUSTER 'bank' (partition UInt16, account UInt32, version UInt64, sequence UInt64, recorded_at DateTime64(9, 'UTC'), debits_posted Int64, debits_pending Int64, credits_posted Int64, credits_pending Int64)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)
    PARTITION BY partition ORDER BY (account)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 16;

CREATE TABLE IF NOT EXISTS purser.balances_v1 ON CLUSTER 'bank' (partition UInt16, account UInt32, version UInt64, sequence UInt64, recorded_at DateTime64(9, 'UTC'), debits_posted Int64, debits_pending Int64, credits_posted Int64, credits_pending Int64)
    ENGINE = Distributed('bank', 'purser', 'balances_v1_local', partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.balances_v1_filler ON CLUSTER 'bank' TO purser.balances_v1_local
    AS SELECT partition, if(arrayJoin([1, 0]) = 1, debit_account, credit_account) AS account, if(arrayJoin([1, 0]) = 1, debit_version, credit_version) AS version, sequence, recorded_at,
        if(arrayJoin([1, 0]) = 1, debit_debits_posted, credit_debits_posted) AS debits_posted, if(arrayJoin([1, 0]) = 1, debit_debits_pending, credit_debits_pending) AS debits_pending,
        if(arrayJoin([1, 0]) = 1, debit_credits_posted, credit_credits_posted) AS credits_posted, if(arrayJoin([1, 0]) = 1, debit_credits_pending, credit_credits_pending) AS credits_pending FROM purser.feed_balances_v1_local WHERE refusal = 0 AND account != 0;

CREATE TABLE IF NOT EXISTS purser.shared_e4ede819ceaf5b0a_local ON CLUSTER 'bank' (sequence UInt64, recorded_at DateTime64(9, 'UTC'), effective_at DateTime64(9, 'UTC'), received_at DateTime64(9, 'UTC'), transfer_id UUID, related_id UUID, reference UUID, fingerprint UInt64, amount Int64, expires_at DateTime64(9, 'UTC'), debit_version UInt64, debit_debits_posted Int64, debit_debits_pending Int64, debit_credits_posted Int64, debit_credits_pending Int64, credit_version UInt64, credit_debits_posted Int64, credit_debits_pending Int64, credit_credits_posted Int64, credit_credits_pending Int64, debit_account UInt32, credit_account UInt32, currency FixedString(8), code UInt32, kind UInt8, refusal UInt8, scale UInt8, command UInt8, partition UInt16, link_index UInt16, memo String, owner String, named_accounts String, padding String) ENGINE = Null;

CREATE TABLE IF NOT EXISTS purser.shared_e4ede819ceaf5b0a ON CLUSTER 'bank' (sequence UInt64, recorded_at DateTime64(9, 'UTC'), effective_at DateTime64(9, 'UTC'), received_at DateTime64(9, 'UTC'), transfer_id UUID, related_id UUID, reference UUID, fingerprint UInt64, amount Int64, expires_at DateTime64(9, 'UTC'), debit_version UInt64, debit_debits_posted Int64, debit_debits_pending Int64, debit_credits_posted Int64, debit_credits_pending Int64, credit_version UInt64, credit_debits_posted Int64, credit_debits_pending Int64, credit_credits_posted Int64, credit_credits_pending Int64, debit_account UInt32, credit_account UInt32, currency FixedString(8), code UInt32, kind UInt8, refusal UInt8, scale UInt8, command UInt8, partition UInt16, link_index UInt16, memo String, owner String, named_accounts String, padding String)
    ENGINE = Distributed('bank', 'purser', 'shared_e4ede819ceaf5b0a_local', partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.shared_e4ede819ceaf5b0a_to_feed_balances_v1 ON CLUSTER 'bank' TO purser.feed_balances_v1_local AS SELECT * FROM purser.shared_e4ede819ceaf5b0a_local;

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.shared_e4ede819ceaf5b0a_to_feed_history_v1 ON CLUSTER 'bank' TO purser.feed_history_v1_local AS SELECT * FROM purser.shared_e4ede819ceaf5b0a_local;

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.shared_e4ede819ceaf5b0a_to_feed_audit_v1 ON CLUSTER 'bank' TO purser.feed_audit_v1_local AS SELECT * FROM purser.shared_e4ede819ceaf5b0a_local;

CREATE MATERIALIZED VIEW IF NOT EXISTS purser.shared_e4ede819ceaf5b0a_to_feed_crossings_v1 ON CLUSTER 'bank' TO purser.feed_crossings_v1_local AS SELECT * FROM purser.shared_e4ede819ceaf5b0a_local;
