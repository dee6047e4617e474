CREATE DATABASE IF NOT EXISTS `purser`;

CREATE USER IF NOT EXISTS `purser_writer` IDENTIFIED WITH sha256_hash BY '5d63a62918643a8c90f4ef3fadab1d44340381ec6e8d0254aa3c54bf0b516456' SALT '00112233445566778899aabbccddeeff';

ALTER USER `purser_writer` IDENTIFIED WITH sha256_hash BY '5d63a62918643a8c90f4ef3fadab1d44340381ec6e8d0254aa3c54bf0b516456' SALT '00112233445566778899aabbccddeeff';

GRANT SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER DELETE ON `purser`.* TO `purser_writer`;

GRANT CREATE TEMPORARY TABLE ON *.* TO `purser_writer`;

GRANT SELECT ON system.parts TO `purser_writer`;

GRANT SELECT ON system.mutations TO `purser_writer`;

GRANT TABLE ENGINE ON Null TO `purser_writer`;

GRANT TABLE ENGINE ON ReplacingMergeTree TO `purser_writer`;

CREATE SETTINGS PROFILE IF NOT EXISTS `purser_reader_limits`;

ALTER SETTINGS PROFILE `purser_reader_limits` SETTINGS max_memory_usage = 2147483648 MAX 2147483648, max_memory_usage_for_user = 8589934592 MAX 8589934592, max_execution_time = 60 MAX 3600, max_concurrent_queries_for_user = 128 MAX 128;

CREATE USER IF NOT EXISTS `purser_reader` IDENTIFIED WITH sha256_hash BY 'f56885f4c9b7579ed5df7d6ae2dc0d5d3c2718bc43cb3eaae783a73729700f67' SALT '00112233445566778899aabbccddeeff';

ALTER USER `purser_reader` IDENTIFIED WITH sha256_hash BY 'f56885f4c9b7579ed5df7d6ae2dc0d5d3c2718bc43cb3eaae783a73729700f67' SALT '00112233445566778899aabbccddeeff';

ALTER USER `purser_reader` SETTINGS PROFILE `purser_reader_limits`;

GRANT SELECT ON `purser`.* TO `purser_reader`;

GRANT CREATE TEMPORARY TABLE ON *.* TO `purser_reader`;

GRANT INSERT ON `purser`.`imports_v1` TO `purser_reader`;

GRANT INSERT ON `purser`.`projection_versions_v1` TO `purser_reader`;

GRANT INSERT ON `purser`.`projection_skips_v1` TO `purser_reader`;
