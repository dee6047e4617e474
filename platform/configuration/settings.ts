/**
 * The one table of settings, for the embedded platform and for every role of the distributed one: flag, variable, default,
 * meaning, and who uses it. The tables in README.md and docs/distributed.md are held equal to it by a test.
 */

/** Who can be configured: the embedded platform (`start` and its kin), and what the distributed one consists of. */
export const ROLES = ['platform', 'writer', 'projector', 'gateway', 'topics', 'users', 'audit'] as const
export type Role = (typeof ROLES)[number]

/** A setting. Its name in the table is its flag in camel case: that is what the command line's parser calls it. */
export interface Setting {
  readonly flag: string
  readonly variable: string
  /** What stands for the value in a help text. */
  readonly value: string
  /** As text, the way a user would write it; empty: none. */
  readonly fallback: string
  readonly roles: readonly Role[]
  readonly meaning: string
  /** `list`: comma-separated, and the flag may be repeated. `file`: a path, of which the content is taken. */
  readonly kind?: 'list' | 'file'
  /** Only with `file`: the variable that may hold the secret itself. No flag does: others on the machine see those. */
  readonly secretVariable?: string
}

const KAFKA = ['writer', 'projector', 'gateway', 'topics', 'audit'] as const
const VIEWS = ['projector', 'gateway', 'users', 'audit'] as const

