/**
 * TLS, SASL and ACLs on a real broker whose only way in for clients is encrypted and asks who they are. Its sessions end after
 * four seconds, so whatever takes longer has lived through that.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { AclEntry } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readTopicsConfig } from '../platform/configuration/config.ts'
import { graphql } from '../cli/graphql-client.ts'
import { describeFailure } from '../cli/output/report-failure.ts'
import { startGatewayRole } from '../platform/roles/gateway-role.ts'
import { startProjectorRole } from '../platform/roles/projector-role.ts'
import { startWriterRole } from '../platform/roles/writer-role.ts'
import { connectToLeader, createKafka, type Broker } from '../eventlog/kafka/kafkajs/client.ts'
import { openKafkaCommandQueue } from '../eventlog/kafka/commands/command-queue.ts'
import { joinGroup } from '../eventlog/kafka/group/membership.ts'
import { OutageWatch } from '../eventlog/kafka/kafkajs/outage-watch.ts'
import { openRecordSender } from '../eventlog/kafka/partition/record-sender.ts'
import { topicNames, type KafkaSettings } from '../eventlog/kafka/settings.ts'
import { openTopicReader } from '../eventlog/kafka/partition/topic-reader.ts'
import { checkTopics, createTopics } from '../eventlog/kafka/topics/topics.ts'
import { classifyError } from '../eventlog/kafka/kafkajs/classify-error.ts'
import { startEngine, type Engine } from '../projectors/engine/supervisor.ts'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { createAuthority } from './support/kafka/certificates.ts'
import { ADMIN, passwordOf, secureCluster, type Users } from './support/kafka/secured.ts'
import { kafkaTool } from './support/kafka/tool.ts'
import { withKafkaCluster } from './support/kafka.ts'
import { newId } from './support/load.ts'
import { onlyJson, said, spawnPurser, type Running } from './support/purser.ts'
import { PATIENCE_MS, TEST_MS_MAX } from './support/patience.ts'
import { haveTools } from './support/tools.ts'

const SESSION_MS = 4_000
/** More than two sessions. */
const LONG_MS = 9_000
/** Whoever cannot be let in is told so within this, also on a busy machine. */
const TOLD_MS_MAX = PATIENCE_MS
const quiet = (): void => undefined
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** The commands that docs/distributed.md gives an operator: what stands behind `$acls`. */
const commands = [...readFileSync(new URL('../docs/distributed.md', import.meta.url), 'utf8').matchAll(/^\$acls (.+)$/gm)]
  .map((match) => match[1]!.split(' ')) // prettier-ignore

/** One right, as those commands give it. */
interface Right {
  readonly user: string
  readonly operation: string
  readonly kind: 'topic' | 'group'
  readonly name: string
  readonly isPrefix: boolean
}

const rights = commands.flatMap((words): Right[] => {
  const all = (flag: string): string[] => words.filter((_, at) => words[at - 1] === flag)
  const [user] = all('--allow-principal').map((principal) => principal.replace('User:', ''))
  const isPrefix = all('--resource-pattern-type').includes('prefixed')
  return (['topic', 'group'] as const).flatMap((kind) =>
    all(`--${kind}`).flatMap((name) =>
      all('--operation').map((operation) => ({ user: user!, operation, kind, name, isPrefix })),
    ),
  )
})

/** For each right of a role one who has its other rights, and a deployment of its own. */
const lacking = rights
  .filter(({ user }) => ['purser-writer', 'purser-gateway', 'purser-projector'].includes(user))
  .map((right, index) => ({ right, user: `lacking-${index}`, topicPrefix: `lacking-${index}` }))

const users: Users = {
  'purser-writer': 'scram-sha-512',
  'purser-gateway': 'scram-sha-256',
  'purser-projector': 'plain',
  'purser-operator': 'scram-sha-512',
  'purser-auditor': 'scram-sha-256',
  ...Object.fromEntries(lacking.map(({ user }) => [user, 'plain' as const])),
  'only-sees': 'plain',
  leaving: 'scram-sha-512',
}

