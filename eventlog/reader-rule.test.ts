import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Frame } from '../schemas/frames.ts'
import { chainAfter, emptyChain } from './file/layout/segments.ts'
import { createReaderRule, headAfter } from './reader-rule.ts'
import { nextFrame } from './log-on-disk.testing.ts'

function chain(counts: readonly number[], epoch = 1n): Frame[] {
  let head = emptyChain(0)
  return counts.map((count) => {
    const frame = nextFrame(head, count, 8, head.sequence, epoch)
    head = chainAfter(frame)
    return frame
  })
}

it('accepts a chain from its beginning, and from any head on', () => {
  const frames = chain([2, 0, 1, 0, 0, 3])
  for (let start = 0; start <= frames.length; start++) {
    const rule = start === 0 ? createReaderRule(0) : createReaderRule(0, headAfter(frames[start - 1]!))
    for (const frame of frames.slice(start)) expect(rule.judge(frame)).toEqual({ kind: 'accepted' })
    expect(rule.head().sequence).toBe(6n)
  }
})

it('repeats, leaps and strangers are void, each by its reason, and change nothing', () => {
  const [first, second, third] = chain([2, 1, 1]) as [Frame, Frame, Frame]
  const rule = createReaderRule(0)
  rule.judge(first)
  const head = rule.head()
  const reasonOf = (frame: Frame): unknown => rule.judge(frame)
  expect(reasonOf(first)).toEqual({ kind: 'void', reason: 'sequence' })
  expect(reasonOf(third)).toEqual({ kind: 'void', reason: 'sequence' })
  expect(reasonOf({ ...second, partition: 1 })).toEqual({ kind: 'void', reason: 'other_partition' })
  expect(reasonOf({ ...second, previousHash: second.hash })).toEqual({
    kind: 'void',
    reason: 'previous_hash',
  })
  expect(reasonOf({ ...second, epoch: 0n })).toEqual({ kind: 'void', reason: 'epoch' })
  expect(rule.head()).toBe(head)
  expect(rule.voids()).toBe(5)
  expect(reasonOf(second)).toEqual({ kind: 'accepted' })
})

it('a writer that has been replaced is void for every reader, though it goes on by the same sequence', () => {
  const [first] = chain([2]) as [Frame]
  const opening = nextFrame(chainAfter(first), 0, 0, 2n, 2n)
  const zombie = nextFrame(chainAfter(first), 1, 8, 2n, 1n)
  const successor = nextFrame(chainAfter(opening), 1, 8, 2n, 2n)
  const rule = createReaderRule(0)
  for (const frame of [first, opening]) expect(rule.judge(frame).kind).toBe('accepted')
  expect(rule.judge(zombie)).toEqual({ kind: 'void', reason: 'previous_hash' })
  expect(rule.judge(successor).kind).toBe('accepted')
})

it('any two readers of the same frames, repeated and shuffled in, accept the same chain', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }),
      fc.array(fc.record({ at: fc.nat(20), frame: fc.nat(11) }), { maxLength: 20 }),
      (counts, repeats) => {
        const frames = chain(counts)
        const stored = [...frames]
        for (const { at, frame } of repeats) {
          // A repeat can only come after the frame itself.
          const original = frames[frame % frames.length]!
          const from = stored.indexOf(original) + 1
          stored.splice(from + (at % (stored.length - from + 1)), 0, original)
        }
        const rule = createReaderRule(0)
        const accepted = stored.filter((frame) => rule.judge(frame).kind === 'accepted')
        expect(accepted).toEqual(frames)
        expect(rule.voids()).toBe(stored.length - frames.length)
      },
    ),
  )
})
