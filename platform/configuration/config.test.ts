import { expect, test } from 'vitest'
import { mkdtempSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import {
  readAuditConfig,
  readConfig,
  readGatewayConfig,
  readProjectorConfig,
  readTopicsConfig,
  readWriterConfig,
} from './config.ts'
import { PlatformError } from '../errors.ts'
import { addSettings } from '../../cli/options.ts'
import { ROLES, SETTINGS, settingsOf, type Setting, type SettingName } from './settings.ts'

test('without flags and variables, the documented defaults hold', () => {
  const config = readConfig({}, {})
  expect(config).toMatchObject({ port: 4000, host: '127.0.0.1', dataDir: './data', graphiql: true })
  expect(config.currencies.get('EUR')).toEqual({ code: 'EUR', scale: 2 })
})

test('hosts are names and addresses without ports; all that are wrong are told', () => {
  const allowHosts = ['purser.example', '192.0.2.7', '2001:db8::7', 'gateway_1', 'x']
  expect(readConfig({ allowHost: allowHosts }, {}).allowHosts).toEqual(allowHosts)
  expect(readConfig({}, { PURSER_ALLOW_HOSTS: 'door, gateway-1,' }).allowHosts).toEqual(['door', 'gateway-1'])
  for (const wrong of ['purser.example:4000', 'http://purser.example', '*', '*.example', 'a b', '[::1]:1', 'user@host', '-x'])
    expect(problemsOf(() => readConfig({ allowHost: [wrong] }, {})), wrong).toEqual(['--allow-host'])
}) // prettier-ignore

test('a flag wins over a variable, and a variable over the default', () => {
  const environment = { PURSER_PORT: '5000', PURSER_DATA: '/tmp/from-variable' }
  expect(readConfig({ port: '6000' }, environment)).toMatchObject({
    port: 6000,
    dataDir: '/tmp/from-variable',
  })
})

test('currencies come from the repeated flag or the listed variable, beside those of ISO 4217', () => {
  const { currencies } = readConfig({ currency: ['USDC:6', 'GEMS:0'] }, {})
  expect(currencies.get('USDC')).toEqual({ code: 'USDC', scale: 6 })
  expect(readConfig({}, { PURSER_CURRENCIES: 'USDC:6, GEMS:0' }).currencies).toEqual(currencies)
})

test('all faults are reported at once, each by the name under which it was given', () => {
  const failure = failureOf(() =>
    readConfig(
      { port: '70000', currency: ['usd:2', 'EUR:3'] },
      { PURSER_HOST: 'a b', PURSER_GRAPHIQL: 'yes' },
    ),
  )
  expect(failure.code).toBe('usage')
  const faults = failure.details['faults'] as { setting: string }[]
  expect(faults.map(({ setting }) => setting)).toEqual([
    '--port', 'PURSER_HOST', '--currency', '--currency', 'PURSER_GRAPHIQL',
  ]) // prettier-ignore
})

test.each(['-1', '1e3', '4000.5', '', ' 80', '99999'])('%j is no port', (port) => {
  expect(failureOf(() => readConfig({ port }, {})).message).toContain('--port')
})

test('every setting has a flag and a variable of its own', () => {
  const settings: readonly Setting[] = Object.values(SETTINGS)
  const variables = settings.flatMap(({ variable, secretVariable }) => [variable, ...(secretVariable === undefined ? [] : [secretVariable])])
  expect(new Set(settings.map(({ flag }) => flag)).size).toBe(settings.length)
  expect(new Set(variables).size).toBe(variables.length)
}) // prettier-ignore

test('what the command line’s parser calls a flag is the setting’s name', () => {
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { flag, kind }: Setting = SETTINGS[name]
    const command = addSettings(new Command(), [name])
    expect(command.parse([flag, 'x'], { from: 'user' }).opts()).toEqual({ [name]: kind === 'list' ? ['x'] : 'x' })
  }
}) // prettier-ignore

test('a role has the settings that say so, and no setting is without a role', () => {
  expect(new Set(ROLES.flatMap((role) => settingsOf(role)))).toEqual(new Set(Object.keys(SETTINGS)))
  expect(settingsOf('platform')).not.toContain('brokers')
  expect(settingsOf('topics')).toEqual(expect.arrayContaining(['brokers', 'replication']))
})

