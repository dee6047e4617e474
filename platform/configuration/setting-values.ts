/** What each setting's text may be, and what it becomes. Every fault is a phrase that goes on behind the setting's name. */
import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { PARTITIONS_MAX } from '../../schemas/limits.ts'
import { ISO_CURRENCIES, isCurrencyCode, isScale } from '../../schemas/money.ts'
import { certificatesProblem, privateKeyProblem } from './pem.ts'
import { defaultEngineMemory, ENGINE_MEMORY_BYTES_MIN } from '../defaults.ts'
import type { SettingName } from './settings.ts'

const MIB = 1024 * 1024
const HOST = /^[A-Za-z0-9.:_-]{1,255}$/
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_.])?$/
const ADDRESS = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255}):(\d{1,5})$/
/** Kafka's own rule for topic names, with room for what is put behind. */
const TOPIC_PREFIX = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/
const CLICKHOUSE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/
const S3_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/
const PORT_MAX = 65_535
const REPLICATION_MAX = 9
/** An hour. A transfer under way holds money, and its client waits. */
const DEADLINE_SECONDS_MAX = 3_600
/** A year: views that may be as far behind as they like. */
const LAG_SECONDS_MAX = 31_536_000

/** Where snapshots are kept: a folder, or a bucket and what every key in it begins with (empty, or ending in a slash). */
export type SnapshotStoreSetting =
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'expected a whole number from 0 to 65535')
  .transform(Number)
  .refine((number) => number <= PORT_MAX, 'expected a whole number from 0 to 65535')
const path = z.string().min(1, 'expected a path').refine((text) => !text.includes('\0'), 'expected a path') // prettier-ignore
const boolean = z.enum(['true', 'false'], 'expected true or false').transform((text) => text === 'true')
/** The content of a file, read before; empty: none was named. */
const content = z.string().transform(absent)
const certificates = content.superRefine(problemOf(certificatesProblem))
const privateKey = content.superRefine(problemOf(privateKeyProblem))
const name = z.string().max(255, 'expected at most 255 characters').transform(absent)

const userName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/, 'expected a name of letters, digits, underscores and dashes') // prettier-ignore
const requiredPassword = z.string().min(1, 'is required: a file with the password, or the password in the variable without _FILE') // prettier-ignore

const currencies = z.array(z.string()).transform((texts, context) => {
  const all = new Map(ISO_CURRENCIES)
  for (const text of texts) {
    const [code = '', scaleText = '', ...rest] = text.split(':')
    const scale = /^\d{1,2}$/.test(scaleText) ? Number(scaleText) : -1
    const known = ISO_CURRENCIES.get(code)
    if (rest.length > 0 || !isCurrencyCode(code) || !isScale(scale))
      context.addIssue(`expected CODE:SCALE such as USDC:6 (code of 1 to 8 characters A-Z 0-9, scale 0 to 18), got "${text}"`)
    else if (known !== undefined && known.scale !== scale)
      context.addIssue(`${code} has ${known.scale} decimal places by ISO 4217; choose another code for another scale`)
    else all.set(code, { code, scale })
  }
  return all
}) // prettier-ignore

const hostNames = z.array(z.string()).transform((names, context) => {
  for (const name of names)
    if (!HOST_NAME.test(name) && !isIPv6(name))
      context.addIssue(`expected a host name or an IP address without a port, such as purser.example, got "${name}"`)
  return names
}) // prettier-ignore

const brokers = z.array(z.string()).transform((addresses, context) => {
  if (addresses.length === 0)
    context.addIssue('is required: the brokers of Kafka, such as kafka-1:9092,kafka-2:9092')
  for (const address of addresses) {
    const port = Number(ADDRESS.exec(address)?.[2] ?? 0)
    if (port < 1 || port > PORT_MAX)
      context.addIssue(`expected HOST:PORT such as kafka-1:9092, got "${address}"`)
  }
  return addresses
})

const snapshots = z.string().transform((text, context): SnapshotStoreSetting => {
  if (text === '')
    context.addIssue('is required: a folder that all writers see, or a bucket such as s3://bank/snapshots')
  if (!text.startsWith('s3:')) return { kind: 'folder', folder: text }
  const match = S3_URL.exec(text)
  if (match === null) context.addIssue(`expected s3://BUCKET or s3://BUCKET/PREFIX, got "${text}"`)
  const prefix = (match?.[2] ?? '').replace(/\/+$/, '')
  return { kind: 's3', bucket: match?.[1] ?? '', prefix: prefix === '' ? '' : `${prefix}/` }
})

