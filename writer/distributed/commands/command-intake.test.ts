import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCommandRecord } from '../../../eventlog/kafka/commands/command-record.ts'
import { BatchDamagedError, KafkaOffsetError } from '../../../eventlog/kafka/errors.ts'
import type { TopicRecord } from '../../../eventlog/kafka/partition/topic-reader.ts'
import { decodeCommands, encodeCommands } from '../../../schemas/command-codec.ts'
import type { Command } from '../../../schemas/commands.ts'
import { formatId } from '../../../schemas/ids.ts'
import { openAccount, transfer } from '../../../test/support/commands.ts'
import { CommandIntake, stretchesWithin } from './command-intake.ts'
import { CommandOffsetMap, type ConsumedSkip } from './command-offset-map.ts'

const POISON = Buffer.from('nobody made commands of this')

function record(offset: bigint, commands: readonly Command[]): TopicRecord {
  const value =
    commands.length === 0 ? POISON : encodeCommandRecord(encodeCommands(commands), commands.length)
  return { offset, value }
}

/** A command, with text in some. */
function command(number: number): Command {
  const made = number % 3 === 0 ? openAccount(number) : transfer(number, number + 1, 1n)
  return { ...made, receivedAtNs: 1n, ...(number % 2 === 0 ? { memo: 'm'.repeat((number % 9) * 30) } : {}) }
}

function ids(commands: readonly Command[]): string[] {
  return commands.map(({ id }) => formatId(id))
}

