/** `purser topics` as an operator runs it, against a real broker. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
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