/** One schema a setting. */
export const SETTING_VALUES = {
  port,
  host: z.string().regex(HOST, 'expected a host name or an IP address'),
  allowHost: hostNames,
  data: path,
  currency: currencies,
  graphiql: boolean,
  engineMemory: z
    .string()
    .regex(/^(\d{1,9})?$/, 'expected a whole number of MiB')
    .transform((text) => (text === '' ? defaultEngineMemory() : Number(text) * MIB))
    .refine((bytes) => bytes >= ENGINE_MEMORY_BYTES_MIN, 'expected 256 or more'),
  projection: z.array(path),
  config: z.string().transform(absent),
  coordination: z.enum(['tcc', 'saga'], 'expected tcc or saga'),
  transferDeadline: countUpTo(DEADLINE_SECONDS_MAX),
  viewsLagMax: countUpTo(LAG_SECONDS_MAX),
  partitions: z
    .string()
    .transform((text) => (text === '' ? undefined : text))
    .pipe(countUpTo(PARTITIONS_MAX).optional()),
  brokers,
  topicPrefix: z
    .string()
    .regex(TOPIC_PREFIX, 'expected at most 200 letters, digits, dots, dashes and underscores'),
  clientId: z.string().regex(/^[\x21-\x7e]{1,200}$/, 'expected 1 to 200 printable characters'),
  kafkaTls: boolean,
  kafkaCaFile: certificates,
  kafkaCertFile: certificates,
  kafkaKeyFile: privateKey,
  kafkaSasl: z
    .enum(['', 'plain', 'scram-sha-256', 'scram-sha-512'], 'expected plain, scram-sha-256 or scram-sha-512')
    .transform((text) => (text === '' ? undefined : text)),
  kafkaUser: name,
  kafkaPasswordFile: content,
  replication: countUpTo(REPLICATION_MAX),
  clickhouseUrl: z
    .string()
    .min(1, 'is required: the HTTP address of ClickHouse, such as http://clickhouse:8123')
    .refine(
      (text) => text === '' || isPlainUrl(text),
      'expected an address such as http://clickhouse:8123, without user, password or query',
    ),
  clickhouseUser: z.string().min(1, 'expected a name').max(255, 'expected at most 255 characters'),
  clickhousePasswordFile: content,
  clickhouseDatabase: z.string().regex(CLICKHOUSE_NAME, 'expected a name of letters, digits and underscores'),
  clickhouseCluster: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{0,64}$/, 'expected a name of letters, digits, dots, dashes and underscores')
    .transform(absent),
  viewsWriter: userName,
  viewsWriterPasswordFile: requiredPassword,
  viewsReader: userName,
  viewsReaderPasswordFile: requiredPassword,
  snapshots,
  s3Endpoint: z
    .string()
    .refine((text) => text === '' || isPlainUrl(text), 'expected an address such as http://store:9000')
    .transform(absent),
  s3Region: name,
  s3PathStyle: boolean,
  scratch: path,
  healthPort: port,
} as const satisfies Readonly<Record<SettingName, z.ZodType>>

/** What each setting becomes. */
export type SettingValues = { readonly [Name in SettingName]: z.infer<(typeof SETTING_VALUES)[Name]> }

function countUpTo(most: number) {
  const problem = `expected a whole number from 1 to ${most}`
  return z
    .string()
    .regex(/^[1-9]\d{0,8}$/, problem)
    .transform(Number)
    .refine((count) => count <= most, problem)
}

/** A refinement by what is found wrong, if anything was given. */
function problemOf(find: (text: string) => string | undefined) {
  return (text: string | undefined, context: z.RefinementCtx): void => {
    const problem = text === undefined ? undefined : find(text)
    if (problem !== undefined) context.addIssue(problem)
  }
}

function absent(text: string): string | undefined {
  return text === '' ? undefined : text
}

function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return /^https?:$/.test(protocol) && username + password + search + hash === ''
}
