/**
 * Configuration of the embedded platform and of every role. The flag wins over the variable, the variable over the
 * default. This is the only file that reads the environment. All faults are reported together, so that nobody repairs them
 * one by one.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Coordination } from '../../schemas/commands.ts'
import type { Currency } from '../../schemas/money.ts'
import { belongTogether } from './pem.ts'
import { SettingTexts, type Environment, type Flags } from './setting-texts.ts'
import type { SettingValues, SnapshotStoreSetting } from './setting-values.ts'
import { settingsOf, type Role, type SettingOf } from './settings.ts'

/** The embedded platform. */
export interface Config {
  readonly port: number
  readonly host: string
  /** Names beside those of loopback and `host` by which clients may call it. */
  readonly allowHosts: readonly string[]
  readonly dataDir: string
  /** Undefined: as the data folder is, and 1 for a new one. */
  readonly partitions: number | undefined
  readonly currencies: ReadonlyMap<string, Currency>
  readonly graphiql: boolean
  readonly engineMemoryBytes: number
  /** How long the views may lack an event before reads are refused. */
  readonly viewsLagSecondsMax: number
  readonly core: CrossingsConfig
}

/** How transfers between partitions are coordinated, as the cores of all partitions are told. */
export interface CrossingsConfig {
  readonly coordination: Coordination
  readonly transferDeadlineMs: number
}

/** Where views beside the built-in ones come from. */
export interface ViewSources {
  /** Undefined: the one in the working directory, if it is there. */
  readonly config: string | undefined
  readonly files: readonly string[]
}

/** How Kafka is reached. */
export interface KafkaConfig {
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly topicPrefix: string
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  }
}

/** How the server of the views is reached. */
export interface ClickHouseConfig {
  readonly url: string
  readonly username: string
  readonly password: string
  readonly database: string
  /** Undefined: a single server. */
  readonly cluster?: string
}

/** Where snapshots are kept. */
export type SnapshotsConfig =
  | Extract<SnapshotStoreSetting, { kind: 'folder' }>
  | (Extract<SnapshotStoreSetting, { kind: 's3' }> & {
      readonly endpoint?: string
      readonly region?: string
      readonly pathStyle: boolean
    })

export interface HealthConfig {
  readonly host: string
  readonly port: number
}

export interface WriterConfig {
  readonly kafka: KafkaConfig
  readonly snapshots: SnapshotsConfig
  readonly scratchDir: string
  readonly health: HealthConfig
  readonly core: CrossingsConfig
}

export interface ProjectorConfig {
  readonly kafka: KafkaConfig
  readonly clickhouse: ClickHouseConfig
  readonly health: HealthConfig
}

export interface GatewayConfig extends Pick<
  Config,
  'host' | 'allowHosts' | 'port' | 'currencies' | 'graphiql' | 'viewsLagSecondsMax'
> {
  readonly kafka: KafkaConfig
  readonly clickhouse: ClickHouseConfig
}

export interface TopicsConfig {
  readonly kafka: KafkaConfig
  /** Undefined: as many as there are. */
  readonly partitions: number | undefined
  readonly replication: number
}

/** A deployment that is to be proven. */
export interface AuditConfig {
  readonly kafka: KafkaConfig
  /** Undefined: the views are not compared. */
  readonly clickhouse: ClickHouseConfig | undefined
}

export interface UsersConfig {
  readonly clickhouse: ClickHouseConfig
  readonly writer: { readonly name: string; readonly password: string }
  readonly reader: { readonly name: string; readonly password: string }
}

/**
 * Reads the configuration of an embedded platform.
 * @throws PlatformError `usage` that lists every fault; so do all readers below
 */
export function readConfig(flags: Flags, environment: Environment = process.env): Config {
  const values = textsOf('platform', flags, environment).values()
  const { port, host, allowHost, data, partitions, currency, graphiql, engineMemory, viewsLagMax } = values
  return {
    port,
    host,
    allowHosts: allowHost,
    dataDir: data,
    partitions,
    currencies: currency,
    graphiql,
    engineMemoryBytes: engineMemory,
    viewsLagSecondsMax: viewsLagMax,
    core: crossingsOf(values),
  }
}

