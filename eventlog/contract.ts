/** The contract of the ports, as tests: run against every implementation of EventLog and CommandQueue. */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { lastSequence, sameBytes, type Frame } from '../schemas/frames.ts'
import { makeUuidV7, type Id } from '../schemas/ids.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import type { CommandOffset, CommandQueue, EventLog, OfferOffsets } from './ports.ts'

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
      let seen = 0
      const ended = (async () => {
        for await (const _frame of under.log.tail(1n, waiting.signal)) seen++
      })()
      await until(() => seen === 2)
      waiting.abort()
      await ended
      expect(seen).toBe(2)
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
  take: () => Promise<TakenBatch>
  /** The writer has made durable what came before this place. */
  consumed: (next: CommandOffset) => void
  stop: () => void
  /** Lets go of what it has open. */
  close?: () => Promise<void>
}

export interface TakenBatch {
  readonly slots: Uint8Array
  readonly count: number
  /** Where its commands stand, as a writer counts. */
  readonly places: readonly CommandOffset[]
}

/** Commands as a door lets them through; every third one has a text, if `hasTexts`. */
function commands(count: number, first = 0, hasTexts = true): Uint8Array<ArrayBuffer> {
  return encodeCommands(
    Array.from({ length: count }, (_, index): Command => ({
      kind: 'Transfer',
      id: idOf(first + index),
      debit: idOf(1),
      credit: idOf(2),
      amount: 1n,
      currency: 'EUR',
      ...(hasTexts && index % 3 === 0 ? { memo: `memo ${first + index}` } : {}),
    })),
  )
}

function idOf(number: number): Id {
  const bits = new Uint8Array(10)
  new DataView(bits.buffer).setUint32(6, number)
  return makeUuidV7(1_700_000_000_000, bits)
}

/** @param open a new queue that holds `slotsMax` slots */
export function describeCommandQueue(
  name: string,
  open: (slotsMax: number) => Promise<QueueUnderTest>,
): void {
  describe(`${name} keeps the contract of CommandQueue`, () => {
    const opened: QueueUnderTest[] = []
    afterEach(async () => {
      for (const under of opened.splice(0)) await under.close?.()
    })
    async function fresh(slotsMax: number): Promise<QueueUnderTest> {
      const under = await open(slotsMax)
      opened.push(under)
      return under
    }
    /** Offers that are to be taken; resolves to where they stand. */
    function offered(
      { queue }: QueueUnderTest,
      offers: readonly { slots: Uint8Array; count: number }[],
    ): Promise<readonly OfferOffsets[]> {
      return new Promise((resolve) => {
        const places: OfferOffsets[] = []
        for (const { slots, count } of offers) {
          const answer = queue.offer(slots, count, (place) => {
            if (places.push(place!) === offers.length) resolve(places)
          })
          expect(answer).toEqual({ kind: 'taken' })
        }
      })
    }
    async function taken({ take }: QueueUnderTest, count: number): Promise<TakenBatch[]> {
      const batches: TakenBatch[] = []
      for (let got = 0; got < count;) {
        const batch = await take()
        batches.push(batch)
        got += batch.count
      }
      return batches
    }

    it('commands arrive in order, byte for byte, at the places that their offers were told', async () => {
      const under = await fresh(1000)
      const counts = [1, 5, 2, 4]
      const offers = counts.map((count, index) => ({ slots: commands(count, index * 10), count }))
      const stands = await offered(under, offers)
      const batches = await taken(under, 12)
      expect(batches.flatMap(({ slots }) => [...slots])).toEqual(offers.flatMap(({ slots }) => [...slots]))
      const places = batches.flatMap((batch) => batch.places)
      let first = 0
      stands.forEach((place, at) => {
        const behind = first + counts[at]!
        expect(place).toMatchObject(places[first]!)
        expect(place.isRepeated).toBe(false)
        if (behind < places.length) expect(place.end).toEqual(places[behind])
        places.forEach(({ offset, index }, before) =>
          expect(place.before(offset, index)).toBe(Math.min(counts[at]!, Math.max(0, before - first))),
        )
        expect(place.before(place.end.offset, place.end.index)).toBe(counts[at])
        first = behind
      })
    })

    it('the bytes of an offer are copied', async () => {
      const under = await fresh(100)
      const slots = commands(2)
      const before = [...slots]
      const placed = offered(under, [{ slots, count: 2 }])
      slots.fill(0xff)
      await placed
      expect([...(await under.take()).slots]).toEqual(before)
    })

    it('no offer is split between two batches', async () => {
      const under = await fresh(4 * BATCH_COMMANDS_MAX)
      const slots = commands(BATCH_COMMANDS_MAX, 0, false)
      const counts = [BATCH_COMMANDS_MAX - 1, 2, BATCH_COMMANDS_MAX, 1]
      await offered(
        under,
        counts.map((count) => ({ slots: slots.subarray(0, count * COMMAND_SLOT_BYTES), count })),
      )
      let sum = 0
      const edges = counts.map((count) => (sum += count))
      let got = 0
      for (const { count } of await taken(under, sum)) {
        expect(count).toBeLessThanOrEqual(BATCH_COMMANDS_MAX)
        expect(edges).toContain((got += count))
      }
    })

    it('a full queue says busy and takes nothing; consumed commands make room', async () => {
      const under = await fresh(10)
      const { queue } = under
      const four = { slots: commands(4, 0, false), count: 4 }
      let refusedPlaces = 0
      const refused = (): unknown => queue.offer(four.slots, 4, () => refusedPlaces++)
      const placed = offered(under, [four, four])
      expect(refused()).toEqual({ kind: 'busy' })
      expect(queue.waiting()).toBe(8)
      const stands = await placed
      await taken(under, 8)
      // Sent is not consumed: not before the frame is durable.
      expect(refused()).toEqual({ kind: 'busy' })
      under.consumed(stands[1]!.end)
      expect(queue.waiting()).toBe(0)
      const [next] = await offered(under, [four])
      expect(next).toMatchObject(stands[1]!.end)
      expect(refusedPlaces).toBe(0)
    })

    it('a stopped queue takes nothing more, and what was taken is still handed out', async () => {
      const under = await fresh(10)
      const placed = offered(under, [{ slots: commands(1), count: 1 }])
      under.stop()
      expect(under.queue.offer(commands(1), 1, () => undefined)).toEqual({ kind: 'stopped' })
      await placed
      expect((await under.take()).count).toBe(1)
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
