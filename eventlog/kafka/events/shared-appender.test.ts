import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Frame } from '../../../schemas/frames.ts'
import { chainAfter, emptyChain, type ChainEnd } from '../../file/layout/segments.ts'
import { createReaderRule } from '../../reader-rule.ts'
import { nextFrame } from '../../log-on-disk.testing.ts'
import { SharedAppender } from './shared-appender.ts'

const sealed =
  (count: number, epoch: bigint) =>
  (chain: ChainEnd, durable: bigint): Frame =>
    nextFrame(chain, count, 8, durable, epoch)

describe('the writer’s side of a shared log', () => {
  it('chains frames before any is known to stand, and claims durable only what was read back', () => {
    const rule = createReaderRule(0)
    const appender = new SharedAppender(emptyChain(0))
    const [first, second] = [appender.append(sealed(2, 1n)), appender.append(sealed(1, 1n))]
    expect(appender.readBack(first, rule.judge(first))).toBe('durable')
    const third = appender.append(sealed(1, 1n))
    expect([first, second, third].map(({ durableSequence }) => durableSequence)).toEqual([0n, 0n, 2n])
    for (const frame of [second, third]) expect(appender.readBack(frame, rule.judge(frame))).toBe('durable')
    expect(appender.pending()).toBe(0)
    expect(appender.readBack(second, rule.judge(second))).toBe('ignored')
  })

  it('a frame that does not continue the chain is broken logic, and is not chained', () => {
    const appender = new SharedAppender(emptyChain(0))
    const leap = nextFrame({ ...emptyChain(0), sequence: 4n }, 1)
    expect(() => appender.append(() => leap)).toThrow(expect.objectContaining({ code: 'log_broken' }))
    expect(appender.pending()).toBe(0)
    expect(appender.chain().sequence).toBe(0n)
  })

  it('seals nothing more when it has been replaced', () => {
    const rule = createReaderRule(0)
    const appender = new SharedAppender(emptyChain(0))
    const successor = nextFrame(emptyChain(0), 0, 0, 0n, 1n)
    expect(appender.readBack(successor, rule.judge(successor))).toBe('successor')
    expect(() => appender.append(sealed(1, 2n))).toThrow(expect.objectContaining({ code: 'log_replaced' }))
  })

  it('gives way to a writer of a later epoch whose opening frame came too late to be accepted, and to no other void frame', () => {
    const rule = createReaderRule(0)
    const appender = new SharedAppender(emptyChain(0))
    const end = emptyChain(0)
    const [own, next] = [appender.append(sealed(1, 1n)), appender.append(sealed(1, 1n))]
    expect(appender.readBack(own, rule.judge(own))).toBe('durable')
    const repeat = nextFrame(end, 0, 0, 0n, 1n)
    expect(appender.readBack(repeat, rule.judge(repeat))).toBe('ignored')
    const elsewhere = nextFrame(emptyChain(3), 0, 0, 0n, 9n)
    expect(appender.readBack(elsewhere, rule.judge(elsewhere))).toBe('ignored')
    const tooLate = nextFrame(end, 0, 0, 0n, 2n)
    expect(rule.judge(tooLate).kind).toBe('void')
    expect(appender.readBack(tooLate, rule.judge(tooLate))).toBe('successor')
    expect(appender.readBack(next, rule.judge(next))).toBe('ignored')
  })

  it('tells the one that it takes over from by its opening frame, although that comes too late; its own voidness ends it', () => {
    const rule = createReaderRule(0)
    const before = new SharedAppender(emptyChain(0))
    const first = before.append(sealed(1, 1n))
    rule.judge(first)
    const after = new SharedAppender(chainAfter(first))
    const second = before.append(sealed(1, 1n))
    const third = before.append(sealed(1, 1n))
    expect(after.readBack(second, rule.judge(second))).toBe('ignored')
    const opening = after.append(sealed(0, 2n))
    expect(after.readBack(third, rule.judge(third))).toBe('ignored')
    expect(rule.judge(opening).kind).toBe('void')
    expect(before.readBack(opening, { kind: 'void', reason: 'sequence' })).toBe('successor')
    expect(after.readBack(opening, { kind: 'void', reason: 'sequence' })).toBe('void')
    // Another newcomer that was faster is no predecessor.
    const rival = new SharedAppender(chainAfter(first))
    const faster = nextFrame(chainAfter(first), 0, 0, 0n, 2n)
    expect(rival.readBack(faster, { kind: 'accepted' })).toBe('successor')
  })

  it('of two writers on one log, what either takes for durable is accepted, each frame once, whatever comes twice', () => {
    const step = fc.record({
      writer: fc.nat(1),
      kind: fc.constantFrom('append', 'arrive', 'repeat', 'take over'),
      count: fc.nat(2),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const rule = createReaderRule(0)
        let chain = emptyChain(0)
        const stored: Frame[] = []
        const accepted: Frame[] = []
        const writers = [1n, 2n].map((epoch) => ({
          epoch,
          appender: new SharedAppender(emptyChain(0)),
          onTheWay: [] as Frame[],
          durable: [] as Frame[],
          from: 0,
        }))
        const arrive = (frame: Frame): void => {
          const judgement = rule.judge(frame)
          stored.push(frame)
          if (judgement.kind === 'accepted') {
            accepted.push(frame)
            chain = chainAfter(frame)
          }
          for (const writer of writers)
            if (writer.appender.readBack(frame, judgement) === 'durable') writer.durable.push(frame)
        }
        for (const { writer: index, kind, count } of steps) {
          const writer = writers[index]!
          if (kind === 'append' && !writer.appender.isReplaced())
            writer.onTheWay.push(writer.appender.append(sealed(count, writer.epoch)))
          else if (kind === 'arrive' && writer.onTheWay.length > 0) arrive(writer.onTheWay.shift()!)
          else if (kind === 'repeat' && stored.length > 0) arrive(stored[count % stored.length]!)
          else if (kind === 'take over' && writer.appender.isReplaced()) {
            writer.epoch = rule.head().epoch + 1n
            writer.appender = new SharedAppender(chain)
          }
        }
        const durable = writers.flatMap((writer) => writer.durable)
        expect(new Set(durable).size).toBe(durable.length)
        expect(durable.every((frame) => accepted.includes(frame))).toBe(true)
        // Nobody else wrote: what was accepted was some writer's.
        expect(durable.length).toBeLessThanOrEqual(accepted.length)
      }),
      { numRuns: 500 },
    )
  })
})
