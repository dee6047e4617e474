import { describe, expect, test } from 'vitest'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import type { Lane } from './lanes.ts'
import { sendLoad, type Load } from './load.ts'
import { Schedule } from './schedule.ts'
import { SerialSet } from './serial-set.ts'
import { Histogram } from './histogram.ts'

test('messages are meant to be sent at a fixed rate from the start on, the first one at once', () => {
  const schedule = new Schedule(1_000, 250)
  expect([0, 1, 250].map((number) => schedule.intendedMs(number))).toEqual([1_000, 1_004, 2_000])
})

const LOAD: Load = {
  workload: 'spread',
  accounts: 100,
  seed: 1,
  unlimited: false,
  firstSerial: 1_000,
  batch: 10,
  inFlight: 2,
  seconds: 0.2,
  commandsMin: 0,
  messagesPerSecond: 100,
}

/** A lane that holds each message for as long as it is told to. */
function slowLane(holdMs: (message: number) => number): Lane & { underWayMax: number; messages: number } {
  let underWay = 0
  const lane = {
    underWayMax: 0,
    messages: 0,
    async send(slots: Uint8Array, count: number) {
      expect(slots.length).toBe(count * COMMAND_SLOT_BYTES)
      lane.underWayMax = Math.max(lane.underWayMax, ++underWay)
      await new Promise((resolve) => setTimeout(resolve, holdMs(lane.messages++)))
      underWay--
      return { decided: count, refused: 0, repeated: 0 }
    },
    close: () => Promise.resolve(),
  }
  return lane
}

describe('an open-loop load', () => {
  test('charges a stall to every message that it held up, and sends all that were due', async () => {
    const lane = slowLane((message) => (message === 0 || message === 1 ? 150 : 0))
    const result = await sendLoad([lane], LOAD, undefined)
    expect(result.messages).toBe(20)
    expect(lane.underWayMax).toBe(2)
    const histogram = new Histogram()
    histogram.add(result.buckets, result.maxMs)
    // Message 5, meant to be sent at 50 ms, waited for a free place until 150: about half of all waited.
    expect(histogram.percentile(0.5)).toBeGreaterThan(20)
    expect(result.maxMs).toBeGreaterThanOrEqual(140)
  })

  test('acknowledges each command once, by serial numbers that go on from the first', async () => {
    const acknowledged = new SerialSet()
    const { made, nextSerial } = await sendLoad([slowLane(() => 1)], LOAD, acknowledged)
    expect(made.commands).toBe(200)
    expect(nextSerial).toBe(1_200)
    expect(acknowledged.count()).toBe(200)
    for (let serial = 1_000; serial < 1_200; serial++) expect(acknowledged.add(serial)).toBe(false)
  })
})

test('a load at full speed keeps as many messages under way as it may, on every lane', async () => {
  const lanes = [slowLane(() => 5), slowLane(() => 5)]
  await sendLoad(lanes, { ...LOAD, seconds: 0.05, messagesPerSecond: undefined }, undefined)
  expect(lanes.map(({ underWayMax }) => underWayMax)).toEqual([2, 2])
})

test('a load at full speed goes on until it has sent as many commands as it has to', async () => {
  const { made } = await sendLoad(
    [slowLane(() => 1)],
    { ...LOAD, seconds: 0.001, commandsMin: 500, messagesPerSecond: undefined },
    undefined,
  )
  expect(made.commands).toBeGreaterThanOrEqual(500)
})

test('a load whose lane fails fails', async () => {
  const lane: Lane = { send: () => Promise.reject(new Error('cut')), close: () => Promise.resolve() }
  await expect(sendLoad([lane], LOAD, undefined)).rejects.toThrow('cut')
  await expect(sendLoad([lane], { ...LOAD, messagesPerSecond: undefined }, undefined)).rejects.toThrow('cut')
})