function crossingsOf({
  coordination,
  transferDeadline,
}: Pick<SettingValues, 'coordination' | 'transferDeadline'>): CrossingsConfig {
  return { coordination, transferDeadlineMs: transferDeadline * 1_000 }
}

/** For every command that has to know the views of the deployment. */
export function readViewSources(flags: Flags, environment: Environment = process.env): ViewSources {
  const texts = new SettingTexts(['projection', 'config'] as const, flags, environment)
  const { projection, config } = texts.values()
  return { files: projection, config }
}

export function readWriterConfig(flags: Flags, environment: Environment = process.env): WriterConfig {
  const texts = textsOf('writer', flags, environment)
  checkKafka(texts)
  checkSnapshots(texts, environment)
  const values = texts.values()
  const { snapshots, s3Endpoint, s3Region, s3PathStyle, scratch } = values
  return {
    kafka: kafkaOf(values),
    snapshots:
      snapshots.kind === 'folder'
        ? snapshots
        : {
            ...snapshots,
            ...given({ endpoint: s3Endpoint, region: s3Region }),
            pathStyle: s3PathStyle,
          },
    scratchDir: scratch,
    health: { host: values.host, port: values.healthPort },
    core: crossingsOf(values),
  }
}

export function readProjectorConfig(flags: Flags, environment: Environment = process.env): ProjectorConfig {
  const texts = textsOf('projector', flags, environment)
  checkKafka(texts)
  const values = texts.values()
  return {
    kafka: kafkaOf(values),
    clickhouse: clickhouseOf(values),
    health: { host: values.host, port: values.healthPort },
  }
}

export function readGatewayConfig(flags: Flags, environment: Environment = process.env): GatewayConfig {
  const texts = textsOf('gateway', flags, environment)
  checkKafka(texts)
  const values = texts.values()
  const { host, allowHost, port, currency, graphiql, viewsLagMax } = values
  return {
    host,
    allowHosts: allowHost,
    port,
    currencies: currency,
    graphiql,
    viewsLagSecondsMax: viewsLagMax,
    kafka: kafkaOf(values),
    clickhouse: clickhouseOf(values),
  }
}

export function readTopicsConfig(flags: Flags, environment: Environment = process.env): TopicsConfig {
  const texts = textsOf('topics', flags, environment)
  checkKafka(texts)
  const values = texts.values()
  return { kafka: kafkaOf(values), partitions: values.partitions, replication: values.replication }
}

/** Undefined if no deployment is meant: without a flag that is about one, brokers in the environment stand back behind `--data`. */
export function readAuditConfig(
  flags: Flags,
  environment: Environment = process.env,
): AuditConfig | undefined {
  const names = settingsOf('audit')
  const isMeant = names.some((name) => flags[name] !== undefined)
  if (!isMeant && (flags.data !== undefined || !textsOf('audit', {}, environment).has('brokers')))
    return undefined
  const texts = textsOf('audit', flags, environment)
  if (names.some((name) => isClickHouseSetting(name) && texts.has(name))) {
    checkKafka(texts)
    const values = texts.values()
    return { kafka: kafkaOf(values), clickhouse: clickhouseOf(values) }
  }
  const ofKafka = names.filter((name) => !isClickHouseSetting(name))
  const kafkaTexts = new SettingTexts<KafkaSetting>(ofKafka, flags, environment)
  checkKafka(kafkaTexts)
  return { kafka: kafkaOf(kafkaTexts.values()), clickhouse: undefined }
}

export function readUsersConfig(flags: Flags, environment: Environment = process.env): UsersConfig {
  const values = textsOf('users', flags, environment).values()
  return {
    clickhouse: clickhouseOf(values),
    writer: { name: values.viewsWriter, password: values.viewsWriterPasswordFile },
    reader: { name: values.viewsReader, password: values.viewsReaderPasswordFile },
  }
}

/** True if failures should show their stack. */
export function isDebugging(environment: Environment = process.env): boolean {
  return environment['PURSER_DEBUG'] === '1'
}

