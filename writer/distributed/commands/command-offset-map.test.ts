import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CommandOffset } from '../../../eventlog/ports.ts'
import { CommandOffsetMap } from './command-offset-map.ts'

/** A topic from some offset on: records of 0 (poison) to a few commands, offsets with holes; and where a writer begins. */
const topics = fc
  .record({
    firstOffset: fc.bigInt({ min: 0n, max: 2n ** 40n }),
    records: fc.array(fc.record({ hole: fc.constantFrom(0, 0, 0, 2), commands: fc.nat(5) }), {
      maxLength: 12,
    }),
    startIndex: fc.nat(5),
    /** How the core consumes: so many more commands with each frame. */
    steps: fc.array(fc.nat(7), { maxLength: 20 }),
    /** How far records are handed over ahead of what is consumed. */
    ahead: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ firstOffset, records, startIndex, ...rest }) => {
    let offset = firstOffset
    const topic = records.map(({ hole, commands }) => {
      offset += BigInt(hole)
      return { offset: offset++, commands }
    })
    const first = topic[0]
    // In the middle of the first record, if it has one: never at its end.
    const index = first === undefined || first.commands === 0 ? 0 : startIndex % first.commands
    return { topic, start: { offset: first?.offset ?? firstOffset, index }, ...rest }
  })

const recordFrom = (offset: bigint) => ({ offset, index: 0 })