/** What was sent to a core that wants batches as told. Records before `first` were deleted from the topic. */
function sink(
  answers: Iterable<readonly TopicRecord[]>,
  start: { offset: bigint; index: number },
  first = start.offset,
  skipAfterMs = 3_600_000,
) {
  const sent: Command[][] = []
  const lines: string[] = []
  const offsetMap = new CommandOffsetMap(start)
  /** What frames of the core would say: a place behind each batch, with its reason behind a mark. */
  const marked: ConsumedSkip[] = []
  let asked = 0
  let handed = 0
  const intake = new CommandIntake(start, {
    reader: {
      async *read(offset, { signal } = {}) {
        const bounds = { first, end: first + 100n }
        if (offset < first)
          throw new KafkaOffsetError({ topic: 'purser.commands', partition: 0 }, offset, bounds)
        for (const answer of answers) {
          if (signal?.aborted === true) return
          asked++
          yield answer.filter((one) => one.offset >= offset)
        }
      },
    },
    source: 'partition 0 of purser.commands',
    offsetMap,
    send: (slots, count) => {
      const commands = decodeCommands(slots)
      expect(commands).toHaveLength(count)
      sent.push(commands)
      handed += count
      marked.push(
        count === 0 ? offsetMap.offsetOfSkip(BigInt(handed)) : { offset: offsetMap.offsetOf(BigInt(handed)) },
      )
    },
    notice: (line) => lines.push(line),
    nowMs: () => 0,
    skipAfterMs,
  })
  return { intake, sent, marked, lines, offsetMap, asked: () => asked }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the intake of commands', () => {
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
          const { intake, sent, marked, lines } = sink(
            topic.map((answer) => answer.map((one) => record(one.offset, one.commands))),
            start,
          )
          const running = intake.run()
          // At first nothing is wanted, so nothing goes; then one batch for each wish.
          await tick()
          expect(sent).toEqual([])
          for (let wishes = 1; wishes <= records.length; wishes++) {
            intake.wanted()
            await tick()
            expect(sent.length).toBeLessThanOrEqual(wishes)
          }
          await running
          const expected = records.flatMap((one) => one.commands).slice(firstIndex)
          expect(ids(sent.flat())).toEqual(ids(expected))
          const poison = records.filter((one) => one.commands.length === 0).length
          expect(intake.skipped).toBe(poison)
          expect(lines.length).toBe(poison === 0 ? 0 : 1)
          if (poison > 0) expect(lines[0]).toContain(' of partition 0 of purser.commands holds no commands')
          // All consumed: the place is behind everything, poison at the end included.
          intake.wanted()
          intake.sendSkip()
          intake.stop()
          expect((marked.at(-1) ?? { offset: start }).offset).toEqual(
            records.length === 0 ? start : { offset, index: 0 },
          )
          // Whatever a frame consumes beside its commands, it says why, and nobody else's commands are among it.
          sent.forEach((batch, at) =>
            expect(marked[at]!.reason).toBe(batch.length === 0 ? 'unreadable' : undefined),
          )
        },
      ),
    )
  })

  test('of a record that several senders share, a wrong command is passed over alone, counted and named, wherever the writer begins', async () => {
    const wrong = (number: number): Command => ({ ...transfer(number, number + 1, 1n), effectiveAtNs: -(2n ** 62n) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.constantFrom('good', 'good', 'wrong', 'linked'), { minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 4 }),
        fc.nat(6),
        async (kinds, index) => {
          let number = 1
          const records = kinds.map((record) => record.map((kind) => {
            const made = transfer(number, ++number, 1n)
            return kind === 'wrong' ? wrong(number) : { ...made, linked: kind === 'linked' }
          }))
          // A group that holds a wrong one, or that is not ended, is passed over as a whole.
          const isGood = (record: readonly Command[]): boolean[] => {
            const good: boolean[] = []
            for (let from = 0; from < record.length;) {
              let end = from
              while (end < record.length && record[end]!.linked === true) end++
              const group = record.slice(from, end + 1)
              const isWhole = end < record.length && group.every(({ effectiveAtNs }) => effectiveAtNs === undefined)
              for (; from <= Math.min(end, record.length - 1); from++) good.push(isWhole)
            }
            return good
          }
          const goods = records.map(isGood)
          // A writer begins behind a whole group, never within one.
          const firstIndex = goods[0]![index] === true && (index === 0 || records[0]![index - 1]!.linked !== true) ? index : 0
          const { intake, sent, marked, lines } = sink([records.map((one, at) => record(BigInt(at), one))], { offset: 0n, index: firstIndex })
          let isOver = false
          const running = intake.run().finally(() => (isOver = true))
          while (!isOver) {
            intake.wanted()
            await tick()
          }
          await running
          intake.wanted()
          intake.sendSkip()
          intake.stop()
          const all = records.flatMap((one, at) => one.map((command, index) => ({ command, offset: BigInt(at), index, isGood: goods[at]![index]! })))
          const ahead = all.filter(({ offset, index }) => offset > 0n || index >= firstIndex)
          expect(ids(sent.flat())).toEqual(ids(ahead.filter(({ isGood }) => isGood).map(({ command }) => command)))
          // Every command is consumed by one frame, and that is a mark for those that are wrong and for no others.
          for (const { offset, index, isGood } of ahead) {
            const by = marked.find(({ offset: next }) => next.offset > offset || (next.offset === offset && next.index > index))
            expect(by!.reason).toBe(isGood ? undefined : 'malformed')
          }
          const lost = ahead.filter(({ isGood }) => !isGood).length
          expect(intake.skipped).toBe(0)
          expect(intake.passedOver).toBe(lost)
          expect(lines.length).toBe(lost === 0 ? 0 : 1)
        },
      ),
      { numRuns: 300 },
    )
  }) // prettier-ignore

  test('while the core wants nothing, no more is taken from the topic', async () => {
    const answers = Array.from({ length: 10 }, (_, index) => [record(BigInt(index), [command(index)])])
    const { intake, sent, asked } = sink(answers, { offset: 0n, index: 0 })
    void intake.run()
    intake.wanted()
    for (let turns = 0; turns < 20; turns++) await tick()
    expect(sent).toHaveLength(1)
    expect(asked()).toBe(2)
    intake.stop()
  })

  test('once stopped it sends nothing, wanted or not', async () => {
    const { intake, sent } = sink([[record(0n, [command(0)])]], { offset: 0n, index: 0 })
    const running = intake.run()
    await tick()
    intake.stop()
    intake.wanted()
    await running
    expect(sent).toEqual([])
  })

  test('a batch that cannot be read is skipped with all of its offsets', async () => {
    const unreadable = { end: 8n, reason: 'its batch cannot be read (zstd: torn)' }
    const batch = { offset: 3n, value: Buffer.alloc(0), unreadable }
    const { intake, sent, marked, lines } = sink([[batch, record(8n, [command(1)])]], {
      offset: 3n,
      index: 0,
    })
    const running = intake.run()
    intake.wanted()
    intake.wanted()
    await running
    expect(sent.flat()).toHaveLength(1)
    expect(intake.skipped).toBe(5)
    expect(lines).toEqual([expect.stringContaining('offset 3 of partition 0 of purser.commands holds no')])
    expect(lines[0]).toContain('cannot be read (zstd: torn)')
    expect(marked).toEqual([
      { offset: { offset: 8n, index: 0 }, reason: 'unreadable' },
      { offset: { offset: 9n, index: 0 } },
    ])
  })

  test('records that were deleted before they were taken are passed over, counted and told, the rest of one included', async () => {
    const topic = [[record(9n, [command(1), command(2)])]]
    const { intake, sent, marked, lines } = sink(topic, { offset: 4n, index: 7 }, 9n)
    const running = intake.run()
    intake.wanted()
    intake.wanted()
    await running
    expect(sent.flat()).toHaveLength(2)
    expect(intake.deleted).toBe(5)
    expect(intake.skipped).toBe(0)
    expect(lines).toEqual([
      expect.stringContaining('offsets 4 to 8 of partition 0 of purser.commands were deleted'),
    ])
    expect(marked).toEqual([
      { offset: { offset: 9n, index: 0 }, reason: 'deleted' },
      { offset: { offset: 10n, index: 0 } },
    ])
  })

  test('what the reader throws for another reason ends it', async () => {
    const beyond = new KafkaOffsetError({ topic: 't', partition: 0 }, 9n, { first: 0n, end: 3n })
    const failing = new CommandIntake(
      { offset: 9n, index: 0 },
      {
        reader: {
          async *read() {
            throw beyond
          },
        },
        source: 'partition 0 of purser.commands',
        offsetMap: new CommandOffsetMap({ offset: 9n, index: 0 }),
        send: () => undefined,
        notice: () => undefined,
        nowMs: () => 0,
      },
    )
    await expect(failing.run()).rejects.toBe(beyond)
  })

  test('a damaged batch ends it when all that stands before it is consumed, or at once when it is stopped', async () => {
    const damaged = new BatchDamagedError({ topic: 't', partition: 0 }, 1n, 'its checksum is wrong')
    const answers = function* (): Generator<readonly TopicRecord[]> {
      yield [record(0n, [command(1)])]
      throw damaged
    }
    for (const end of ['consumed', 'stopped']) {
      const { intake, sent } = sink(answers(), { offset: 0n, index: 0 })
      let failure: unknown
      const running = intake.run().catch((error: unknown) => (failure = error))
      intake.wanted()
      for (let turns = 0; turns < 20; turns++) await tick()
      expect(sent).toHaveLength(1)
      expect(failure).toBeUndefined()
      if (end === 'consumed') intake.consumed({ offset: 1n, index: 0 })
      else intake.stop()
      await running
      expect(failure).toBe(damaged)
    }
  })

  test('what is skipped is marked once, by a batch of no commands, when the core wants one', async () => {
    const { intake, sent, marked } = sink([[record(0n, []), record(1n, [])]], { offset: 0n, index: 0 })
    const running = intake.run()
    intake.sendSkip()
    expect(sent).toEqual([])
    intake.wanted()
    await running
    intake.sendSkip()
    intake.sendSkip()
    intake.wanted()
    intake.sendSkip()
    expect(sent).toEqual([[]])
    expect(marked).toEqual([{ offset: { offset: 2n, index: 0 }, reason: 'unreadable' }])
    intake.stop()
  })

  test('what is skipped between commands is marked between them, in its turn', async () => {
    const answers = [[record(0n, [command(1)])], [record(1n, []), record(2n, [command(2)])]]
    const { intake, sent, marked } = sink(answers, { offset: 0n, index: 0 })
    const running = intake.run()
    for (let wishes = 0; wishes < 3; wishes++) intake.wanted()
    await running
    expect(sent.map((batch) => batch.length)).toEqual([1, 0, 1])
    expect(marked.map(({ offset, reason }) => [offset.offset, reason])).toEqual([
      [1n, undefined],
      [2n, 'unreadable'],
      [3n, undefined],
    ])
    intake.stop()
  })

  test('if no command follows, what is skipped is marked after a while', async () => {
    const { intake, sent } = sink([[record(0n, [])]], { offset: 0n, index: 0 }, 0n, 1)
    const running = intake.run()
    intake.wanted()
    await running
    await expect.poll(() => sent).toEqual([[]])
    intake.stop()
  })

  test('commands of a record that nobody can take are stretches of their own: the others keep their places', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), fc.nat(11), (areGood, from) => {
        const commands = areGood.map((_, index) => command(index))
        const firstIndex = from % commands.length
        const invalid = areGood.flatMap((isGood, index) =>
          isGood ? [] : [{ first: index, end: index + 1, why: 'odd' }],
        )
        const stretches = stretchesWithin(7n, firstIndex, encodeCommands(commands), commands.length, invalid)
        let next = { offset: 7n, index: firstIndex }
        for (const stretch of stretches) {
          if (stretch.kind === 'nothing') {
            expect(stretch.reason).toBe('malformed')
            expect(areGood[next.index]).toBe(false)
            next = stretch.next
            continue
          }
          expect(stretch).toMatchObject({ offset: 7n, firstIndex: next.index })
          const found = decodeCommands(stretch.slots)
          expect(ids(found)).toEqual(ids(commands.slice(next.index, next.index + stretch.count)))
          for (let at = 0; at < stretch.count; at++) expect(areGood[next.index + at]).toBe(true)
          const index = next.index + stretch.count
          expect(stretch.isLast).toBe(index === commands.length)
          next = stretch.isLast ? { offset: 8n, index: 0 } : { offset: 7n, index }
        }
        expect(next).toEqual({ offset: 8n, index: 0 })
      }),
    )
  })

  test('a flood of what is no command leaves nothing behind but its count', async () => {
    const answers = 200
    const records = 5_000
    const flood = function* (): Generator<readonly TopicRecord[]> {
      for (let answer = 0; answer < answers; answer++)
        yield Array.from({ length: records }, (_, index) => record(BigInt(answer * records + index), []))
      yield [record(BigInt(answers * records), [command(1)])]
    }
    const { intake, sent, lines, offsetMap } = sink(flood(), { offset: 0n, index: 0 })
    const running = intake.run()
    intake.wanted()
    intake.wanted()
    await running
    expect(intake.skipped).toBe(answers * records)
    expect(lines).toHaveLength(1)
    expect(offsetMap.openRuns()).toBe(0)
    expect(sent.map((batch) => batch.length)).toEqual([0, 1])
    intake.stop()
  })

  test('memory is used again only when its commands are consumed', async () => {
    const answers = Array.from({ length: 4 }, (_, index) => [record(BigInt(index), [command(index)])])
    const memories: Uint8Array[] = []
    const start = { offset: 0n, index: 0 }
    const intake = new CommandIntake(start, {
      reader: {
        async *read() {
          yield* answers
        },
      },
      source: 'partition 0 of purser.commands',
      offsetMap: new CommandOffsetMap(start),
      send: (slots) => memories.push(slots),
      notice: () => undefined,
      nowMs: () => 0,
    })
    const running = intake.run()
    for (let wishes = 0; wishes < 2; wishes++) {
      intake.wanted()
      await tick()
    }
    intake.consumed({ offset: 0n, index: 0 })
    intake.wanted()
    await tick()
    intake.consumed({ offset: 1n, index: 0 })
    intake.wanted()
    await running
    expect(new Set(memories.map(({ buffer }) => buffer)).size).toBe(3)
    expect(memories[3]!.buffer).toBe(memories[0]!.buffer)
  })
})
