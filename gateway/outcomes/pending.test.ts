import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { offsetsFrom, withinRecord } from '../../eventlog/queue/offer-offsets.ts'
import type { OfferOffsets } from '../../eventlog/ports.ts'
import { sealed } from '../../test/support/memory-log.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { adoptedTopic, sameTopic } from '../../schemas/commands-topic.ts'
import type { Frame } from '../../schemas/frames.ts'
import { makeUuidV7, type Id } from '../../schemas/ids.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import { NO_CROSSINGS } from './crossings/no-crossings.testing.ts'
import type { PendingBatch } from './pending-batch.ts'
import { PendingCommands } from './pending.ts'
import { RecentEvents } from './recent-events.ts'
import { ID_WORDS, idWords, putIdWords } from '../../schemas/frame-rows.ts'

function idOf(index: number): Id {
  return makeUuidV7(1_700_000_000_000, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, index >> 8, index & 255]))
}

function eventOf(transferId: Id, command: WalletEvent['command'] = 'Transfer', memo = ''): WalletEvent {
  return sampleEvent({ kind: command === 'ExpireHold' ? 'HoldExpired' : 'TransferPosted', command, transferId, memo }) // prettier-ignore
}

/** Offers a batch that takes offsets of its own from `firstOffset` on. */
function offer(pending: PendingCommands, batch: PendingBatch, firstOffset: bigint): void {
  pending.stored(pending.add(batch), offsetsFrom(firstOffset, batch.count))
}

/** A frame with these events that consumes commands up to an offset. */
function frameOf(events: readonly WalletEvent[], nextCommandOffset: bigint): Frame {
  return { ...sealed(0, events, 1n, new Uint8Array(32)), nextCommandOffset }
}