const OPENED = `mutation($input: OpenAccountInput!) { result: openAccount(input: $input) { __typename } }`
const TRANSFER = `mutation($input: TransferInput!) { result: transfer(input: $input) { __typename ... on TransferApplied { position } } }`
const BALANCE = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } } }`

if (haveTools('Kafka with TLS, users and rights', 'openssl')) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-security-'))
  const secured = secureCluster(folder, users, SESSION_MS)
  await withKafkaCluster('Kafka with TLS, users and rights', { security: secured.security }, (cluster) => {
    const [broker] = cluster.brokers
    const { address, mutualAddress, controllerAddress } = broker!

    /** The variables of docs/distributed.md for one user. */
    function environmentOf(user: string): Record<string, string> {
      const passwordFile = path.join(folder, `${user}.password`)
      writeFileSync(passwordFile, `${passwordOf(user)}\n`)
      return {
        PURSER_KAFKA_BROKERS: address,
        PURSER_KAFKA_TLS: 'true',
        PURSER_KAFKA_CA_FILE: secured.authority.file,
        PURSER_KAFKA_SASL: users[user] ?? 'plain',
        PURSER_KAFKA_USER: user,
        PURSER_KAFKA_PASSWORD_FILE: passwordFile,
      }
    }

    function settingsOf(user: string, changes: Readonly<Record<string, string>> = {}): KafkaSettings {
      return readTopicsConfig({}, { ...environmentOf(user), ...changes }).kafka
    }

    function purserAs(user: string, ...args: readonly string[]): Running {
      return spawnPurser([...args, '--json'], {
        runMsMax: TEST_MS_MAX - 5_000,
        environment: {
          ...environmentOf(user),
          PURSER_CLICKHOUSE_URL: engine.url,
          PURSER_CLICKHOUSE_USER: engine.username,
          PURSER_CLICKHOUSE_PASSWORD: engine.password,
          PURSER_CLICKHOUSE_DATABASE: 'default',
          PURSER_PORT: '0',
          PURSER_HEALTH_PORT: '0',
          PURSER_SNAPSHOTS: path.join(folder, 'snapshots'),
          PURSER_SCRATCH: path.join(folder, 'scratch'),
        },
      })
    }

    /** As an operator reaches the cluster with Kafka's own tools. */
    const config = path.join(folder, 'admin.properties')
    const common = ['--bootstrap-server', address, '--command-config', config]

    let engine: Engine
    beforeAll(async () => {
      const login = `org.apache.kafka.common.security.plain.PlainLoginModule required username="${ADMIN}" password="${passwordOf(ADMIN)}";`
      const lines = ['security.protocol=SASL_SSL', 'sasl.mechanism=PLAIN', `sasl.jaas.config=${login}`, 'ssl.truststore.type=PEM', `ssl.truststore.location=${secured.authority.file}`] // prettier-ignore
      writeFileSync(config, `${lines.join('\n')}\n`)
      const [started] = await Promise.all([
        startEngine({ dataDir: path.join(folder, 'views'), memoryBytesMax: 1024 ** 3 }),
        ...commands.map((words) => kafkaTool('kafka-acls.sh', [...common, '--add', ...words])),
      ])
      engine = started
      const topics = await purserAs('purser-operator', 'topics', '--create', '--partitions', '1', '--replication', '1').finished // prettier-ignore
      expect(topics.exitCode, topics.stdout).toBe(0)
    }, TEST_MS_MAX)

    afterAll(async () => {
      await Promise.all([engine?.stop(), cluster.stop()])
      rmSync(folder, { recursive: true, force: true })
    })

    describe.concurrent('over SASL_SSL, with the rights of docs/distributed.md', () => {
      test('roles take transfers for longer than a session lasts, and end in order; nothing is sent twice', { timeout: TEST_MS_MAX }, async ({ expect }) => {
        const roles = [purserAs('purser-writer', 'writer'), purserAs('purser-projector', 'projector')]
        const health = await Promise.all(roles.map((one) => said(one, 'health')))
        const gateway = purserAs('purser-gateway', 'gateway')
        roles.push(gateway)
        const url = await said(gateway, 'url')
        for (const one of [...health, url])
          await expect.poll(async () => (await fetch(`${one}/readyz`).catch(quiet))?.status, { interval: 200 }).toBe(200)

        const [bank, anna] = [newId(), newId()]
        for (const [accountId, system] of [[bank, true], [anna, false]])
          await graphql(url, OPENED, { input: { accountId, owner: 'o', currency: 'EUR', system } })
        const startedMs = performance.now()
        let count = 0
        let after = ''
        for (; performance.now() - startedMs < LONG_MS; count++) {
          const input = { id: newId(), debitAccountId: bank, creditAccountId: anna, amount: '1', currency: 'EUR' }
          const { result } = await graphql<{ result: { __typename: string; position: string } }>(url, TRANSFER, { input })
          expect(result.__typename).toBe('TransferApplied')
          after = result.position
          // Also a connection that nobody has used since its session was over.
          await pause(count === 5 ? SESSION_MS + 500 : 100)
        }
        const { balance } = await graphql<{ balance: { balance: { minor: string } } }>(url, BALANCE, { id: anna, after })
        expect(balance.balance.minor).toBe(String(count))
        const writer = (await (await fetch(`${health[0]}/readyz`)).json()) as { partitions: readonly object[] }
        expect(writer.partitions).toMatchObject([{ state: 'serving', framesVoid: 0 }])

        for (const { child } of roles) child.kill('SIGTERM')
        const ends = await Promise.all(roles.map(({ finished }) => finished))
        const stories = ends.map(({ stderr }) => stderr).join('\n')
        expect(ends.map(({ exitCode }) => exitCode), stories).toEqual([0, 0, 0])
        expect(stories).not.toMatch(/SASL|session|authori[sz]|certificate|TLS/i)

        const audit = await purserAs('purser-auditor', 'audit').finished
        expect(audit, audit.stdout + audit.stderr).toMatchObject({ exitCode: 0 })
      }) // prettier-ignore

      test('own connections outlive their sessions, busy and idle: every record once, in order', { timeout: TEST_MS_MAX }, async ({ expect }) => {
        const settings = { ...settingsOf(ADMIN), topicPrefix: 'sessions' }
        await createTopics(settings, { partitions: 1, replication: 1 }, quiet)
        const lines: string[] = []
        const options = { settings, topic: topicNames(settings).events, partition: 0, log: (line: string) => lines.push(line) }
        const [reader, sender, idle] = [openTopicReader(options), openRecordSender(options), openRecordSender(options)]
        const read: string[] = []
        const sent: string[] = []
        const send = async (by: typeof sender, value: string): Promise<void> => {
          expect(await by.send([Buffer.from(value)])).toBe(BigInt(sent.length))
          sent.push(value)
        }
        const over = new AbortController()
        const reading = (async () => {
          for await (const records of reader.read(0n, { signal: over.signal }))
            read.push(...records.map(({ value }) => value.toString()))
        })()
        await send(idle, 'first')
        const startedMs = performance.now()
        for (let index = 0; performance.now() - startedMs < LONG_MS; index++) {
          await send(sender, String(index))
          await pause(50)
        }
        await send(idle, 'last')
        await expect.poll(() => read).toEqual(sent)
        over.abort()
        await reading.catch(quiet)
        for (const one of [reader, sender, idle]) one.close()
        expect(lines).toEqual([])
      }) // prettier-ignore

      test('whoever loses his password is let go at the end of his session, with a refusal', { timeout: TOLD_MS_MAX }, async () => {
        const rights = ['--allow-principal', 'User:leaving', '--operation', 'Read', '--topic', 'purser.events']
        await kafkaTool('kafka-acls.sh', [...common, '--add', ...rights])
        const topic = topicNames(settingsOf(ADMIN)).events
        const reader = openTopicReader({ settings: settingsOf('leaving'), topic, partition: 0, log: quiet })
        const { end } = await reader.bounds()
        const following = failureOf(
          (async () => {
            for await (const _ of reader.read(end));
          })(),
        )
        const entity = ['--entity-type', 'users', '--entity-name', 'leaving']
        await kafkaTool('kafka-configs.sh', [...common, '--alter', ...entity, '--delete-config', 'SCRAM-SHA-512'])
        expect(await following).toMatchObject({ code: 'kafka_refused', message: expect.stringContaining('user leaving') as string })
        reader.close()
      }) // prettier-ignore

      test('a role may do nothing that is not its work', async () => {
        const names = topicNames(settingsOf(ADMIN))
        const may = async (user: string, topic: string, what: 'read' | 'write'): Promise<string> => {
          try {
            const { broker, destroy } = await connectToLeader(settingsOf(user), topic, 0, quiet, 0)
            await (what === 'read' ? fetchFirst(broker, topic) : writeNothing(broker, topic)).finally(destroy)
            return 'yes'
          } catch (error) {
            return classifyError(error).kind
          }
        }
        // The admin may, so it is not the requests.
        expect(await may(ADMIN, names.commands, 'read')).toBe('yes')
        const foreign = [
          ['purser-gateway', names.commands, 'read'],
          ['purser-gateway', names.events, 'write'],
          ['purser-projector', names.commands, 'read'],
          ['purser-projector', names.events, 'write'],
          ['purser-auditor', names.commands, 'read'],
          ['purser-auditor', names.events, 'write'],
          ['purser-operator', names.events, 'read'],
          ['purser-operator', names.commands, 'write'],
        ] as const
        const found = await Promise.all(foreign.map(([user, topic, what]) => may(user, topic, what)))
        expect(found).toEqual(foreign.map(() => 'rights'))
      }) // prettier-ignore
    })

    describe.concurrent(
      'who may not, or does not fit, is told so within a bound, with a code and what to do',
      () => {
        const other = createAuthority(folder, 'other')
        const wrong = path.join(folder, 'wrong.password')
        writeFileSync(wrong, 'wrong')
        const host = `localhost:${address.split(':')[1]}`
        const none = { PURSER_KAFKA_SASL: '', PURSER_KAFKA_USER: '', PURSER_KAFKA_PASSWORD_FILE: '' }
        const noTls = { PURSER_KAFKA_TLS: 'false', PURSER_KAFKA_CA_FILE: '' }
        const certificate = { PURSER_KAFKA_CERT_FILE: secured.adminCertificate.certFile, PURSER_KAFKA_KEY_FILE: secured.adminCertificate.keyFile } // prettier-ignore
        test.each([
        ['a wrong password, PLAIN', 'purser-projector', { PURSER_KAFKA_PASSWORD_FILE: wrong }, 'kafka_refused', /user purser-projector.*Check the user, the password/],
        ['a wrong password, SCRAM-SHA-256', 'purser-gateway', { PURSER_KAFKA_PASSWORD_FILE: wrong }, 'kafka_refused', /user purser-gateway.*Check the user, the password/],
        ['a wrong password, SCRAM-SHA-512', 'purser-writer', { PURSER_KAFKA_PASSWORD_FILE: wrong }, 'kafka_refused', /user purser-writer.*Check the user, the password/],
        ['the wrong mechanism', 'purser-writer', { PURSER_KAFKA_SASL: 'scram-sha-256' }, 'kafka_refused', /Check the user, the password and the mechanism/],
        ['a certificate that nobody vouches for', ADMIN, { PURSER_KAFKA_CA_FILE: '' }, 'kafka_untrusted', /Check the file with the certificates/],
        ['a certificate that another authority vouches for', ADMIN, { PURSER_KAFKA_CA_FILE: other.file }, 'kafka_untrusted', /Check the file with the certificates/],
        ['a certificate for another host', ADMIN, { PURSER_KAFKA_BROKERS: host }, 'kafka_untrusted', /localhost.*a name that stands in theirs/],
        ['no TLS, where it is wanted', ADMIN, { ...noTls, ...none }, 'kafka_unreachable', /wants TLS and SASL/],
        ['SASL without TLS, where it is wanted', ADMIN, noTls, 'kafka_unreachable', /wants TLS and SASL/],
        ['TLS without SASL, where it is wanted', ADMIN, none, 'kafka_unreachable', /wants TLS and SASL/],
        ['TLS, where it is not wanted', ADMIN, { PURSER_KAFKA_BROKERS: controllerAddress }, 'kafka_unreachable', /wants TLS/],
        ['no certificate, where one is wanted', ADMIN, { PURSER_KAFKA_BROKERS: mutualAddress, ...none }, 'kafka_refused', /certificate.*Check the own certificate/],
      ] as const)('%s', { timeout: TOLD_MS_MAX }, async (_what, user, changes, code, message) => {
        const settings = settingsOf(user, changes)
        const lines: string[] = []
        const log = (line: string): void => void lines.push(line)
        const topic = topicNames(settings).events
        const reader = openTopicReader({ settings, topic, partition: 0, log, outageMsMax: 2_000 })
        const group = { groupId: 'purser.projector.x', topic, onAssigned: quiet, onFailure: quiet, rejoinForMs: 2_000, log }
        const ends = await Promise.all([
          failureOf(checkTopics(settings, { partitions: 1, replication: 1 }, log)),
          failureOf(joinGroup(settings, group)),
          failureOf(reader.bounds()),
        ])
        reader.close()
        for (const end of ends) {
          expect(end).toMatchObject({ code, message: expect.stringMatching(message) as string })
          expect(end.message).toMatch(/^Kafka.*\.$|^No broker.*\.$|^The certificate.*\.$/)
        }
        for (const text of [...lines, ...ends.map((end) => end.message)]) expect(text).not.toMatch(/\n\s+at |\n.*\S/)
      }) // prettier-ignore

        test('a role that starts with a wrong password ends, and does not try for long', async () => {
        const environment = { ...environmentOf('purser-writer'), PURSER_KAFKA_PASSWORD_FILE: wrong, PURSER_SNAPSHOTS: folder, PURSER_HEALTH_PORT: '0' }
        const { exitCode, stdout, stderr } = await spawnPurser(['writer', '--json'], { environment, runMsMax: TOLD_MS_MAX }).finished
        expect(exitCode, stderr).toBe(1)
        expect(onlyJson(stdout)).toMatchObject({ ok: false, error: { code: 'kafka_refused' } })
        expect(stderr).not.toMatch(/^\s+at /m)
      }) // prettier-ignore

        test('with a certificate of one’s own, where one is wanted, one is let in', async () => {
          const settings = settingsOf(ADMIN, { PURSER_KAFKA_BROKERS: mutualAddress, ...none, ...certificate })
          await expect(checkTopics(settings, { partitions: 1, replication: 1 }, quiet)).resolves.toBeDefined()
        })

        describe('each right is needed: without it the role says so and ends', () => {
          beforeAll(async () => {
            const admin = createKafka(settingsOf(ADMIN), quiet).admin()
            await admin.connect()
            const acl = lacking.flatMap(({ right, user, topicPrefix }) =>
              rights
                .filter((one) => one.user === right.user && one !== right)
                .map((one) => aclOf(user, { ...one, name: one.name.replace('purser', topicPrefix) })),
            )
            const sees = {
              operation: 'Describe',
              kind: 'topic',
              name: 'purser.commands',
              isPrefix: false,
            } as const
            await admin.createAcls({ acl: [...acl, aclOf('only-sees', sees)] })
            await admin.disconnect()
            for (const { topicPrefix } of lacking)
              await createTopics(
                { ...settingsOf(ADMIN), topicPrefix },
                { partitions: 2, replication: 1 },
                quiet,
              )
          }, TEST_MS_MAX)

          test.each(lacking)('$right.user without $right.operation on $right.kind $right.name', { timeout: TOLD_MS_MAX }, async ({ right, user, topicPrefix }) => {
          const kafka = { ...settingsOf(user), topicPrefix }
          const clickhouse = { url: engine.url, username: engine.username, password: engine.password, database: 'default' }
          const at = (name: string): string => path.join(folder, topicPrefix, name)
          const start = async () => {
            if (right.user === 'purser-projector') return startProjectorRole({ kafka, clickhouse, log: quiet })
            if (right.user === 'purser-gateway')
              return startGatewayRole({ kafka, clickhouse, log: quiet, host: '127.0.0.1', port: 0, currencies: new Map(), graphiql: false })
            return startWriterRole({ kafka, log: quiet, snapshots: { kind: 'folder', folder: at('snapshots') }, scratchDir: at('scratch') })
          }
          const { code, message } = describeFailure(
            await start().then(
              (role) => role.failed.finally(() => role.stop()),
              (error: unknown) => error,
            ),
          )
          expect(code).toBe('kafka_refused')
          expect(message).toMatch(new RegExp(`Kafka.*user ${user}.*not authorized for the .*${right.kind}.*docs/distributed.md`))
        }) // prettier-ignore

          test('who loses the right to write commands is told with each, and it is never taken for stored', async () => {
          const lines: string[] = []
          const outages = new OutageWatch()
          const queue = openKafkaCommandQueue({ settings: settingsOf('only-sees'), partition: 0, outages, log: (line) => lines.push(line) })
          const place = await new Promise((resolve) => queue.offer(new Uint8Array(COMMAND_SLOT_BYTES), 1, resolve))
          expect(place).toBeUndefined()
          for (const told of [outages.outages(), lines]) expect(told).toEqual([expect.stringMatching(/user only-sees.*not authorized for the topic/)])
          queue.close()
        }) // prettier-ignore
        })
      },
    )
  })
}

async function failureOf(
  work: Promise<unknown>,
): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await work
  } catch (error) {
    return describeFailure(error)
  }
  throw new Error('It did not fail.')
}

function fetchFirst(broker: Broker, topic: string): Promise<unknown> {
  return broker.fetch({ topic, partition: 0, offset: 0n, waitMs: 100, bytesMax: 1000 })
}

function writeNothing(broker: Broker, topic: string): Promise<unknown> {
  return broker.produce({ topic, partition: 0, acks: -1, timeoutMs: 1_000, values: [Buffer.alloc(1)] })
}

/** Kafka's numbers. */
const ALLOW = 3
const LITERAL = 3
const PREFIXED = 4
const RESOURCES = { topic: 2, group: 3 } as const
const OPERATIONS: Readonly<Record<string, AclEntry['operation']>> = { Read: 3, Write: 4, Describe: 8 }

/** A right as kafkajs's administration takes it. */
function aclOf(user: string, { operation, kind, name, isPrefix }: Omit<Right, 'user'>): AclEntry {
  return {
    principal: `User:${user}`,
    host: '*',
    permissionType: ALLOW,
    operation: OPERATIONS[operation]!,
    resourceType: RESOURCES[kind],
    resourceName: name,
    resourcePatternType: isPrefix ? PREFIXED : LITERAL,
  }
}