describe('the places of commands', () => {
  test('whatever the sizes of records, a place names the next command that is not consumed, and a mark stands for what was passed over and for nothing else', () => {
    fc.assert(
      fc.property(topics, ({ topic, start, steps, ahead }) => {
        const places = new CommandOffsetMap(start)
        // What the model knows: every command from the start on, by its place.
        const commands = topic.flatMap(({ offset, commands: count }) =>
          Array.from({ length: count }, (_, index) => ({ offset, index })).filter(
            (place) => place.offset > start.offset || place.index >= start.index,
          ),
        )
        let handed = 0
        let handedCommands = 0
        let consumed = 0
        /** Counts of commands before each mark that is on its way. */
        const marks: number[] = []
        const handOver = (): void => {
          const record = topic[handed++]!
          const from = record.offset === start.offset ? start.index : 0
          if (record.commands === 0) {
            places.pass(recordFrom(record.offset + 1n), 'unreadable')
            places.sendSkip()
            marks.push(handedCommands)
          } else {
            places.add(record.offset, from, record.commands - from)
            handedCommands += record.commands - from
          }
        }
        let before = start
        const expectPlace = (place: CommandOffset): void => {
          // It never goes back.
          expect(
            place.offset > before.offset || (place.offset === before.offset && place.index >= before.index),
          ).toBe(true)
          // A reader that begins at the place finds exactly the commands that are not consumed.
          const rest = commands.filter(
            ({ offset, index }) => offset > place.offset || (offset === place.offset && index >= place.index),
          )
          expect(rest).toEqual(commands.slice(consumed))
          // Behind a record's last command comes the next record, as everybody writes it.
          const record = topic.find(({ offset }) => offset === place.offset)
          if (place.index > 0) expect(place.index).toBeLessThan(record!.commands)
          before = place
        }
        for (const step of steps) {
          while (handed < topic.length && places.openRuns() < ahead) handOver()
          const end = Math.min(consumed + step, marks[0] ?? handedCommands)
          consumed = end
          expectPlace(places.offsetOf(BigInt(consumed)))
          if (marks[0] !== consumed) continue
          marks.shift()
          const { offset, reason } = places.offsetOfSkip(BigInt(consumed))
          expect(reason).toBe('unreadable')
          // It moves on, over nothing that was handed over.
          expect(offset.offset).toBeGreaterThan(before.offset)
          expectPlace(offset)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('what is passed over is consumed by its mark, and not with what stands before it', () => {
    const places = new CommandOffsetMap({ offset: 10n, index: 0 })
    places.add(10n, 0, 2)
    places.pass(recordFrom(12n), 'unreadable')
    places.pass(recordFrom(13n), 'unreadable')
    expect(places.hasUnsentSkip()).toBe(true)
    places.sendSkip()
    expect(places.hasUnsentSkip()).toBe(false)
    expect(places.offsetOf(1n)).toEqual({ offset: 10n, index: 1 })
    expect(places.offsetOf(2n)).toEqual({ offset: 11n, index: 0 })
    expect(places.offsetOfSkip(2n)).toEqual({ offset: { offset: 13n, index: 0 }, reason: 'unreadable' })
    places.pass(recordFrom(14n), 'deleted')
    expect(places.offsetOf(2n)).toEqual({ offset: 13n, index: 0 })
    places.sendSkip()
    expect(places.offsetOfSkip(2n)).toEqual({ offset: { offset: 14n, index: 0 }, reason: 'deleted' })
    expect(places.openRuns()).toBe(0)
  })

  test('commands within a record that are passed over have a mark of their own', () => {
    const places = new CommandOffsetMap({ offset: 10n, index: 0 })
    places.add(10n, 0, 2, false)
    places.pass({ offset: 10n, index: 3 }, 'malformed')
    places.sendSkip()
    places.add(10n, 3, 1)
    expect(places.offsetOf(2n)).toEqual({ offset: 10n, index: 2 })
    expect(places.offsetOfSkip(2n)).toEqual({ offset: { offset: 10n, index: 3 }, reason: 'malformed' })
    expect(places.offsetOf(3n)).toEqual({ offset: 11n, index: 0 })
  })

  test('what was passed over for two reasons has two marks', () => {
    const places = new CommandOffsetMap({ offset: 10n, index: 0 })
    places.pass(recordFrom(12n), 'deleted')
    places.pass(recordFrom(13n), 'unreadable')
    places.sendSkip()
    expect(places.hasUnsentSkip()).toBe(true)
    places.sendSkip()
    expect(places.offsetOfSkip(0n)).toEqual({ offset: { offset: 12n, index: 0 }, reason: 'deleted' })
    expect(places.offsetOfSkip(0n)).toEqual({ offset: { offset: 13n, index: 0 }, reason: 'unreadable' })
  })

  test('what is passed takes no memory, however much it is, and what is behind the start’s index goes with it', () => {
    const places = new CommandOffsetMap({ offset: 10n, index: 3 })
    for (let next = 11n; next < 100_000n; next++) places.pass(recordFrom(next), 'unreadable')
    expect(places.openRuns()).toBe(1)
    places.sendSkip()
    places.add(99_999n, 0, 1)
    for (let next = 100_001n; next < 200_000n; next++) places.pass(recordFrom(next), 'unreadable')
    places.sendSkip()
    expect(places.openRuns()).toBe(3)
    expect(places.offsetOf(0n)).toEqual({ offset: 10n, index: 3 })
    expect(places.offsetOfSkip(0n).offset).toEqual({ offset: 99_999n, index: 0 })
    expect(places.offsetOf(1n)).toEqual({ offset: 100_000n, index: 0 })
    expect(places.offsetOfSkip(1n).offset).toEqual({ offset: 199_999n, index: 0 })
  })

  test('a mark for which nothing was passed over moves nothing and says no reason', () => {
    const places = new CommandOffsetMap({ offset: 10n, index: 3 })
    places.sendSkip()
    expect(places.offsetOfSkip(0n)).toEqual({ offset: { offset: 10n, index: 3 } })
  })

  test('counts and records that contradict what was told are broken logic', () => {
    const places = new CommandOffsetMap({ offset: 10n, index: 3 })
    expect(places.offsetOf(0n)).toEqual({ offset: 10n, index: 3 })
    places.add(10n, 3, 2)
    expect(() => places.offsetOf(3n)).toThrow('of 0 to 2')
    places.offsetOf(2n)
    expect(() => places.offsetOf(1n)).toThrow('of 2 to 2')
    expect(() => {
      places.add(10n, 0, 1)
    }).toThrow('handed over behind')
    expect(() => {
      places.pass(recordFrom(10n), 'unreadable')
    }).toThrow('passed behind')
    places.pass(recordFrom(12n), 'unreadable')
    expect(() => {
      places.add(12n, 0, 1)
    }).toThrow('behind what is not marked')
  })
})
