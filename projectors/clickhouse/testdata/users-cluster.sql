CREATE DATABASE IF NOT EXISTS `purser` ON CLUSTER 'bank';

CREATE USER IF NOT EXISTS `purser_writer` ON CLUSTER 'bank' IDENTIFIED WITH sha256_hash BY '5d63a62918643a8c90f4ef3fadab1d44340381ec6e8d0254aa3c54bf0b516456' SALT '00112233445566778899aabbccddeeff';

ALTER USER `purser_writer` ON CLUSTER 'bank' IDENTIFIED WITH sha256_hash BY '5d63a62918643a8c90f4ef3fadab1d44340381ec6e8d0254aa3c54bf0b516456' SALT '00112233445566778899aabbccddeeff';

GRANT ON CLUSTER 'bank' SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER DELETE ON `purser`.* TO `purser_writer`;

GRANT ON CLUSTER 'bank' CREATE TEMPORARY TABLE ON *.* TO `purser_writer`;

GRANT ON CLUSTER 'bank' SELECT ON system.parts TO `purser_writer`;

GRANT ON CLUSTER 'bank' SELECT ON system.mutations TO `purser_writer`;

GRANT ON CLUSTER 'bank' TABLE ENGINE ON Null TO `purser_writer`;

GRANT ON CLUSTER 'bank' TABLE ENGINE ON ReplacingMergeTree TO `purser_writer`;

GRANT ON CLUSTER 'bank' TABLE ENGINE ON ReplicatedReplacingMergeTree TO `purser_writer`;

GRANT ON CLUSTER 'bank' TABLE ENGINE ON Distributed TO `purser_writer`;

GRANT ON CLUSTER 'bank' CLUSTER, REMOTE ON *.* TO `purser_writer`;

CREATE SETTINGS PROFILE IF NOT EXISTS `purser_reader_limits` ON CLUSTER 'bank';

ALTER SETTINGS PROFILE `purser_reader_limits` ON CLUSTER 'bank' SETTINGS max_memory_usage = 2147483648 MAX 2147483648, max_memory_usage_for_user = 8589934592 MAX 8589934592, max_execution_time = 60 MAX 3600, max_concurrent_queries_for_user = 128 MAX 128;

CREATE USER IF NOT EXISTS `purser_reader` ON CLUSTER 'bank' IDENTIFIED WITH sha256_hash BY 'f56885f4c9b7579ed5df7d6ae2dc0d5d3c2718bc43cb3eaae783a73729700f67' SALT '00112233445566778899aabbccddeeff';

ALTER USER `purser_reader` ON CLUSTER 'bank' IDENTIFIED WITH sha256_hash BY 'f56885f4c9b7579ed5df7d6ae2dc0d5d3c2718bc43cb3eaae783a73729700f67' SALT '00112233445566778899aabbccddeeff';

ALTER USER `purser_reader` ON CLUSTER 'bank' SETTINGS PROFILE `purser_reader_limits`;

GRANT ON CLUSTER 'bank' SELECT ON `purser`.* TO `purser_reader`;

GRANT ON CLUSTER 'bank' CREATE TEMPORARY TABLE ON *.* TO `purser_reader`;

GRANT ON CLUSTER 'bank' INSERT ON `purser`.`imports_v1` TO `purser_reader`;

GRANT ON CLUSTER 'bank' INSERT ON `purser`.`imports_v1_local` TO `purser_reader`;

GRANT ON CLUSTER 'bank' INSERT ON `purser`.`projection_versions_v1` TO `purser_reader`;

GRANT ON CLUSTER 'bank' INSERT ON `purser`.`projection_versions_v1_local` TO `purser_reader`;

GRANT ON CLUSTER 'bank' INSERT ON `purser`.`projection_skips_v1` TO `purser_reader`;

GRANT ON CLUSTER 'bank' INSERT ON `purser`.`projection_skips_v1_local` TO `purser_reader`;
