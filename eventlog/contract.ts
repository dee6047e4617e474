/** The contract of the ports, as tests: run against every implementation of EventLog and CommandQueue. */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { encodeCommands, type Command } from '../schemas/commands.ts'
import { lastSequence, sameBytes, type Frame } from '../schemas/frames.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import type { CommandQueue, EventLog } from './ports.ts'

/** A log of its own for one test, and the means to write it. */
export interface LogUnderTest {
  readonly log: EventLog
  /** Appends a frame of `count` events; resolves when it is durable and `log` knows it. */
  append(count: number, payloadBytes?: number): Promise<Frame>
  close(): Promise<void>
  /** Closes, and opens what was written again. */
  reopen(): Promise<LogUnderTest>
}

async function collect(frames: AsyncIterable<Frame>): Promise<Frame[]> {
  const all: Frame[] = []
  for await (const frame of frames) all.push(frame)
  return all
}

/** Frames by number and sequence: what a test compares. */
function told(frames: readonly Frame[]): string[] {
  return frames.map(
    (frame) => `${frame.firstSequence}+${frame.count}:${Buffer.from(frame.hash).toString('hex').slice(0, 8)}`,
  )
}

function wanted(frames: readonly Frame[], from: bigint): Frame[] {
  return frames.filter((frame) => frame.firstSequence >= from || lastSequence(frame) >= from)
}