describe('pending commands', () => {
  test('each is settled once, in the frame that consumes it, by the event of its id or as silent, whatever stands between', () => {
    const command = fc.record({
      ours: fc.boolean(),
      repeat: fc.boolean(),
      timerBefore: fc.boolean(),
      text: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 40 }),
        fc.array(fc.nat(40), { maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        (commands, cuts, perOffer) => {
          const pending = new PendingCommands()
          const settled = new Map<number, string>()
          // Ours are offered in runs; other doors' commands take offsets between them.
          for (let from = 0; from < commands.length;) {
            if (!commands[from]!.ours) {
              from++
              continue
            }
            let to = from
            while (to < commands.length && commands[to]!.ours && to - from < perOffer) to++
            const first = from
            const ids = new Int32Array((to - from) * ID_WORDS)
            for (let index = from; index < to; index++)
              putIdWords(ids, (index - from) * ID_WORDS, idOf(index))
            const settle = (index: number, how: string): void => {
              expect(settled.has(first + index)).toBe(false)
              settled.set(first + index, how)
            }
            offer(pending, {
            count: to - from, ids, offeredAtMs: 0, ...NO_CROSSINGS,
            onEvent: (index, rows, byte) => settle(index, `event ${rows.isTransfer(byte, ids, index * ID_WORDS)}`),
            onFound: (index, rows, byte) => settle(index, `event ${rows.isTransfer(byte, ids, index * ID_WORDS)}`),
            onEarlier: (index) => settle(index, 'earlier'),
            onEventless: (index) => settle(index, 'silent'),
            onSkipped: (index) => settle(index, 'passed over'),
            onUnknown: (index) => settle(index, 'unknown'),
          }, BigInt(from)) // prettier-ignore
            from = to
          }
          let done = 0
          for (const end of [
            ...cuts.filter((cut) => cut < commands.length).sort((a, b) => a - b),
            commands.length,
          ]) {
            const events = commands
              .slice(done, end)
              .flatMap(({ repeat, timerBefore, text }, index) => [
                ...(timerBefore ? [eventOf(idOf(done + index), 'ExpireHold')] : []),
                ...(repeat ? [] : [eventOf(idOf(done + index), 'Transfer', text ? 'a memo' : '')]),
              ])
            pending.onFrame(frameOf(events, BigInt(end)))
            for (let index = 0; index < commands.length; index++)
              expect(settled.has(index)).toBe(index < end && commands[index]!.ours)
            done = end
          }
          for (const [index, how] of settled)
            expect(how).toBe(commands[index]!.repeat ? 'silent' : 'event true')
          expect(pending.count).toBe(0)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('what is called certain is the outcome of that very command, whoever else used its id, and whatever was given up', () => {
    const command = fc.record({
      ours: fc.boolean(),
      id: fc.nat(6),
      givenUp: fc.boolean(),
      cutBehind: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 40 }),
        fc.constantFrom(0, 1e6),
        (commands, generationBytes) => {
          const pending = new PendingCommands(new RecentEvents(generationBytes))
          const firstOf = new Map<number, number>()
          commands.forEach(({ id }, index) => firstOf.has(id) || firstOf.set(id, index))
          const told = new Map<number, string>()
          commands.forEach(({ ours, id, givenUp }, index) => {
            if (!ours) return
            const ids = idWords(idOf(id))
            const tell = (how: string): void => {
              expect(told.has(index)).toBe(false)
              told.set(index, how)
            }
            const first = firstOf.get(id)!
            offer(
              pending,
              {
                count: 1,
                ids,
                // The oldest are given up, from wherever in the middle the time is.
                offeredAtMs: givenUp ? index : 1_000 + index,
                ...NO_CROSSINGS,
                onEvent: (_, rows, byte) => {
                  expect(rows.sequence(byte)).toBe(BigInt(first))
                  expect(first).toBe(index)
                  tell('certain')
                },
                onFound: (_, rows, byte) => {
                  expect(rows.sequence(byte)).toBe(BigInt(first))
                  tell('uncertain')
                },
                onEarlier: (_, rows, byte) => {
                  expect(rows.sequence(byte)).toBe(BigInt(first))
                  expect(first).not.toBe(index)
                  tell('earlier')
                },
                onSkipped: () => {
                  throw new Error('no frame is a mark')
                },
                onEventless: () => {
                  expect(first).not.toBe(index)
                  tell('silent')
                },
                onUnknown: () => tell('unknown'),
              },
              BigInt(index),
            )
          })
          pending.onFrame(frameOf([], 0n))
          pending.giveUp(1_000)
          let done = 0
          commands.forEach(({ cutBehind }, index) => {
            if (!cutBehind && index < commands.length - 1) return
            const events = commands
              .slice(done, index + 1)
              .flatMap(({ id }, at) =>
                firstOf.get(id) === done + at ? [{ ...eventOf(idOf(id)), sequence: BigInt(done + at) }] : [],
              )
            pending.onFrame(frameOf(events, BigInt(index + 1)))
            done = index + 1
          })
          expect([...told.keys()].sort((a, b) => a - b)).toEqual(
            commands.flatMap(({ ours }, index) => (ours ? [index] : [])),
          )
          if (commands.every(({ ours, givenUp }) => ours && !givenUp))
            for (const [index, how] of told)
              if (firstOf.get(commands[index]!.id) === index) expect(how).toBe('certain')
          if (generationBytes > 0) expect([...told.values()]).not.toContain('silent')
        },
      ),
      { numRuns: 300 },
    )
  })

  test('the same id twice in one frame: the first has the event, the second is told that it came earlier', () => {
    const pending = new PendingCommands()
    const told: string[] = []
    const ids = new Int32Array(ID_WORDS)
    putIdWords(ids, 0, idOf(7))
    pending.onFrame(frameOf([], 0n))
    for (const offset of [0n, 1n])
      offer(pending, {
        count: 1, ids, offeredAtMs: 0, ...NO_CROSSINGS,
        onEvent: () => told.push(`event ${offset}`), onFound: () => told.push('found'), onEarlier: () => told.push(`earlier ${offset}`), onEventless: () => told.push('silent'), onSkipped: () => told.push('passed over'), onUnknown: () => told.push('unknown'),
      }, offset) // prettier-ignore
    pending.onFrame(frameOf([eventOf(idOf(7))], 2n))
    expect(told).toEqual(['event 0', 'earlier 1'])
  })

  test('what is given up is told as unknown once, and a late frame settles it no more', () => {
    const pending = new PendingCommands()
    const told: string[] = []
    const ids = new Int32Array(ID_WORDS)
    offer(pending, {
      count: 1, ids, offeredAtMs: 5, ...NO_CROSSINGS,
      onEvent: () => told.push('event'), onFound: () => told.push('found'), onEarlier: () => told.push('earlier'), onEventless: () => told.push('silent'), onSkipped: () => told.push('passed over'), onUnknown: () => told.push('unknown'),
    }, 0n) // prettier-ignore
    pending.giveUp(5)
    expect(told).toEqual([])
    pending.giveUp(6)
    pending.onFrame(frameOf([], 1n))
    expect(told).toEqual(['unknown'])
    expect(pending.count).toBe(0)
  })

  describe('a commands topic that is made anew', () => {
    const [old, made] = [7, 9]
    const before = sameTopic(0, old)
    const after = adoptedTopic(before, made)

    /** What became of one command that comes to stand at a place; `told` is undefined as long as nobody knows. */
    function waiting(pending: PendingCommands, index: number): { told: string | undefined; at: (place?: OfferOffsets) => void } {
      const ids = new Int32Array(ID_WORDS)
      putIdWords(ids, 0, idOf(index))
      const one: { told: string | undefined; at: (place?: OfferOffsets) => void } = { told: undefined, at: () => undefined }
      const tell = (what: string) => (): void => {
        expect(one.told).toBeUndefined()
        one.told = what
      }
      const offered = pending.add({
        count: 1, ids, offeredAtMs: 0, ...NO_CROSSINGS,
        onEvent: tell('event'), onFound: tell('event'), onEarlier: tell('earlier'), onEventless: tell('silent'), onUnknown: tell('unknown'), onSkipped: tell('passed over'),
      })
      one.at = (place) => pending.stored(offered, place)
      return one
    } // prettier-ignore

    const inTopic = (topic: number, offset: bigint): OfferOffsets =>
      withinRecord(offset, 0, 1, { recordCount: 1, isRepeated: false, topic })
    const frame = (commandsTopic: number, nextCommandOffset: bigint, ...indexes: number[]): Frame => ({
      ...frameOf(indexes.map((index) => eventOf(idOf(index))), nextCommandOffset),
      commandsTopic,
    }) // prettier-ignore

    test('nobody is told that a command was decided because places of the topic before lie beyond its own', () => {
      const pending = new PendingCommands()
      pending.onFrame(frame(before, 1_000n))
      const one = waiting(pending, 1)
      one.at(inTopic(made, 0n))
      pending.onFrame(frame(before, 1_001n))
      expect(one.told).toBeUndefined()
      pending.onFrame(frame(after, 0n))
      expect(one.told).toBeUndefined()
      pending.onFrame(frame(after, 1n, 1))
      expect(one.told).toBe('event')
    })

    test('what stood in the one that is gone is told as unknown, and so is what turns out later to have stood there', () => {
      const pending = new PendingCommands()
      pending.onFrame(frame(before, 10n))
      const [placed, late] = [waiting(pending, 1), waiting(pending, 2)]
      placed.at(inTopic(old, 10n))
      pending.onFrame(frame(after, 0n))
      expect(placed.told).toBe('unknown')
      late.at(inTopic(old, 11n))
      expect(late.told).toBe('unknown')
      expect(pending.count).toBe(0)
    })

    test('of the same one that lost its end nothing is told as decided that stood there before', () => {
      const pending = new PendingCommands()
      pending.onFrame(frame(before, 10n))
      const placed = waiting(pending, 1)
      placed.at(inTopic(old, 12n))
      pending.onFrame(frame(adoptedTopic(before, old), 4n))
      expect(placed.told).toBe('unknown')
      const next = waiting(pending, 2)
      next.at(inTopic(old, 4n))
      pending.onFrame(frame(adoptedTopic(before, old), 5n, 2))
      expect(next.told).toBe('event')
    })
  })
})
