/** Skip frames of the log tell a gateway which of its commands nobody has decided. */
import { describe, expect, test } from 'vitest'
import { withinRecord } from '../../eventlog/queue/offer-offsets.ts'
import { adoptedTopic, sameTopic } from '../../schemas/commands-topic.ts'
import { SKIP_REASONS } from '../../schemas/frame-notes.ts'
import type { Frame } from '../../schemas/frames.ts'
import { makeUuidV7 } from '../../schemas/ids.ts'
import { SkippedCommands } from './skipped-commands.ts'
import { NO_CROSSINGS } from './crossings/no-crossings.testing.ts'
import { PendingCommands } from './pending.ts'
import { ID_WORDS, putIdWords } from '../../schemas/frame-rows.ts'

function frame(nextCommandOffset: bigint, nextCommandIndex: number, skip = 0, commandsTopic = 0): Frame {
  const none = new Uint8Array(0)
  const zeros = new Uint8Array(32)
  return {
    schemaVersion: 1, partition: 0, partitions: 1, epoch: 1n, firstSequence: 1n, count: 0, durableSequence: 0n, timeNs: 1n,
    payloadBytes: 0, previousHash: zeros, hash: zeros, bytes: none, payload: none, nextCommandOffset, nextCommandIndex, skip, commandsTopic,
  } // prettier-ignore
}

const record = (offset: bigint, index: number, count: number, recordCount: number) =>
  withinRecord(offset, index, count, { recordCount, isRepeated: false })

describe('what marks of the log say', () => {
  test('a mark stands for the places between the frame before it and its own, and for no others', () => {
    const skipped = new SkippedCommands()
    skipped.add(frame(5n, 2))
    skipped.add(frame(5n, 4, SKIP_REASONS.malformed))
    skipped.add(frame(7n, 0))
    skipped.add(frame(9n, 0, SKIP_REASONS.deleted))
    const offer = record(5n, 1, 5, 6)
    const reasons = [0, 1, 2, 3, 4].map((index) => skipped.reasonFor(offer, index))
    expect(reasons).toEqual([undefined, 'malformed', 'malformed', undefined, undefined])
    expect(skipped.reasonFor(record(6n, 0, 1, 1), 0)).toBeUndefined()
    expect(skipped.reasonFor(record(7n, 0, 1, 1), 0)).toBe('deleted')
    expect(skipped.reasonFor(record(8n, 3, 1, 4), 0)).toBe('deleted')
    expect(skipped.reasonFor(record(9n, 0, 1, 1), 0)).toBeUndefined()
  })

  test('the first frame that comes stands for nothing: where it begins is not known', () => {
    const skipped = new SkippedCommands()
    skipped.add(frame(9n, 0, SKIP_REASONS.deleted))
    expect(skipped.reasonFor(record(8n, 0, 1, 1), 0)).toBeUndefined()
  })

  test.each([
    ['another topic', sameTopic(0, 7), adoptedTopic(sameTopic(0, 7), 8)],
    ['the same one that lost its end', sameTopic(0, 7), adoptedTopic(sameTopic(0, 7), 7)],
    ['one whose id is not known', 0, adoptedTopic(0, 0)],
  ])('marks of a topic say nothing of the same offsets in %s, taken up since', (_, before, after) => {
    const skipped = new SkippedCommands()
    skipped.add(frame(0n, 0, 0, before))
    skipped.add(frame(9n, 0, SKIP_REASONS.deleted, before))
    skipped.add(frame(2n, 0, 0, after))
    skipped.add(frame(4n, 0, SKIP_REASONS.unreadable, after))
    const reasons = [1n, 2n, 3n, 4n].map((offset) => skipped.reasonFor(record(offset, 0, 1, 1), 0))
    expect(reasons).toEqual([undefined, 'unreadable', 'unreadable', undefined])
  })

  test.each(['before', 'after'] as const)(
    'a command in a record that was passed over is told so, and one behind it is not, though its place is known %s the frames',
    (when) => {
      const pending = new PendingCommands()
      const told: string[] = []
      pending.onFrame(frame(3n, 0))
      const offers = [3n, 4n].map((offset) => {
        const ids = new Int32Array(ID_WORDS)
        putIdWords(ids, 0, makeUuidV7(Number(offset), new Uint8Array(10)))
        const offer = pending.add({
          count: 1, ids, offeredAtMs: 0, ...NO_CROSSINGS,
          onEvent: () => told.push('event'), onFound: () => told.push('found'), onEarlier: () => told.push('earlier'),
          onEventless: () => told.push(`silent ${offset}`), onUnknown: () => told.push('unknown'),
          onSkipped: (_, reason) => told.push(`${reason} ${offset}`),
        }) // prettier-ignore
        return () => pending.stored(offer, record(offset, 0, 1, 1))
      })
      if (when === 'before') for (const place of offers) place()
      pending.onFrame(frame(4n, 0, SKIP_REASONS.unreadable))
      pending.onFrame(frame(5n, 0))
      if (when === 'after') for (const place of offers) place()
      expect(told).toEqual(['unreadable 3', 'silent 4'])
      expect(pending.count).toBe(0)
    },
  )
})
