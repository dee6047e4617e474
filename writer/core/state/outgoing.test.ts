import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CHANNELS_MAX } from '../../../schemas/limits.ts'
import { CHANNEL, CHANNEL_WORDS, Outgoing } from './outgoing.ts'

const RESERVED = 1

it('channels are given lowest free first, each turn once, up to as many as there may be', () => {
  const outgoing = new Outgoing()
  for (let channel = 1; channel <= CHANNELS_MAX; channel++) {
    if (outgoing.next() !== channel) expect(outgoing.next()).toBe(channel)
    outgoing.begin(channel, RESERVED)
  }
  expect([outgoing.next(), outgoing.open, outgoing.count]).toEqual([0, CHANNELS_MAX, CHANNELS_MAX])
  for (const channel of [700_000, 33, 1_025]) outgoing.end(channel)
  for (const channel of [33, 1_025, 700_000]) {
    expect([outgoing.next(), outgoing.turn(channel), outgoing.state(channel)]).toEqual([channel, 1, 0])
    outgoing.begin(channel, RESERVED)
    expect(outgoing.turn(channel)).toBe(2)
  }
  expect(outgoing.next()).toBe(0)
})

it('a channel whose turns are used up is not given again', () => {
  const outgoing = new Outgoing()
  outgoing.begin(1, RESERVED)
  outgoing.words32[CHANNEL.turnState * 2] = -1
  outgoing.end(1)
  expect([outgoing.next(), outgoing.turn(1)]).toEqual([2, 2 ** 32 - 1])
})

it('those that wait come in the order of their last events, whatever went on in between', () => {
  const outgoing = new Outgoing()
  for (const channel of [1, 2, 3, 4]) outgoing.begin(channel, RESERVED)
  outgoing.move(1, RESERVED, 1)
  outgoing.end(3)
  outgoing.move(2, RESERVED, 0)
  outgoing.begin(3, RESERVED)
  const order: number[] = []
  for (let first = outgoing.firstWaiting(); first !== 0; first = outgoing.firstWaiting()) {
    order.push(first)
    outgoing.end(first)
  }
  expect(order).toEqual([4, 1, 2, 3])
  expect([outgoing.open, outgoing.firstRemindAt()]).toEqual([0, 0n])
})

it('timers come in the order of their times, whoever waits in the queue and whoever beside it, also in a state put back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.nat(99), fc.nat(12)), { minLength: 1, maxLength: 120 }),
      (acts) => {
        const outgoing = new Outgoing()
        /** Of each open channel when its timer comes. */
        const timers = new Map<number, bigint>()
        let nowNs = 0n
        const wake = (channel: number, attempt: number, untilDeadline: bigint): void => {
          const remindAt = nowNs + (attempt === 0 ? 10n : 20n << BigInt(attempt))
          const deadline = nowNs + untilDeadline
          outgoing.words[outgoing.wordOf(channel) + CHANNEL.deadline] = deadline
          const at = deadline < remindAt ? deadline : remindAt
          outgoing.wakeAt(channel, at)
          timers.set(channel, at)
        }
        for (const [act, pick, number] of acts) {
          nowNs += 1n
          const open = [...timers.keys()]
          const channel = open[pick % Math.max(1, open.length)]
          if (channel === undefined || act === 0) {
            const next = outgoing.next()
            outgoing.begin(next, RESERVED)
            wake(next, 0, BigInt(number))
          } else if (act === 1) {
            outgoing.end(channel)
            timers.delete(channel)
          } else {
            outgoing.move(channel, RESERVED, act === 2 ? 0 : (number % 4) + 1)
            wake(channel, outgoing.attempt(channel), BigInt(number) * 9n)
          }
          expect(outgoing.firstRemindAt()).toBe(sorted(timers)[0]?.[1] ?? 0n)
          expect(outgoing.firstWaiting()).toBe(sorted(timers)[0]?.[0] ?? 0)
        }
        const restored = new Outgoing()
        restored.restore(outgoing.words.slice(0, outgoing.count * CHANNEL_WORDS), outgoing.count)
        for (const [channel] of sorted(timers))
          for (const one of [outgoing, restored]) {
            expect(one.firstWaiting()).toBe(channel)
            one.end(channel)
          }
      },
    ),
  )
})

function sorted(timers: ReadonlyMap<number, bigint>): (readonly [channel: number, at: bigint])[] {
  return [...timers].sort(([left, leftAt], [right, rightAt]) => Number(leftAt - rightAt) || left - right)
}
