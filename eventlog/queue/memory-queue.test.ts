import { expect, it } from 'vitest'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { describeCommandQueue } from '../contract.ts'
import { createMemoryQueue } from './memory-queue.ts'

interface Sent {
  slots: Uint8Array
  count: number
  firstOffset: bigint
}

function openQueue(nextOffset: bigint, slotsMax: number) {
  const sent: Sent[] = []
  let wake: (() => void) | undefined
  const queue = createMemoryQueue({
    partition: 0,
    nextOffset,
    slotsMax,
    soon: setImmediate,
    core: {
      send(slots, count, firstOffset) {
        sent.push({ slots, count, firstOffset })
        wake?.()
      },
    },
  })
  return {
    queue,
    sent,
    async take() {
      queue.wanted()
      if (sent.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return sent.shift()!
    },
    consumed: (offset: bigint) => {
      queue.consumed(offset)
    },
    stop: () => {
      queue.stop()
    },
  }
}

describeCommandQueue('the memory queue', async (slotsMax) => {
  const under = openQueue(41n, slotsMax)
  return {
    ...under,
    async take() {
      const { slots, count, firstOffset } = await under.take()
      const places = Array.from({ length: count }, (_, at) => ({
        offset: firstOffset + BigInt(at),
        index: 0,
      }))
      return { slots, count, places }
    },
    consumed: ({ offset }) => {
      under.consumed(offset)
    },
  }
})

const ignore = (): void => undefined
const slot = new Uint8Array(COMMAND_SLOT_BYTES)
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

it('offers gather while the core is busy, and go as one batch when it asks', async () => {
  const { queue, sent } = openQueue(0n, 100)
  for (let offer = 0; offer < 10; offer++) queue.offer(slot, 1, ignore)
  await turn()
  expect(sent).toHaveLength(0)
  expect(queue.unsent()).toBe(10)
  queue.wanted()
  await turn()
  expect(sent.map(({ count, firstOffset }) => ({ count, firstOffset }))).toEqual([
    { count: 10, firstOffset: 0n },
  ])
  queue.offer(slot, 1, ignore)
  await turn()
  expect(sent).toHaveLength(1)
})

it('a core that asked before gets the offers of one turn together', async () => {
  const { queue, sent } = openQueue(0n, 100)
  queue.wanted()
  queue.offer(slot, 1, ignore)
  queue.offer(slot, 1, ignore)
  await turn()
  expect(sent.map(({ count }) => count)).toEqual([2])
})

it('commands consumed that were never taken are broken logic', () => {
  const { queue } = openQueue(5n, 100)
  queue.offer(slot, 1, ignore)
  expect(() => {
    queue.consumed(7n)
  }).toThrow(/only 6 were taken/)
})

it('an offer that is not whole commands is broken logic', () => {
  const { queue } = openQueue(0n, 100)
  expect(() => queue.offer(new Uint8Array(100), 1, ignore)).toThrow(RangeError)
  expect(() => queue.offer(slot, 2, ignore)).toThrow(RangeError)
  expect(() => queue.offer(new Uint8Array(0), 0, ignore)).toThrow(RangeError)
})

it('commands that were sent stay as they are until they are consumed; then their memory takes others', async () => {
  const { queue, sent, consumed } = openQueue(0n, 1_000)
  for (let offer = 1; offer <= 3; offer++) {
    queue.wanted()
    queue.offer(new Uint8Array(100 * COMMAND_SLOT_BYTES).fill(offer), 100, ignore)
    await turn()
  }
  expect(sent.map(({ slots }) => slots.every((byte) => byte === slots[0]!) && slots[0])).toEqual([1, 2, 3])
  consumed(200n)
  queue.wanted()
  queue.offer(new Uint8Array(100 * COMMAND_SLOT_BYTES).fill(4), 100, ignore)
  await turn()
  expect(sent[2]!.slots.every((byte) => byte === 3)).toBe(true)
  expect([sent[0]!.slots.buffer, sent[1]!.slots.buffer]).toContain(sent[3]!.slots.buffer)
})
