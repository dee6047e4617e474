/** kafkajs may end a consumer without a word. That is no fault which a broker gives on demand: it is stopped behind the member's back. */
import type { Consumer } from 'kafkajs'
import { expect, it, vi } from 'vitest'
import { withKafka } from '../../test/support/kafka.ts'
import type * as ClientModule from './client.ts'
import { joinGroup } from './membership.ts'
import { topicNames } from './settings.ts'

const consumers = vi.hoisted((): Consumer[] => [])

vi.mock('./client.ts', async (importOriginal) => {
  const client = await importOriginal<typeof ClientModule>()
  const createKafka: typeof client.createKafka = (settings, log) => {
    const kafka = client.createKafka(settings, log)
    const create = kafka.consumer.bind(kafka)
    vi.spyOn(kafka, 'consumer').mockImplementation((options) => {
      const consumer = create(options)
      consumers.push(consumer)
      return consumer
    })
    return kafka
  }
  return { ...client, createKafka }
})

const PARTITIONS = 3
/** The shortest that brokers allow. */
const SESSION_MS = 6_000
const JOINED_AGAIN_MS_MAX = 50_000

await withKafka('a consumer that ends without a word', (kafka) => {
  it('is replaced, and its member holds its partitions again', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const told: number[] = []
    const failures: Error[] = []
    const lines: string[] = []
    const membership = await joinGroup(settings, {
      groupId: 'silence',
      topic: topicNames(settings).commands,
      sessionTimeoutMs: SESSION_MS,
      onAssigned: (partitions) => told.push(partitions.size),
      onFailure: (error) => failures.push(error),
      log: (line) => lines.push(line),
    })
    try {
      const [silent] = consumers
      const toldBefore = told.length
      // Stopped before its loop runs it would go on.
      await membership.confirmed()
      await membership.confirmed()
      await silent!.stop()
      await expect.poll(() => told.length, { timeout: JOINED_AGAIN_MS_MAX }).toBeGreaterThan(toldBefore)
      expect(told.at(-1)).toBe(PARTITIONS)
      expect([...membership.partitions()]).toHaveLength(PARTITIONS)
      expect(consumers.length).toBeGreaterThan(1)
      expect(lines.join('\n')).toContain('it gives no sign of life')
      expect(failures).toEqual([])
    } finally {
      await membership.leave()
    }
  })
})
