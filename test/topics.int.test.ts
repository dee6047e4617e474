/** `purser topics` as an operator runs it, against a real broker. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { seal } from '../eventlog/handoff/seal.ts'
import { emptyChain } from '../eventlog/file/layout/segments.ts'
import { encodeFrameRecord } from '../eventlog/kafka/events/record.ts'
import { openRecordSender } from '../eventlog/kafka/partition/record-sender.ts'
import { EVENT_SCHEMA_VERSION } from '../schemas/events.ts'
import { withKafka } from './support/kafka.ts'
import { onlyJson, purser } from './support/purser.ts'

await withKafka('the topics command', (kafka) => {
  const prefix = `cli-${randomBytes(4).toString('hex')}`
  const at = ['--brokers', kafka.brokers.join(','), '--topic-prefix', prefix, '--replication', '1']

  describe('purser topics', () => {
    test('everything that is wrong is one list with what to do; created, nothing is', async () => {
      const missing = await purser('topics', ...at)
      expect(missing).toMatchObject({ exitCode: 1, stdout: '' })
      expect(missing.stderr).toContain(`${prefix}.commands: There is no such topic`)
      expect(missing.stderr).toContain(`${prefix}.events: There is no such topic`)
      expect(missing.stderr).toContain('purser topics --create')
      expect(missing.stderr).toContain('[topics_unfit]')

      const created = await purser('topics', '--create', '--partitions', '3', ...at, '--json')
      expect(created.exitCode).toBe(0)
      expect(onlyJson(created.stdout)).toEqual({
        ok: true,
        created: [`${prefix}.commands`, `${prefix}.events`],
        topics: ['commands', 'events'].map((name) => ({ name: `${prefix}.${name}`, partitions: 3, replication: 1 })),
      }) // prettier-ignore

      const other = await purser('topics', '--partitions', '4', ...at, '--json')
      expect(other.exitCode).toBe(1)
      expect(onlyJson(other.stdout)).toMatchObject({
        ok: false,
        error: { code: 'topics_unfit' },
        faults: [{ property: 'partitions' }, { property: 'partitions' }],
      })
    })

    test('a log that has consumed other commands is named, until it is told to go on with those that are there', async () => {
      await purser('topics', '--create', '--partitions', '3', ...at)
      const settings = { brokers: kafka.brokers, clientId: 'purser-tests', topicPrefix: prefix }
      const frame = seal(
        {
          schemaVersion: EVENT_SCHEMA_VERSION, partitions: 3, epoch: 1n, firstSequence: 1n, count: 0, timeNs: 1n,
          nextCommandOffset: 40n, nextCommandIndex: 2, commandsTopic: 0x12345600, payload: new Uint8Array(0),
        }, emptyChain(1), 0n,
      ) // prettier-ignore
      const sender = openRecordSender({
        settings,
        topic: `${prefix}.events`,
        partition: 1,
        log: () => undefined,
      })
      await sender.send([encodeFrameRecord(frame.bytes)])
      sender.close()
      const strange = await purser('topics', ...at, '--json')
      expect(strange.exitCode).toBe(1)
      expect(onlyJson(strange.stdout)).toMatchObject({
        error: { code: 'topics_unfit' },
        faults: [{ topic: `${prefix}.commands`, property: 'origin' }],
      })
      expect(strange.stdout).toContain('purser topics --adopt')
      const adopted = await purser('topics', '--adopt', ...at, '--json')
      expect(adopted.exitCode).toBe(0)
      expect(onlyJson(adopted.stdout)).toMatchObject({
        ok: true,
        adopted: [{ partition: 1, left: { offset: '40', index: 2 }, from: { offset: '0', index: 0 } }],
      })
      expect((await purser('topics', ...at)).exitCode).toBe(0)
      expect(onlyJson((await purser('topics', '--adopt', ...at, '--json')).stdout)).toMatchObject({
        adopted: [],
      })
    })

    test('every role that starts without topics names them, and says what makes them', async () => {
      const none = `none-${randomBytes(4).toString('hex')}`
      const where = ['--brokers', kafka.brokers.join(','), '--topic-prefix', none]
      for (const role of [
        ['writer', '--snapshots', '/tmp/purser-none', '--scratch', '/tmp/purser-none', '--health-port', '0'],
        ['gateway', '--port', '0', '--clickhouse-url', 'http://127.0.0.1:9'],
        ['projector', '--health-port', '0', '--clickhouse-url', 'http://127.0.0.1:9'],
        ['audit'],
      ]) {
        const { exitCode, stderr } = await purser(...role, ...where)
        expect([role[0], exitCode]).toEqual([role[0], 1])
        expect(stderr).toContain(`There is no topic ${none}.commands and no topic ${none}.events`)
        expect(stderr).toContain('purser topics --create')
        expect(stderr).toContain('[topics_unfit]')
      }
    }, 120_000)

    test('without brokers it says so before it asks any', async () => {
      const failed = await purser('topics', '--replication', 'many', '--json')
      expect(failed.exitCode).toBe(2)
      expect(onlyJson(failed.stdout)).toMatchObject({
        error: { code: 'usage' },
        faults: [{ setting: 'PURSER_KAFKA_BROKERS' }, { setting: '--replication' }],
      })
    })
  })
})