const KAFKA = { PURSER_KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092' }
const VIEWS = { PURSER_CLICKHOUSE_URL: 'http://clickhouse:8123' }

test('each role runs with what is required and the documented defaults', () => {
  const kafka = { brokers: ['kafka-1:9092', 'kafka-2:9092'], clientId: 'purser', topicPrefix: 'purser' }
  const clickhouse = { url: 'http://clickhouse:8123', username: 'default', password: '', database: 'purser' }
  const health = { host: '127.0.0.1', port: 4001 }
  expect(readTopicsConfig({}, KAFKA)).toEqual({ kafka, partitions: undefined, replication: 3 })
  expect(readWriterConfig({ snapshots: '/mnt/shared' }, KAFKA)).toEqual({
    kafka, snapshots: { kind: 'folder', folder: '/mnt/shared' }, scratchDir: './scratch', health,
    core: { coordination: 'tcc', transferDeadlineMs: 10_000 },
  }) // prettier-ignore
  expect(readProjectorConfig({}, { ...KAFKA, ...VIEWS })).toEqual({ kafka, clickhouse, health })
  expect(readGatewayConfig({}, { ...KAFKA, ...VIEWS })).toMatchObject({
    kafka,
    clickhouse,
    port: 4000,
    graphiql: true,
  })
})

test('how transfers between partitions are coordinated is said to the platform and to writers alike', () => {
  const flags = { coordination: 'saga', transferDeadline: '30' }
  const core = { coordination: 'saga', transferDeadlineMs: 30_000 }
  expect(readConfig(flags, {}).core).toEqual(core)
  expect(readWriterConfig({ ...flags, snapshots: '/mnt/shared' }, KAFKA).core).toEqual(core)
  expect(failureOf(() => readConfig({ coordination: '2pc', transferDeadline: '0' }, {})).message).toMatch(
    /--coordination.*tcc or saga[^]*--transfer-deadline/,
  )
})

test('an audit is of a deployment where brokers are given, unless a flag names a folder; its views only where they are named', () => {
  const kafka = { brokers: ['kafka-1:9092', 'kafka-2:9092'], clientId: 'purser', topicPrefix: 'purser' }
  const clickhouse = { url: 'http://clickhouse:8123', username: 'default', password: '', database: 'purser' }
  expect(readAuditConfig({}, {})).toBeUndefined()
  expect(readAuditConfig({}, VIEWS)).toBeUndefined()
  expect(readAuditConfig({ data: 'folder' }, { ...KAFKA, ...VIEWS })).toBeUndefined()
  expect(readAuditConfig({}, KAFKA)).toEqual({ kafka, clickhouse: undefined })
  expect(readAuditConfig({}, { ...KAFKA, ...VIEWS })).toEqual({ kafka, clickhouse })
  // What is about a deployment is never passed over in silence.
  expect(problemsOf(() => readAuditConfig({ clickhouseUrl: 'http://clickhouse:8123' }, {}))).toEqual(['PURSER_KAFKA_BROKERS'])
  expect(problemsOf(() => readAuditConfig({ clickhouseDatabase: 'purser' }, KAFKA))).toEqual(['PURSER_CLICKHOUSE_URL'])
  expect(problemsOf(() => readAuditConfig({ topicPrefix: '' }, {})).sort()).toEqual(['--topic-prefix', 'PURSER_KAFKA_BROKERS'])
}) // prettier-ignore

test('snapshots in a bucket: its prefix ends in one slash, and what the store needs stands beside', () => {
  const flags = {
    snapshots: 's3://bank-1/deep/prefix//',
    s3Endpoint: 'http://store:9000',
    s3PathStyle: 'true',
    s3Region: 'eu-central-1',
  }
  expect(readWriterConfig(flags, KAFKA).snapshots).toEqual({
    kind: 's3', bucket: 'bank-1', prefix: 'deep/prefix/', endpoint: 'http://store:9000', region: 'eu-central-1', pathStyle: true,
  }) // prettier-ignore
  const regional = { ...KAFKA, AWS_REGION: 'eu-central-1' }
  expect(readWriterConfig({ snapshots: 's3://bank-1' }, regional).snapshots).toMatchObject({ prefix: '' })
  expect(problemsOf(() => readWriterConfig({ snapshots: 's3://B_' }, KAFKA))).toEqual(['--snapshots'])
})

test('a password comes from a file, without its line end, or from a variable; the flag wins', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-config-'))
  const file = path.join(folder, 'password')
  writeFileSync(file, 'from file \n')
  const sasl = { ...KAFKA, PURSER_KAFKA_SASL: 'scram-sha-512', PURSER_KAFKA_USER: 'writer' }
  const passwordOf = (environment: Record<string, string>, flags = {}) =>
    readTopicsConfig(flags, { ...sasl, ...environment }).kafka.sasl?.password
  expect(passwordOf({ PURSER_KAFKA_PASSWORD: 'direct' })).toBe('direct')
  expect(passwordOf({ PURSER_KAFKA_PASSWORD_FILE: file })).toBe('from file ')
  expect(passwordOf({ PURSER_KAFKA_PASSWORD: 'direct' }, { kafkaPasswordFile: file })).toBe('from file ')
  expect(problemsOf(() => passwordOf({ PURSER_KAFKA_PASSWORD_FILE: path.join(folder, 'none') }))).toEqual([
    'PURSER_KAFKA_PASSWORD_FILE',
  ])
})