/** @param open a new, empty log of partition 2 */
export function describeEventLog(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`${name} keeps the contract of EventLog`, () => {
    const opened: LogUnderTest[] = []
    afterEach(async () => {
      for (const log of opened.splice(0)) await log.close()
    })
    async function fresh(): Promise<LogUnderTest> {
      const log = await open()
      opened.push(log)
      return log
    }
    async function filled(counts: readonly number[]): Promise<{ under: LogUnderTest; frames: Frame[] }> {
      const under = await fresh()
      const frames: Frame[] = []
      for (const count of counts) frames.push(await under.append(count))
      return { under, frames }
    }

    it('an empty log has a head of zeros and nothing to read', async () => {
      const { log } = await fresh()
      expect(log.head()).toMatchObject({ partition: 2, epoch: 0n, sequence: 0n, nextCommandOffset: 0n })
      expect(log.head().hash).toEqual(new Uint8Array(32))
      expect(await collect(log.read(1n))).toEqual([])
    })

    it('the head is the newest durable frame', async () => {
      const { under, frames } = await filled([3, 0, 2])
      const last = frames.at(-1)!
      expect(under.log.head()).toMatchObject({
        epoch: last.epoch,
        sequence: 5n,
        nextCommandOffset: last.nextCommandOffset,
      })
      expect(sameBytes(under.log.head().hash, last.hash)).toBe(true)
    })

    it.each([
      { counts: [0, 3, 1, 0, 0, 4, 2, 0] },
      // Frames without events on both sides of what may be a segment's edge.
      { counts: [1, 0, 0, 0, 2, 0, 1] },
    ])(
      'a read from any sequence gives the frame that holds it and all behind it, once: $counts',
      async ({ counts }) => {
        const { under, frames } = await filled(counts)
        for (let from = 0n; from <= 13n; from++)
          expect(told(await collect(under.log.read(from))), `from ${from}`).toEqual(
            told(wanted(frames, from)),
          )
      },
    )

    it('what is read is what was written, byte for byte', async () => {
      const { under, frames } = await filled([2, 5])
      const read = await collect(under.log.read(1n))
      expect(read.map((frame) => [...frame.bytes])).toEqual(frames.map((frame) => [...frame.bytes]))
      expect(read.map((frame) => [...frame.payload])).toEqual(frames.map((frame) => [...frame.payload]))
    })

    it('a read ends at the head of its call, whatever is appended meanwhile', async () => {
      const { under, frames } = await filled([1, 1, 1])
      const read: Frame[] = []
      for await (const frame of under.log.read(1n)) {
        read.push(frame)
        await under.append(1)
      }
      expect(told(read)).toEqual(told(frames))
    })

    it('a log that is opened again goes on where it was', async () => {
      const { under, frames } = await filled([2, 0, 3])
      const again = await under.reopen()
      opened.push(again)
      expect(again.log.head().sequence).toBe(5n)
      frames.push(await again.append(4))
      expect(told((await collect(again.log.read(1n))).filter(({ count }) => count > 0))).toEqual(
        told(frames.filter(({ count }) => count > 0)),
      )
    })

    it('a tail from behind the head of a log that was opened again waits for the next frame', async () => {
      const { under } = await filled([2, 1])
      const again = await under.reopen()
      opened.push(again)
      const abort = new AbortController()
      const tail = again.log.tail(4n, abort.signal)[Symbol.asyncIterator]()
      const first = tail.next()
      await pause()
      await again.append(2)
      let frame = (await first).value as Frame
      // A closing mark of the first life may stand in between.
      if (frame.count === 0) frame = (await tail.next()).value as Frame
      expect([frame.firstSequence, frame.count]).toEqual([4n, 2])
      abort.abort()
    })

    it('a tail catches up, then gives each frame once when it is durable', async () => {
      const { under, frames } = await filled([2, 0, 1])
      const abort = new AbortController()
      const tail: Frame[] = []
      const done = (async () => {
        for await (const frame of under.log.tail(1n, abort.signal)) {
          tail.push(frame)
          if (tail.length === 6) abort.abort()
        }
      })()
      for (const count of [1, 0, 2]) {
        frames.push(await under.append(count))
        await pause()
      }
      await done
      expect(told(tail)).toEqual(told(frames))
    })

    it('a tail from a sequence to come waits for the frame that holds it', async () => {
      const { under } = await filled([2, 0])
      const abort = new AbortController()
      const first = under.log.tail(6n, abort.signal)[Symbol.asyncIterator]()
      const next = first.next()
      await under.append(2)
      const holder = await under.append(3)
      expect(told([(await next).value as Frame])).toEqual(told([holder]))
      abort.abort()
      expect((await first.next()).done).toBe(true)
    })

    it('a tail ends when its signal aborts: before it begins, while it waits, while it reads', async () => {
      const { under } = await filled([1, 1])
      expect(await collect(under.log.tail(1n, AbortSignal.abort()))).toEqual([])
      const waiting = new AbortController()
      const ended = collect(under.log.tail(1n, waiting.signal))
      await pause()
      waiting.abort()
      expect(await ended).toHaveLength(2)
      const reading = new AbortController()
      let got = 0
      for await (const _frame of under.log.tail(1n, reading.signal)) {
        got++
        reading.abort()
      }
      expect(got).toBe(1)
    })

    it('tails at any pace, from anywhere, get every frame once and in order', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 24 }),
          fc.array(fc.record({ from: fc.bigInt(0n, 30n), pausesEvery: fc.integer({ min: 1, max: 9 }) }), {
            minLength: 1,
            maxLength: 3,
          }),
          fc.nat(24),
          async (counts, readers, startAfter) => {
            const under = await open()
            const frames: Frame[] = []
            const abort = new AbortController()
            const tails: { from: bigint; got: Frame[]; done: Promise<void> }[] = []
            const start = (): void => {
              for (const { from, pausesEvery } of readers) {
                const got: Frame[] = []
                const done = (async () => {
                  for await (const frame of under.log.tail(from, abort.signal)) {
                    got.push(frame)
                    if (got.length % pausesEvery === 0) await pause()
                  }
                })()
                tails.push({ from, got, done })
              }
            }
            for (const [index, count] of counts.entries()) {
              if (index === startAfter) start()
              frames.push(await under.append(count, 600))
              if (index % 3 === 0) await pause()
            }
            if (tails.length === 0) start()
            await Promise.race([
              ...tails.map(({ done }) => done),
              until(() => tails.every(({ from, got }) => got.length >= wanted(frames, from).length)),
            ])
            await pause()
            abort.abort()
            for (const { from, got, done } of tails) {
              await done
              expect(told(got)).toEqual(told(wanted(frames, from)))
            }
            await under.close()
          },
        ),
        { numRuns: 60 },
      )
    })
  })
}

/** A queue of its own for one test, and the writer's side of it. */
export interface QueueUnderTest {
  readonly queue: CommandQueue
  /** Takes commands as the writer does: what has gathered, up to a batch; waits until there is something. */
  take: () => Promise<{ slots: Uint8Array; count: number; firstOffset: bigint }>
  /** The writer has made durable what came before this offset. */
  consumed: (nextCommandOffset: bigint) => void
  stop: () => void
}

