import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCommandRecord } from '../../eventlog/kafka/command-record.ts'
import type { TopicRecord } from '../../eventlog/kafka/topic-reader.ts'
import { decodeCommands, encodeCommands, type Command } from '../../schemas/commands.ts'
import { formatId } from '../../schemas/ids.ts'
import { openAccount, transfer } from '../testing.ts'
import { CommandFeed } from './command-feed.ts'
import { CommandPlaces } from './command-places.ts'

const POISON = Buffer.from('nobody made commands of this')

function record(offset: bigint, commands: readonly Command[]): TopicRecord {
  const value =
    commands.length === 0 ? POISON : encodeCommandRecord(encodeCommands(commands), commands.length)
  return { offset, value, timestampMs: 0 }
}

/** A command, with text in some. */
function command(number: number): Command {
  const made = number % 3 === 0 ? openAccount(number) : transfer(number, number + 1, 1n)
  return { ...made, receivedAtNs: 1n, ...(number % 2 === 0 ? { memo: 'm'.repeat((number % 9) * 30) } : {}) }
}

function ids(commands: readonly Command[]): string[] {
  return commands.map(({ id }) => formatId(id))
}

/** What was sent to a core that wants batches as told. */
function sink(answers: readonly (readonly TopicRecord[])[], start: { offset: bigint; index: number }) {
  const sent: Command[][] = []
  const lines: string[] = []
  const places = new CommandPlaces(start)
  let asked = 0
  const feed = new CommandFeed(start, {
    reader: {
      async *read(offset, { signal } = {}) {
        for (const answer of answers) {
          if (signal?.aborted === true) return
          asked++
          yield answer.filter((one) => one.offset >= offset)
        }
      },
    },
    source: 'partition 0 of purser.commands',
    places,
    send: (slots, count) => {
      const commands = decodeCommands(slots)
      expect(commands).toHaveLength(count)
      sent.push(commands)
    },
    notice: (line) => lines.push(line),
    nowMs: () => 0,
  })
  return { feed, sent, lines, places, asked: () => asked }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the feed of commands', () => {
  test('every command from the start on reaches the core once, in order, as whole batches, and what is poison is skipped', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 5 }), { maxLength: 6 }),
        fc.nat(4),
        async (sizes, index) => {
          let number = 0
          let offset = 100n
          const topic = sizes.map((answer) =>
            answer.map((count) => ({
              offset: offset++,
              commands: Array.from({ length: count }, () => command(number++)),
            })),
          )
          const records = topic.flat()
          const firstIndex = Math.min(index, Math.max(0, (records[0]?.commands.length ?? 0) - 1))
          const start = { offset: 100n, index: firstIndex }
          const { feed, sent, lines, places } = sink(
            topic.map((answer) => answer.map((one) => record(one.offset, one.commands))),
            start,
          )
          const running = feed.run()
          // At first nothing is wanted, so nothing goes; then one batch for each wish.
          await tick()
          expect(sent).toEqual([])
          for (let wishes = 1; wishes <= records.length; wishes++) {
            feed.wanted()
            await tick()
            expect(sent.length).toBeLessThanOrEqual(wishes)
          }
          await running
          const expected = records.flatMap((one) => one.commands).slice(firstIndex)
          expect(ids(sent.flat())).toEqual(ids(expected))
          const poison = records.filter((one) => one.commands.length === 0).length
          expect(feed.skipped).toBe(poison)
          expect(lines.length).toBe(poison === 0 ? 0 : 1)
          if (poison > 0) expect(lines[0]).toContain(' of partition 0 of purser.commands holds no commands')
          // All consumed: the place is behind everything, poison at the end included.
          expect(places.placeOf(BigInt(expected.length))).toEqual(
            records.length === 0 ? start : { offset, index: 0 },
          )
        },
      ),
    )
  })

  test('while the core wants nothing, no more is taken from the topic', async () => {
    const answers = Array.from({ length: 10 }, (_, index) => [record(BigInt(index), [command(index)])])
    const { feed, sent, asked } = sink(answers, { offset: 0n, index: 0 })
    void feed.run()
    feed.wanted()
    for (let turns = 0; turns < 20; turns++) await tick()
    expect(sent).toHaveLength(1)
    expect(asked()).toBe(2)
    feed.stop()
  })

  test('once stopped it sends nothing, wanted or not', async () => {
    const { feed, sent } = sink([[record(0n, [command(0)])]], { offset: 0n, index: 0 })
    const running = feed.run()
    await tick()
    feed.stop()
    feed.wanted()
    await running
    expect(sent).toEqual([])
  })

  test('memory is used again only when its commands are consumed', async () => {
    const answers = Array.from({ length: 4 }, (_, index) => [record(BigInt(index), [command(index)])])
    const memories: Uint8Array[] = []
    const start = { offset: 0n, index: 0 }
    const feed = new CommandFeed(start, {
      reader: {
        async *read() {
          yield* answers
        },
      },
      source: 'partition 0 of purser.commands',
      places: new CommandPlaces(start),
      send: (slots) => memories.push(slots),
      notice: () => undefined,
      nowMs: () => 0,
    })
    const running = feed.run()
    for (let wishes = 0; wishes < 2; wishes++) {
      feed.wanted()
      await tick()
    }
    feed.consumed({ offset: 0n, index: 0 })
    feed.wanted()
    await tick()
    feed.consumed({ offset: 1n, index: 0 })
    feed.wanted()
    await running
    expect(new Set(memories.map(({ buffer }) => buffer)).size).toBe(3)
    expect(memories[3]!.buffer).toBe(memories[0]!.buffer)
  })
})