test('a variable that is set and empty is not given: compose files pass on what nobody set', () => {
  expect(readTopicsConfig({}, { ...KAFKA, PURSER_KAFKA_SASL: '', PURSER_KAFKA_PASSWORD: '' }).kafka.sasl).toBe(undefined)
}) // prettier-ignore

test('settings that do not go together are faults like any other, reported with them', () => {
  const environment = { ...KAFKA, PURSER_KAFKA_PASSWORD: 'x', PURSER_KAFKA_CERT_FILE: 'missing.pem' }
  expect(problemsOf(() => readWriterConfig({ healthPort: 'x' }, environment)).sort()).toEqual([
    '--health-port',
    'PURSER_KAFKA_CERT_FILE', // it cannot be read
    'PURSER_KAFKA_CERT_FILE', // it needs TLS
    'PURSER_KAFKA_KEY_FILE', // it is missing
    'PURSER_KAFKA_PASSWORD', // it needs a mechanism
    'PURSER_SNAPSHOTS', // it is required
  ])
})

test('a bucket without a region, certificates and keys that hold none: faults as well, all at once', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-config-'))
  const file = path.join(folder, 'not.pem')
  writeFileSync(file, 'not a certificate')
  const cut = path.join(folder, 'cut.pem')
  writeFileSync(cut, '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n')
  const tls = { kafkaTls: 'true', kafkaCaFile: file, kafkaCertFile: cut, kafkaKeyFile: file }
  const failure = failureOf(() => readWriterConfig({ ...tls, snapshots: 's3://bank-1' }, { HOME: folder }))
  expect(failure.details['faults']).toEqual([
    { setting: 'PURSER_KAFKA_BROKERS', problem: expect.stringContaining('is required') as string },
    { setting: '--kafka-ca-file', problem: expect.stringContaining('holds no certificate') as string },
    { setting: '--kafka-cert-file', problem: expect.stringContaining('certificate 1 of 1') as string },
    { setting: '--kafka-key-file', problem: expect.stringContaining('holds no private key') as string },
    { setting: 'PURSER_S3_REGION', problem: expect.stringContaining('a bucket is in a region') as string },
  ])
})

test.each(['', 'kafka-1', 'kafka-1:0', 'kafka-1:99999', 'http://kafka-1:9092'])(
  '%j is no broker',
  (broker) => {
    expect(problemsOf(() => readTopicsConfig({ brokers: [broker] }, {}))).toEqual(['--brokers'])
  },
)

test.each([
  'clickhouse:8123',
  'ftp://clickhouse',
  'http://user:secret@clickhouse:8123',
  'http://clickhouse?x=1',
])('%j is no address of a ClickHouse server', (clickhouseUrl) => {
  expect(problemsOf(() => readProjectorConfig({ clickhouseUrl }, KAFKA))).toEqual(['--clickhouse-url'])
})

function problemsOf(work: () => unknown): string[] {
  return (failureOf(work).details['faults'] as { setting: string }[]).map(({ setting }) => setting)
}

function failureOf(work: () => unknown): PlatformError {
  try {
    work()
  } catch (error) {
    if (error instanceof PlatformError) return error
    throw error
  }
  throw new Error('It did not fail.')
}