function commands(count: number, first = 0): Uint8Array<ArrayBuffer> {
  return encodeCommands(
    Array.from({ length: count }, (_, index): Command => ({
      kind: 'Transfer',
      id: { high: 1n, low: BigInt(first + index) },
      ...(index % 3 === 0 ? { memo: `memo ${first + index}` } : {}),
    })),
  )
}

/** @param open a new queue whose next offset is `nextOffset` and that holds `slotsMax` slots */
export function describeCommandQueue(
  name: string,
  open: (nextOffset: bigint, slotsMax: number) => Promise<QueueUnderTest>,
): void {
  describe(`${name} keeps the contract of CommandQueue`, () => {
    it('commands arrive in order, byte for byte, with the offsets that their offers were told', async () => {
      const { queue, take } = await open(41n, 1000)
      const offers = [commands(1), commands(5, 10), commands(2, 20)]
      const answers = [1, 5, 2].map((count, index) => queue.offer(offers[index]!, count))
      expect(answers).toEqual([41n, 42n, 47n].map((firstOffset) => ({ kind: 'taken', firstOffset })))
      const bytes: number[] = []
      for (let next = 41n; next < 49n;) {
        const batch = await take()
        expect(batch.firstOffset).toBe(next)
        next += BigInt(batch.count)
        bytes.push(...batch.slots)
      }
      expect(bytes).toEqual(offers.flatMap((offer) => [...offer]))
    })

    it('the bytes of an offer are copied', async () => {
      const { queue, take } = await open(0n, 100)
      const offer = commands(2)
      const before = [...offer]
      queue.offer(offer, 2)
      offer.fill(0xff)
      expect([...(await take()).slots]).toEqual(before)
    })

    it('no offer is split between two batches', async () => {
      const { queue, take } = await open(0n, 4 * BATCH_COMMANDS_MAX)
      const slots = new Uint8Array(BATCH_COMMANDS_MAX * COMMAND_SLOT_BYTES)
      const counts = [BATCH_COMMANDS_MAX - 1, 2, BATCH_COMMANDS_MAX, 1]
      const edges = new Set([0n])
      for (const count of counts) {
        const answer = queue.offer(slots.subarray(0, count * COMMAND_SLOT_BYTES), count)
        if (answer.kind === 'taken') edges.add(answer.firstOffset + BigInt(count))
      }
      const last = BigInt(counts.reduce((sum, count) => sum + count))
      for (let next = 0n; next < last;) {
        const batch = await take()
        expect(batch.count).toBeLessThanOrEqual(BATCH_COMMANDS_MAX)
        next = batch.firstOffset + BigInt(batch.count)
        expect(edges.has(next)).toBe(true)
      }
    })

    it('a full queue says busy and takes nothing; consumed commands make room', async () => {
      const { queue, take, consumed } = await open(7n, 10)
      const four = new Uint8Array(4 * COMMAND_SLOT_BYTES)
      expect(queue.offer(four, 4)).toEqual({ kind: 'taken', firstOffset: 7n })
      expect(queue.offer(four, 4)).toEqual({ kind: 'taken', firstOffset: 11n })
      expect(queue.offer(four, 4)).toEqual({ kind: 'busy' })
      expect(queue.waiting()).toBe(8)
      for (let next = 7n; next < 15n;) next += BigInt((await take()).count)
      // Sent is not consumed: not before the frame is durable.
      expect(queue.offer(four, 4)).toEqual({ kind: 'busy' })
      consumed(15n)
      expect(queue.waiting()).toBe(0)
      expect(queue.offer(four, 4)).toEqual({ kind: 'taken', firstOffset: 15n })
    })

    it('a stopped queue takes nothing more, and what was taken is still handed out', async () => {
      const { queue, take, stop } = await open(0n, 10)
      queue.offer(commands(1), 1)
      stop()
      expect(queue.offer(commands(1), 1)).toEqual({ kind: 'stopped' })
      expect((await take()).count).toBe(1)
    })
  })
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error('it did not come to hold within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