function textsOf<R extends Role>(
  role: R,
  flags: Flags,
  environment: Environment,
): SettingTexts<SettingOf<R>> {
  return new SettingTexts(settingsOf(role), flags, environment)
}

type KafkaSetting = Extract<SettingOf<'writer'>, SettingOf<'topics'>>
type ClickHouseSetting = Extract<SettingOf<'projector'>, `clickhouse${string}`>

function isClickHouseSetting(name: SettingOf<'audit'>): name is ClickHouseSetting {
  return name.startsWith('clickhouse')
}

/** The SDK finds a region elsewhere, too; where there is nothing that could name one, it is said before anything starts. */
function checkSnapshots(texts: SettingTexts<SettingOf<'writer'>>, environment: Environment): void {
  if (texts.valid().snapshots?.kind !== 's3' || texts.has('s3Region')) return
  const { AWS_REGION: region = '', HOME: home = '' } = environment
  const files = [
    environment['AWS_CONFIG_FILE'] ?? path.join(home, '.aws', 'config'),
    environment['AWS_SHARED_CREDENTIALS_FILE'] ?? path.join(home, '.aws', 'credentials'),
  ]
  if (region === '' && !files.some((file) => existsSync(file)))
    texts.wrong(
      's3Region',
      'is missing, and so is AWS_REGION: a bucket is in a region (for a store that has none, us-east-1)',
    )
}

/** What goes together, and what does not. */
function checkKafka(texts: Pick<SettingTexts<KafkaSetting>, 'has' | 'isOn' | 'valid' | 'wrong'>): void {
  const withTls = ['kafkaCaFile', 'kafkaCertFile', 'kafkaKeyFile'] as const
  if (!texts.isOn('kafkaTls'))
    for (const name of withTls)
      if (texts.has(name)) texts.wrong(name, 'needs TLS: set PURSER_KAFKA_TLS (--kafka-tls) to true')
  if (texts.has('kafkaCertFile') !== texts.has('kafkaKeyFile'))
    texts.wrong(
      texts.has('kafkaCertFile') ? 'kafkaKeyFile' : 'kafkaCertFile',
      'is missing: a certificate and its private key come together',
    )
  const { kafkaCertFile: certificate, kafkaKeyFile: key } = texts.valid()
  if (certificate !== undefined && key !== undefined && !belongTogether(certificate, key))
    texts.wrong('kafkaKeyFile', 'holds the key of another certificate')
  for (const name of ['kafkaUser', 'kafkaPasswordFile'] as const)
    if (texts.has('kafkaSasl') && !texts.has(name)) texts.wrong(name, 'is missing: SASL needs it')
    else if (!texts.has('kafkaSasl') && texts.has(name))
      texts.wrong(name, 'needs a mechanism: set PURSER_KAFKA_SASL (--kafka-sasl)')
}

function kafkaOf(values: Pick<SettingValues, KafkaSetting>): KafkaConfig {
  const { brokers, clientId, topicPrefix, kafkaTls, kafkaCaFile, kafkaCertFile, kafkaKeyFile } = values
  const { kafkaSasl, kafkaUser = '', kafkaPasswordFile = '' } = values
  return {
    brokers,
    clientId,
    topicPrefix,
    ...(kafkaTls ? { tls: given({ ca: kafkaCaFile, cert: kafkaCertFile, key: kafkaKeyFile }) } : {}),
    ...(kafkaSasl === undefined
      ? {}
      : { sasl: { mechanism: kafkaSasl, username: kafkaUser, password: kafkaPasswordFile } }),
  }
}

function clickhouseOf(values: Pick<SettingValues, ClickHouseSetting>): ClickHouseConfig {
  return {
    url: values.clickhouseUrl,
    username: values.clickhouseUser,
    password: values.clickhousePasswordFile ?? '',
    database: values.clickhouseDatabase,
    ...given({ cluster: values.clickhouseCluster }),
  }
}

/** Without what is undefined. */
function given<T extends Readonly<Record<string, string | undefined>>>(
  values: T,
): { readonly [Name in keyof T]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    readonly [Name in keyof T]?: string
  }
}
