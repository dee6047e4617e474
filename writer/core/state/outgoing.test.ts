import { expect, it } from 'vitest'
import { CHANNELS_MAX } from '../../../schemas/limits.ts'
import { CHANNEL, Outgoing } from './outgoing.ts'

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
