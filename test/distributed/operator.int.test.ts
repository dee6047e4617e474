/** The operator's commands on a deployment of real processes: those that ask a gateway, and the audit, which asks nobody. */
import { writeFile, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accountId } from '../../cli/external-ids.ts'
import { createKafka, createProducer } from '../../eventlog/kafka/kafkajs/client.ts'
import { openKafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
import { deleteRecordsBefore, sendRecords } from '../support/kafka/topics.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { decodePosition } from '../../gateway/positions/tokens.ts'
import { formatPosition, parsePosition, type Position } from '../../schemas/positions.ts'
import type { Frame } from '../../schemas/frames.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { DeploymentLoad } from '../support/deployment-load.ts'
import { withKafka } from '../support/kafka.ts'
import { command } from '../support/in-process.ts'
import { onlyJson, purser, type Finished } from '../support/purser.ts'

const PARTITIONS = 2
const START_MS_MAX = 120_000
const TEST_MS_MAX = 120_000
const ROWS = 500

/** It cannot take one event. */
const AMOUNTS = `export default { projection: {
  kind: 'sql', name: 'amounts', version: 1,
  tables: [{
    name: 'amounts',
    columns: [['partition', 'UInt16'], ['sequence', 'UInt64'], ['amount', 'Int64']],
    key: ['sequence'],
    select: "partition, sequence, amount + throwIf(partition = 0 AND sequence = 20, 'not this one') AS amount",
  }],
} }
`

interface Audit {
  readonly ok: boolean
  readonly position: string
  readonly events: string
  readonly trialBalance: Readonly<Record<string, string>>
  readonly checks: readonly { readonly name: string; readonly holds: boolean; readonly finding: string }[]
  readonly partitions: readonly { readonly partition: number; readonly voidFrames: number; readonly digest: string }[]
} // prettier-ignore

await withKafka('the operator’s commands on a deployment', (kafka) => {
  describe('the operator’s commands on a deployment', () => {
    let deployment: Deployment
    let folder: string
    let url: string

    beforeAll(async () => {
      folder = await mkdtemp(path.join(os.tmpdir(), 'purser-operator-'))
      deployment = await startDeployment({
        kafka: await kafka.deployment(PARTITIONS),
        partitions: PARTITIONS,
      })
      url = deployment.urls()[0]!
    }, START_MS_MAX)
    afterAll(async () => {
      await deployment.stop()
      await rm(folder, { recursive: true, force: true })
    })

    const law = (title: string, body: () => Promise<void>, msMax = TEST_MS_MAX): void =>
      void test(title, body, msMax)
    const events = (): string => topicNames(deployment.kafka).events
    const runAudit = (...more: readonly string[]): Promise<Finished> =>
      purser('audit', ...deployment.viewArguments(), ...more)

    async function audit(): Promise<Audit & { readonly exitCode: number | null }> {
      const { exitCode, stdout, stderr } = await runAudit()
      const told = onlyJson(stdout) as unknown as Audit
      expect(told.checks, stdout + stderr).toBeDefined()
      return { ...told, exitCode }
    }

    async function viewsFollow(): Promise<Audit> {
      const at = await audit()
      await deployment.untilViewed(parsePosition(at.position)!)
      return at
    }

    /** Puts records on the events topic beside the writer. Returns the offset of the first. */
    async function put(partition: number, ...values: readonly Uint8Array[]): Promise<bigint> {
      const producer = createProducer(createKafka(deployment.kafka, () => undefined))
      await producer.connect()
      try {
        return await sendRecords(producer, events(), partition, values)
      } finally {
        await producer.disconnect()
      }
    }

    async function framesOf(partition: number): Promise<readonly { frame: Frame; logOffset: bigint }[]> {
      const frames: { frame: Frame; logOffset: bigint }[] = []
      const log = await openKafkaEventLog({
        settings: deployment.kafka,
        partition,
        follows: false,
        log: () => undefined,
        onCatchUp: (frame, logOffset) => void frames.push({ frame, logOffset }),
      })
      log.close()
      return frames
    }

    law('an import through a gateway loads every row, and again changes nothing', async () => {
      const names = Array.from({ length: 50 }, (_, index) => `account ${index}`)
      const [cash, ...customers] = names.filter((name) => partitionOf(accountId(name), PARTITIONS) === 0)
      const rows = [
        { type: 'account', id: cash, currency: 'EUR', system: true },
        ...customers.map((id) => ({ type: 'account', id, currency: 'EUR' })),
        ...Array.from({ length: ROWS }, (_, index) => ({
          type: 'transfer', id: `t${index}`, debit: cash, credit: customers[index % customers.length], amount: '1', currency: 'EUR',
        })),
      ] // prettier-ignore
      const file = path.join(folder, 'rows.ndjson')
      await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      for (const [gateway, counts] of [
        [url, { accepted: rows.length, replayed: 0 }],
        [deployment.urls()[1]!, { accepted: 0, replayed: rows.length }],
      ] as const) {
        const { exitCode, stdout, stderr } = await purser('import', file, '--url', gateway, '--json')
        expect(exitCode, stdout + stderr).toBe(0)
        expect(onlyJson(stdout)).toMatchObject({
          ok: true,
          lines: rows.length,
          ...counts,
          refused: {},
          bad: 0,
        })
      }
    })

    law('the demo’s story holds through a gateway', async () => {
      const { exitCode, stdout, stderr } = await purser('demo', '--url', url, '--json')
      const { steps } = onlyJson(stdout) as { steps?: readonly { holds: boolean }[] }
      expect({ exitCode, wrong: steps?.filter(({ holds }) => !holds) }, stdout + stderr).toEqual({ exitCode: 0, wrong: [] })
    }) // prettier-ignore

    law('a gateway says that it is ready, and nothing of snapshots, which are its writers’ own', async () => {
      const { exitCode, stdout, stderr } = await purser('status', '--url', url)
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
      expect(stdout).toMatch(
        new RegExp(
          `^ready at ${url}\\ncommands   ready\\nreads      ready\\npartition 0  ready\\npartition 1  ready\\n(\\w+ +live +.* s behind(, \\w+( by \\d+ events/s)? over \\d+ (s|min))?\\n){4}$`,
        ),
      )
    })

    law('a gateway says how far the views are', async () => {
      // The demo's hold runs out some time later: where the views have to be is asked each time.
      const told = async (): Promise<unknown> => {
        const { position } = await viewsFollow()
        const { exitCode, stdout } = await purser('projections', '--url', url, '--json')
        const { ok, projections } = onlyJson(stdout) as { ok: boolean; projections: { position: string }[] }
        // A partition without an event stands in the one and not in the other.
        const begun = (all: Position): string => formatPosition(new Map([...all].filter(([, at]) => at > 0n)))
        const expected = begun(parsePosition(position)!)
        const read = projections.map((one) => {
          const at = begun(decodePosition(one.position)!)
          return { ...one, position: at === expected ? 'as audited' : `${at}, not ${expected}` }
        })
        return { exitCode, ok, projections: read }
      }
      const caughtUp = { state: 'LIVE', lagEvents: '0', position: 'as audited', failure: null }
      await expect
        .poll(told)
        .toMatchObject({ exitCode: 0, ok: true, projections: [caughtUp, caughtUp, caughtUp, caughtUp] })
    })

    law(
      'beside writers that go on, an audit holds: chain, books and views, up to where each was',
      async () => {
        const load = new DeploymentLoad(PARTITIONS, () => deployment.urls())
        await load.openAccounts()
        const before = await viewsFollow()
        load.start()
        const during = await audit()
        await load.end()
        const after = await viewsFollow()
        for (const told of [before, during, after]) {
          expect(told).toMatchObject({ ok: true, exitCode: 0 })
          expect(told.checks.map(({ name, holds }) => [name, holds])).toEqual([['log', true], ['trialBalance', true], ['views', true]]) // prettier-ignore
          expect(Object.values(told.trialBalance)).toEqual(Object.values(told.trialBalance).map(() => '0'))
          expect(told.checks[2]!.finding).toMatch(
            /partition 0: \d+ tables equal .*; partition 1: \d+ tables equal/,
          )
        }
        const events = [before, during, after].map((told) => Number(told.events))
        expect(events).toEqual([...events].sort((left, right) => left - right))
        expect(new Set(events).size).toBe(3)
        // The same state at the same place, whoever replays.
        expect((await audit()).partitions).toEqual(after.partitions)
      },
    )

    law('every verb for projections works through a gateway, while projectors elsewhere carry it out', async () => {
      const verb = async (...args: readonly string[]): Promise<Record<string, unknown>> =>
        (await command('projections', ...args, '--url', url, '--json')).answer
      interface Version { readonly name: string; readonly version: number; readonly state: string; readonly role: string; readonly skips: readonly unknown[]; readonly faults: readonly { partition: number; sequence: string }[] } // prettier-ignore
      const versionsOf = async (name: string): Promise<readonly Version[]> =>
        ((await verb('list')) as unknown as { versions: Version[] }).versions.filter((one) => one.name === name)
      const untilState = (name: string, version: number, state: string): Promise<void> =>
        deployment.until(`${name} version ${version} is ${state}`, async () => (await versionsOf(name)).some((one) => one.version === version && one.state === state))

      // Two partitions: the date lies behind what either of them has.
      expect(await verb('rebuild', 'audit', '--until', '2020-01-01')).toMatchObject({ ok: true, version: 2, done: true, events: '0' })
      expect(await versionsOf('audit')).toMatchObject([{ role: 'SERVING' }, { version: 2, state: 'COMPLETE' }])
      expect(await verb('promote', 'audit')).toMatchObject({ refusal: 'bounded' })
      expect(await verb('drop', 'audit', '2', '--yes')).toMatchObject({ ok: true })

      expect(await verb('rebuild', 'balances', '--share', '1')).toMatchObject({ ok: true, version: 2, done: true })
      expect(await verb('pause', 'balances', '--version', '2')).toMatchObject({ ok: true })
      await untilState('balances', 2, 'PAUSED')
      expect(await verb('resume', 'balances', '--version', '2')).toMatchObject({ ok: true })
      expect(await verb('compare', 'balances')).toMatchObject({ ok: true, comparison: { left: 1, right: 2, equal: true } })
      expect(await verb('promote', 'balances')).toMatchObject({ ok: true, version: 2 })
      await untilState('balances', 2, 'LIVE')
      expect(await verb('rollback', 'balances')).toMatchObject({ ok: true, version: 1 })
      expect(await verb('drop', 'balances', '2', '--yes')).toMatchObject({ ok: true })
      await deployment.until('what it had is gone', async () => {
        const rows = await deployment.store.query<{ name: string }>(`SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(name, '_v2')`)
        return rows.every(({ name }) => !name.startsWith('balances'))
      })

      const file = path.join(folder, 'amounts.ts')
      await writeFile(file, AMOUNTS)
      expect(await verb('add', file)).toMatchObject({ ok: true, name: 'amounts', version: 1 })
      await untilState('amounts', 1, 'STOPPED')
      const [{ faults }] = (await versionsOf('amounts')) as [Version]
      const [{ partition, sequence }] = faults as [Version['faults'][number]]
      expect(await verb('skip', 'amounts', '--position', `${partition}:${sequence}`, '--reason', 'a test')).toMatchObject({ ok: true, version: 1 })
      await untilState('amounts', 1, 'LIVE')
      expect(await verb('status', 'amounts')).toMatchObject({ ok: true, versions: [{ skips: [{ partition, sequence, reason: 'a test' }], faults: [] }] })
      expect(await verb('drop', 'amounts', '1', '--yes')).toMatchObject({ ok: true })
      expect(await versionsOf('amounts')).toEqual([])
    }, 2 * TEST_MS_MAX) // prettier-ignore

    law('without a server of views, an audit says that they are not compared', async () => {
      const brokers = deployment.kafka.brokers.flatMap((broker) => ['--brokers', broker])
      const { exitCode, stdout, stderr } = await purser('audit', ...brokers, '--topic-prefix', deployment.kafka.topicPrefix)
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: 'The views are not compared: --clickhouse-url says where they are.\n' })
      expect(stdout).not.toContain('views')
    }) // prettier-ignore

    law('a server of views that refuses is told as such', async () => {
      for (const [wrong, sentence] of [
        [['--clickhouse-database', 'nowhere'], /^There is no database nowhere in ClickHouse\. Run purser users first/],
        [['--clickhouse-user', 'nobody'], /^ClickHouse refused: .* Check the database/],
      ] as const) {
        const { exitCode, stdout } = await runAudit(...wrong)
        expect(exitCode).toBe(1)
        const { error } = onlyJson(stdout) as { error: { code: string; message: string } }
        expect(error.code).toBe('views_failed')
        expect(error.message).toMatch(sentence)
      }
    }) // prettier-ignore

    law('void frames are passed over and counted', async () => {
      const before = await audit()
      const [opening, next] = await framesOf(1)
      const logOffset = await put(1, opening!.frame.bytes, next!.frame.bytes)
      const after = await audit()
      expect(after).toMatchObject({ ok: true, exitCode: 0, events: before.events })
      const added = after.partitions.map(({ voidFrames }, index) => voidFrames - before.partitions[index]!.voidFrames)
      expect(added).toEqual([0, 2])
      expect(after.partitions.map(({ digest }) => digest)).toEqual(before.partitions.map(({ digest }) => digest))
      if (before.partitions[1]!.voidFrames === 0)
        expect(after.checks[0]!.finding).toContain(`2 void frames passed over, the first at offset ${logOffset}`)
    }) // prettier-ignore

    law('a row of a view that was changed is found: the table is named, with its partition', async () => {
      await viewsFollow()
      const change = (by: string): Promise<void> =>
        deployment.store.command(
          `ALTER TABLE balances_v1 UPDATE credits_posted = credits_posted ${by} WHERE partition = 1 AND account = 2 SETTINGS mutations_sync = 2`,
        )
      await change('+ 1')
      const changed = await audit()
      await change('- 1')
      expect(changed).toMatchObject({ ok: false, exitCode: 1 })
      expect(changed.checks.map(({ name, holds }) => [name, holds])).toEqual([['log', true], ['trialBalance', true], ['views', false]]) // prettier-ignore
      expect(changed.checks[2]!.finding).toMatch(
        /partition 0: \d+ tables equal [^;]*; partition 1: these differ from a replay of events 1 to \d+: balances$/,
      )
      expect(await audit()).toMatchObject({ ok: true, exitCode: 0 })
    })

    law('a frame with a flipped bit is named by topic, partition and offset', async () => {
      const { frame } = (await framesOf(1)).at(-1)!
      const bytes = Buffer.from(frame.bytes)
      bytes[bytes.length - 1]! ^= 1
      const logOffset = await put(1, bytes)
      const { exitCode, stdout } = await runAudit()
      expect(exitCode).toBe(1)
      const { error } = onlyJson(stdout) as { error: { code: string; message: string } }
      expect(error.code).toBe('log_corrupt')
      expect(error.message).toContain(`offset ${logOffset} of partition 1 of ${events()}`)
    })

    law('a topic that lost its beginning is named by topic, partition and offset', async () => {
      const { logOffset } = (await framesOf(0))[1]!
      await deleteRecordsBefore(deployment.kafka, events(), [{ partition: 0, logOffset }])
      const { exitCode, stdout } = await runAudit()
      expect(exitCode).toBe(1)
      const { error } = onlyJson(stdout) as { error: { code: string; message: string } }
      expect(error.code).toBe('log_corrupt')
      expect(error.message).toMatch(new RegExp(`^Partition 0 of ${events()} holds offsets ${logOffset} to \\d+, but offset 0 is needed`)) // prettier-ignore
    })
  })
})