/** The settings, in the order of the documents' tables. */
export const SETTINGS = {
  port: { flag: '--port', variable: 'PURSER_PORT', value: 'N', fallback: '4000', roles: ['platform', 'gateway'], meaning: 'Port that serves everything; 0 takes a free one.' },
  host: { flag: '--host', variable: 'PURSER_HOST', value: 'HOST', fallback: '127.0.0.1', roles: ['platform', 'writer', 'projector', 'gateway'], meaning: 'Address to listen on. Loopback unless you say otherwise: identity comes in a later version.' },
  allowHost: { flag: '--allow-host', variable: 'PURSER_ALLOW_HOSTS', value: 'NAME', fallback: '', kind: 'list', roles: ['platform', 'gateway'], meaning: 'Host names and addresses by which clients may call it, beside those of loopback and `--host`; without ports. Any other `Host` is answered 421. The flag may be repeated, the variable is a comma-separated list.' },
  data: { flag: '--data', variable: 'PURSER_DATA', value: 'DIR', fallback: './data', roles: ['platform'], meaning: 'Folder that holds log, snapshots and views.' },
  currency: { flag: '--currency', variable: 'PURSER_CURRENCIES', value: 'CODE:SCALE', fallback: '', kind: 'list', roles: ['platform', 'gateway'], meaning: 'Currencies beside those of ISO 4217, as `CODE:SCALE`; the flag may be repeated, the variable is a comma-separated list.' },
  graphiql: { flag: '--graphiql', variable: 'PURSER_GRAPHIQL', value: 'BOOLEAN', fallback: 'true', roles: ['platform', 'gateway'], meaning: 'Serve GraphiQL, the console for trying queries: `true` or `false`.' },
  engineMemory: { flag: '--engine-memory', variable: 'PURSER_ENGINE_MEMORY_MIB', value: 'MIB', fallback: '', roles: ['platform'], meaning: 'Memory for the embedded ClickHouse, in MiB, at least 256. Default: a quarter of the machine, 4096 at most.' },
  projection: { flag: '--projection', variable: 'PURSER_PROJECTIONS', value: 'FILE', fallback: '', kind: 'list', roles: ['platform', 'projector', 'gateway'], meaning: 'Files of which each exports a view, beside the built-in ones (docs/projections.md). The flag may be repeated, the variable is a comma-separated list.' },
  config: { flag: '--config', variable: 'PURSER_CONFIG', value: 'FILE', fallback: '', roles: ['platform', 'projector', 'gateway'], meaning: 'The configuration that lists views. Default: `purser.config.ts` in the working directory, if it is there.' },
  partitions: { flag: '--partitions', variable: 'PURSER_PARTITIONS', value: 'N', fallback: '', roles: ['platform', 'topics'], meaning: 'Partitions, from 1 to 1024 (to 32 in one process). Fixed when the deployment is created: an account belongs to one of them for ever. Default: as many as there are; 1 for a new data folder.' },
  coordination: { flag: '--coordination', variable: 'PURSER_COORDINATION', value: 'PROTOCOL', fallback: 'tcc', roles: ['platform', 'writer'], meaning: 'How transfers between partitions are coordinated where they do not say: `tcc` or `saga` (docs/coordination.md). All writers of a deployment say the same.' },
  transferDeadline: { flag: '--transfer-deadline', variable: 'PURSER_TRANSFER_DEADLINE_SECONDS', value: 'SECONDS', fallback: '10', roles: ['platform', 'writer'], meaning: 'Seconds, from 1 to 3600, for which the credit account’s partition may be silent before a transfer to it is cancelled.' },
  viewsLagMax: { flag: '--views-lag-max', variable: 'PURSER_VIEWS_LAG_MAX_SECONDS', value: 'SECONDS', fallback: '300', roles: ['platform', 'gateway'], meaning: 'Seconds for which the views may lack an event of the log, from 1 to 31536000. Beyond them reads are refused (`NOT_YET`, retryable) and `/readyz?for=reads` says no.' },

  brokers: { flag: '--brokers', variable: 'PURSER_KAFKA_BROKERS', value: 'HOST:PORT', fallback: '', kind: 'list', roles: KAFKA, meaning: 'Kafka brokers to begin with; the others are learned from them. Required. The flag may be repeated, the variable is a comma-separated list.' },
  topicPrefix: { flag: '--topic-prefix', variable: 'PURSER_KAFKA_TOPIC_PREFIX', value: 'NAME', fallback: 'purser', roles: KAFKA, meaning: 'The topics are `NAME.commands` and `NAME.events`, the consumer groups begin with `NAME.`' },
  clientId: { flag: '--client-id', variable: 'PURSER_KAFKA_CLIENT_ID', value: 'NAME', fallback: 'purser', roles: KAFKA, meaning: 'What this process is called in the brokers’ logs and quotas.' },
  kafkaTls: { flag: '--kafka-tls', variable: 'PURSER_KAFKA_TLS', value: 'BOOLEAN', fallback: 'false', roles: KAFKA, meaning: 'Speak TLS to Kafka: `true` or `false`.' },
  kafkaCaFile: { flag: '--kafka-ca-file', variable: 'PURSER_KAFKA_CA_FILE', value: 'FILE', fallback: '', kind: 'file', roles: KAFKA, meaning: 'Certificates (PEM) that vouch for the brokers. Default: those of Node.' },
  kafkaCertFile: { flag: '--kafka-cert-file', variable: 'PURSER_KAFKA_CERT_FILE', value: 'FILE', fallback: '', kind: 'file', roles: KAFKA, meaning: 'Own certificate (PEM), where the brokers ask for one.' },
  kafkaKeyFile: { flag: '--kafka-key-file', variable: 'PURSER_KAFKA_KEY_FILE', value: 'FILE', fallback: '', kind: 'file', roles: KAFKA, meaning: 'Private key (PEM) of the own certificate.' },
  kafkaSasl: { flag: '--kafka-sasl', variable: 'PURSER_KAFKA_SASL', value: 'MECHANISM', fallback: '', roles: KAFKA, meaning: '`plain`, `scram-sha-256` or `scram-sha-512`. Default: no SASL.' },
  kafkaUser: { flag: '--kafka-user', variable: 'PURSER_KAFKA_USER', value: 'NAME', fallback: '', roles: KAFKA, meaning: 'User for SASL.' },
  kafkaPasswordFile: { flag: '--kafka-password-file', variable: 'PURSER_KAFKA_PASSWORD_FILE', value: 'FILE', fallback: '', kind: 'file', secretVariable: 'PURSER_KAFKA_PASSWORD', roles: KAFKA, meaning: 'File with the password for SASL; the variable `PURSER_KAFKA_PASSWORD` may hold the password itself.' },
  replication: { flag: '--replication', variable: 'PURSER_KAFKA_REPLICATION', value: 'N', fallback: '3', roles: ['topics'], meaning: 'Brokers that hold each topic. Fewer than 3 does not survive the loss of a broker: only for trying things out.' },

  clickhouseUrl: { flag: '--clickhouse-url', variable: 'PURSER_CLICKHOUSE_URL', value: 'URL', fallback: '', roles: VIEWS, meaning: 'HTTP address of the ClickHouse server, such as `http://clickhouse:8123`. Required, but for `audit`: without it, no views are compared.' },
  clickhouseUser: { flag: '--clickhouse-user', variable: 'PURSER_CLICKHOUSE_USER', value: 'NAME', fallback: 'default', roles: VIEWS, meaning: 'ClickHouse user: for projectors one that may write the views, for gateways one that may read them, for `users` an administrator, for `audit` one that may read them and make and remove databases.' },
  clickhousePasswordFile: { flag: '--clickhouse-password-file', variable: 'PURSER_CLICKHOUSE_PASSWORD_FILE', value: 'FILE', fallback: '', kind: 'file', secretVariable: 'PURSER_CLICKHOUSE_PASSWORD', roles: VIEWS, meaning: 'File with the ClickHouse user’s password; the variable `PURSER_CLICKHOUSE_PASSWORD` may hold the password itself.' },
  clickhouseDatabase: { flag: '--clickhouse-database', variable: 'PURSER_CLICKHOUSE_DATABASE', value: 'NAME', fallback: 'purser', roles: VIEWS, meaning: 'Database that holds the views.' },
  clickhouseCluster: { flag: '--clickhouse-cluster', variable: 'PURSER_CLICKHOUSE_CLUSTER', value: 'NAME', fallback: '', roles: VIEWS, meaning: 'Cluster, as the server’s configuration names it: then the tables are replicated and distributed over it. Default: a single server.' },
  viewsWriter: { flag: '--views-writer', variable: 'PURSER_VIEWS_WRITER', value: 'NAME', fallback: 'purser_writer', roles: ['users'], meaning: 'ClickHouse user to be made for projectors.' },
  viewsWriterPasswordFile: { flag: '--views-writer-password-file', variable: 'PURSER_VIEWS_WRITER_PASSWORD_FILE', value: 'FILE', fallback: '', kind: 'file', secretVariable: 'PURSER_VIEWS_WRITER_PASSWORD', roles: ['users'], meaning: 'File with the password of that user, or in `PURSER_VIEWS_WRITER_PASSWORD` the password itself. Required.' },
  viewsReader: { flag: '--views-reader', variable: 'PURSER_VIEWS_READER', value: 'NAME', fallback: 'purser_reader', roles: ['users'], meaning: 'ClickHouse user to be made for gateways.' },
  viewsReaderPasswordFile: { flag: '--views-reader-password-file', variable: 'PURSER_VIEWS_READER_PASSWORD_FILE', value: 'FILE', fallback: '', kind: 'file', secretVariable: 'PURSER_VIEWS_READER_PASSWORD', roles: ['users'], meaning: 'File with the password of that user, or in `PURSER_VIEWS_READER_PASSWORD` the password itself. Required.' },

  snapshots: { flag: '--snapshots', variable: 'PURSER_SNAPSHOTS', value: 'PLACE', fallback: '', roles: ['writer'], meaning: 'Where writers keep and find snapshots: a folder that all of them see, or `s3://BUCKET/PREFIX` (credentials as the AWS SDK finds them). Required.' },
  s3Endpoint: { flag: '--s3-endpoint', variable: 'PURSER_S3_ENDPOINT', value: 'URL', fallback: '', roles: ['writer'], meaning: 'Address of an S3-compatible store that is not Amazon’s.' },
  s3Region: { flag: '--s3-region', variable: 'PURSER_S3_REGION', value: 'NAME', fallback: '', roles: ['writer'], meaning: 'Region of the bucket. Default: as the AWS SDK finds it.' },
  s3PathStyle: { flag: '--s3-path-style', variable: 'PURSER_S3_PATH_STYLE', value: 'BOOLEAN', fallback: 'false', roles: ['writer'], meaning: 'Name the bucket in the path and not in the host, as most stores but Amazon’s want it: `true` or `false`.' },
  scratch: { flag: '--scratch', variable: 'PURSER_SCRATCH', value: 'DIR', fallback: './scratch', roles: ['writer'], meaning: 'Folder of this process alone, for snapshots on their way in or out. It may be lost at any time.' },
  healthPort: { flag: '--health-port', variable: 'PURSER_HEALTH_PORT', value: 'N', fallback: '4001', roles: ['writer', 'projector'], meaning: 'Port of `/livez` and `/readyz`; 0 takes a free one.' },
} as const satisfies Readonly<Record<string, Setting>> // prettier-ignore

export type SettingName = keyof typeof SETTINGS
/** The settings of one role. */
export type SettingOf<R extends Role> = {
  [Name in SettingName]: R extends (typeof SETTINGS)[Name]['roles'][number] ? Name : never
}[SettingName]

/** Variables that are not settings of a platform. */
export const OTHER_VARIABLES = {
  PURSER_DEBUG: 'Set to 1: failures also show their stack, on standard error.',
} as const

/** The settings that a role has, in the table's order. */
export function settingsOf<R extends Role>(role: R): readonly SettingOf<R>[] {
  const names = Object.keys(SETTINGS) as SettingName[]
  return names.filter((name) => (SETTINGS[name] as Setting).roles.includes(role)) as SettingOf<R>[]
}
