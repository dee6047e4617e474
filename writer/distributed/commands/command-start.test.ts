import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  adoptedTopic,
  isAdoption,
  sameTopic,
  topicPartOf,
  topicPartOfId,
} from '../../../schemas/commands-topic.ts'
import {
  describeAdoption,
  describeRefusal,
  judgeCommands,
  recordsLost,
  withSeen,
  type CommandsSeen,
} from './command-start.ts'

const part = fc.constantFrom(0, 1, 2, 0xffffff)
const word = fc.tuple(part, fc.nat(255)).map(([topic, adoptions]) => topic * 256 + adoptions)
const head = fc.record({
  sequence: fc.bigInt(0n, 3n),
  nextCommandOffset: fc.bigInt(0n, 6n),
  nextCommandIndex: fc.nat(2),
  commandsTopic: word,
})
const found = fc
  .tuple(part, fc.bigInt(0n, 6n), fc.bigInt(0n, 3n))
  .map(([topicPart, first, count]) => ({ topicPart, first, end: first + count }))

describe('the mark of the commands topic in a frame', () => {
  test('another place is another mark, going on is none, whatever the topics', () => {
    fc.assert(
      fc.property(word, part, (before, topic) => {
        expect(isAdoption(before, sameTopic(before, topic))).toBe(false)
        expect(isAdoption(before, adoptedTopic(before, topic))).toBe(true)
        for (const mark of [sameTopic(before, topic), adoptedTopic(before, topic)]) {
          expect(topicPartOf(mark)).toBe(topic)
          expect(mark).toBe(mark >>> 0)
        }
      }),
    )
  })

  test('no id is told from every id, also from one that ends in zeros', () => {
    expect(topicPartOfId(undefined)).toBe(0)
    expect(topicPartOfId(new Uint8Array(16))).toBe(0)
    expect(topicPartOfId(Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? 1 : 0)))).toBe(1)
    expect(topicPartOfId(Uint8Array.from({ length: 16 }, (_, at) => at))).toBe(0x0d0e0f)
  })
})

describe('where commands go on', () => {
  test('never at a place of one topic in another, and lower than the log says only under another mark', () => {
    fc.assert(
      fc.property(head, found, fc.boolean(), (log, topic, isAllowed) => {
        const start = judgeCommands(log, topic, isAllowed)
        const known = topicPartOf(log.commandsTopic)
        const isOther = known !== 0 && topic.topicPart !== 0 && known !== topic.topicPart
        if (isOther) expect(start.kind).not.toBe('continued')
        if (start.kind === 'refused') return
        expect(topicPartOf(start.commandsTopic)).toBe(topic.topicPart)
        if (start.kind === 'continued')
          expect(start.start).toEqual({ offset: log.nextCommandOffset, index: log.nextCommandIndex })
        else expect(isAdoption(log.commandsTopic, start.commandsTopic)).toBe(true)
        // Whatever was deleted before it: the place exists, or the next record gets it.
        expect(start.start.offset <= topic.end).toBe(true)
      }),
    )
  })

  test('another topic is taken up unasked only where nothing can be doubled; once allowed, nothing is refused', () => {
    fc.assert(
      fc.property(head, found, (log, topic) => {
        expect(judgeCommands(log, topic, true).kind).not.toBe('refused')
        const { kind } = judgeCommands(log, topic, false)
        const isSame = topicPartOf(log.commandsTopic) !== 0 && topicPartOf(log.commandsTopic) === topic.topicPart
        if (kind === 'adopted') expect(isSame || log.sequence === 0n).toBe(true)
      }),
    )
  }) // prettier-ignore

  test('a topic that is longer than what was consumed is another one all the same', () => {
    const log = { sequence: 9n, nextCommandOffset: 3n, nextCommandIndex: 0, commandsTopic: 7 * 256 }
    const longer = { topicPart: 8, first: 0n, end: 1_000n }
    expect(judgeCommands(log, longer, true)).toMatchObject({
      kind: 'adopted',
      because: 'other_topic',
      start: { offset: 0n, index: 0 },
      commandsTopic: 8 * 256 + 1,
    })
    expect(judgeCommands(log, longer, false)).toMatchObject({ kind: 'refused', because: 'other_topic' })
  })

  test('the same topic that lost its end is taken up again, without a question', () => {
    const log = { sequence: 9n, nextCommandOffset: 30n, nextCommandIndex: 0, commandsTopic: 7 * 256 + 255 }
    expect(judgeCommands(log, { topicPart: 7, first: 2n, end: 20n }, false)).toMatchObject({
      kind: 'adopted',
      because: 'went_backwards',
      start: { offset: 20n, index: 0 },
      commandsTopic: 7 * 256,
    })
  })
})

describe('what is said of it', () => {
  test('the loss by its offsets, as far as anybody knows them', () => {
    const left = { offset: 40n, index: 0 }
    expect(
      recordsLost(left, 7 * 256, [
        { topicPart: 8, end: 99n },
        { topicPart: 7, end: 45n },
      ]),
    ).toBe(5n)
    expect(recordsLost(left, 7 * 256, [{ topicPart: 7, end: 12n }])).toBe(0n)
    expect(recordsLost(left, 7 * 256, [{ topicPart: 8, end: 45n }])).toBeUndefined()
    expect(recordsLost(left, 7 * 256, [])).toBeUndefined()
    const start = {
      kind: 'adopted',
      start: { offset: 0n, index: 0 },
      commandsTopic: 0,
      left,
      because: 'other_topic',
    } as const
    expect(describeAdoption(start, 'Partition 0 of x', 5n)).toContain(
      'from offset 40 to 44 at least is lost (5 records)',
    )
    expect(describeAdoption(start, 'Partition 0 of x', undefined)).toContain(
      'from offset 40 on is lost: nobody here knows',
    )
    expect(describeAdoption(start, 'Partition 0 of x', 0n)).toContain('Nothing is known to have stood there')
  })

  test('of each topic the furthest look counts, and a look at another one does not take its place', () => {
    const seen = [{ topicPart: 7, end: 45n }, { topicPart: 8, end: 3n }, { topicPart: 7, end: 44n }].reduce<readonly CommandsSeen[]>(withSeen, [])
    expect(new Set(seen)).toEqual(new Set([{ topicPart: 7, end: 45n }, { topicPart: 8, end: 3n }]))
  }) // prettier-ignore

  test('whoever is refused is told what to say', () => {
    expect(describeRefusal('other_topic', 'Partition 0 of x')).toMatch(
      /^Partition 0 of x is not the one .*purser topics --adopt\.$/,
    )
  })
})
