/** The laws of a coordinator, on real cores and queues. */
import fc from 'fast-check'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Coordination } from '../../schemas/commands.ts'
import { STEP_REMIND_NS } from '../../schemas/limits.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import { Coordinator } from './coordinator.ts'
import { startCoordinators } from './embedded-coordinators.ts'
import { storiesOf, Towns } from './towns.testing.ts'

const TCC = [
  'CreditReserved',
  'TransferCompleted',
  'TransferConfirmed',
  'TransferCredited',
  'TransferReserved',
]
const SAGA = ['TransferCompleted', 'TransferCredited', 'TransferDebited']

/** What was said again aside, each crossing in its stories' order of names. */
function once(towns: Towns): string[][] {
  return [...storiesOf(towns).values()].map((story) =>
    story.filter((kind) => kind !== 'TransferReminded' && kind !== 'StepAnswered').sort(),
  )
}

describe.each([2, 4])('with %i partitions', (partitions) => {
  it.each<[Coordination, readonly string[]]>([
    ['tcc', TCC],
    ['saga', SAGA],
  ])(
    'a transfer from any to any other is carried to its end by %s, without a reminder',
    async (coordination, story) => {
      const towns = new Towns({ partitions, coordination })
      const coordinators = towns.coordinateAll()
      let sent = 0
      for (let from = 0; from < partitions; from++)
        for (let to = 0; to < partitions; to++)
          if (from !== to)
            towns.send(
              from,
              Array.from({ length: ++sent && 3 }, () => towns.crossing(from, to)),
            )
      await towns.settle()
      expect(once(towns)).toEqual(Array.from({ length: sent * 3 }, () => story))
      expect(towns.inTransit()).toBe(0n)
      const status = coordinators.map((one) => one.status())
      expect(status.reduce((sum, { stepsSent }) => sum + stepsSent, 0)).toBe(sent * 3 * (story.length - 1))
      const idle = { stepsWaiting: 0, stepsDropped: 0, stepsReminded: 0 }
      for (const [partition, one] of status.entries())
        expect(one).toMatchObject({ ...idle, partition, sequence: towns.all[partition]!.log.head().sequence })
      await towns.stop()
    },
  )

  it('two coordinators of each log do no more than one', async () => {
    const towns = new Towns({ partitions })
    towns.coordinateAll()
    towns.coordinateAll()
    for (let from = 0; from < partitions; from++)
      towns.send(
        from,
        Array.from({ length: 20 }, () => towns.crossing(from, (from + 1) % partitions)),
      )
    await towns.settle()
    expect([...storiesOf(towns).values()].map((story) => [...story].sort())).toEqual(
      Array.from({ length: 20 * partitions }, () => TCC),
    )
    await towns.stop()
  })

  it.each<Coordination>(['tcc', 'saga'])(
    'killed at any point, a coordinator that starts anew brings every crossing to its one end, by %s',
    async (coordination) => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(99), { minLength: 4, maxLength: 60 }), async (choices) => {
          const towns = new Towns({ partitions, coordination })
          let running = towns.coordinateAll()
          let sent = 0
          for (const choice of choices) {
            const town = towns.all[choice % partitions]!
            if (choice < 40) town.decide(towns.nowNs)
            else if (choice < 60) await turn()
            else if (choice < 80) {
              const to = (town.partition + 1 + (choice % (partitions - 1))) % partitions
              towns.send(town.partition, [
                towns.crossing(town.partition, to),
                towns.crossing(town.partition, to),
              ])
              sent += 2
            } else if (choice < 90) {
              await running[town.partition]!.stop()
              running = running.map((one, index) =>
                index === town.partition ? towns.coordinate(index) : one,
              )
            } else towns.nowNs += STEP_REMIND_NS / 3n
          }
          await towns.heal()
          expect(once(towns)).toEqual(
            Array.from({ length: sent }, () => (coordination === 'saga' ? SAGA : TCC)),
          )
          expect(towns.inTransit()).toBe(0n)
          await towns.stop()
        }),
        { numRuns: 60 },
      )
    },
  )
})

it('what the other side refuses ends at the source with its reason', async () => {
  const towns = new Towns({ partitions: 2 })
  towns.coordinateAll()
  const nowhere = { high: 5n, low: towns.account(1, 0).low }
  towns.send(0, [towns.crossing(0, 1, { credit: nowhere, across: true })])
  await towns.settle()
  const [story] = [...storiesOf(towns).values()]
  expect(story).toContain('CreditRefused')
  expect(story).toContain('TransferCancelled')
  expect(towns.open()).toBe(0)
  await towns.stop()
})

it('without any coordinator nothing but the deadline happens, and a late one ends it', async () => {
  const towns = new Towns({ partitions: 2, transferDeadlineMs: 2_000 })
  towns.send(0, [towns.crossing(0, 1), towns.crossing(0, 1, { coordination: 'saga' })])
  await towns.settle()
  towns.nowNs += 3n * STEP_REMIND_NS
  await towns.settle()
  expect(
    once(towns)
      .map((story) => story.at(-1))
      .sort(),
  ).toEqual(['TransferRecalled', 'TransferReserved'])
  towns.coordinateAll()
  await towns.heal()
  expect(once(towns)).toEqual([
    ['CancelAcknowledged', 'CreditCancelled', 'TransferCancelled', 'TransferReserved'],
    ['CreditCancelled', 'TransferCompensated', 'TransferDebited', 'TransferRecalled'],
  ])
  await towns.stop()
})

it('a queue that is busy holds up steps, and none is lost', async () => {
  const towns = new Towns({ partitions: 2, slotsMax: 16 })
  const coordinators = towns.all.map(({ partition }) => towns.coordinate(partition, 8))
  let mostWaiting = 0
  for (let round = 0; round < 30; round++) {
    towns.send(
      0,
      Array.from({ length: 16 }, () => towns.crossing(0, 1)),
    )
    while (towns.all[0]!.queue.waiting() > 0) towns.all[0]!.decide(towns.nowNs)
    await turn()
    mostWaiting = Math.max(mostWaiting, ...coordinators.map((one) => one.status().stepsWaiting))
  }
  expect(mostWaiting).toBe(8)
  await towns.settle()
  expect(once(towns)).toEqual(Array.from({ length: 480 }, () => TCC))
  await towns.stop()
})

it('a partition that has stopped keeps no steps from the others, and is reminded of when it is back', async () => {
  const towns = new Towns({ partitions: 3 })
  const [, , away] = towns.all
  const queues = towns.all.map(({ queue }) => queue.steps)
  let isAway = true
  const switched = queues.map((queue, partition): (typeof queues)[number] => ({
    offer: (...offered) =>
      isAway && partition === away!.partition ? { kind: 'stopped' } : queue.offer(...offered),
  }))
  const coordinators = towns.all.map(({ log }) => new Coordinator({ log, queues: switched }))
  for (const coordinator of coordinators) void coordinator.run()
  towns.send(0, [towns.crossing(0, 2), towns.crossing(0, 1)])
  await towns.settle()
  expect(
    once(towns)
      .map((story) => story.length)
      .sort(),
  ).toEqual([1, TCC.length])
  expect(coordinators[0]!.status()).toMatchObject({ stepsDropped: 1, stepsWaiting: 0 })
  isAway = false
  await towns.heal()
  expect(once(towns)).toEqual([TCC, TCC])
  expect(coordinators[0]!.status()).toMatchObject({ stepsReminded: 1 })
  await Promise.all(coordinators.map((coordinator) => coordinator.stop()))
})

it('a partition that is away for long finds no mountain of steps: a source reminds after 1, 2, 4 seconds and so on up to 64', async () => {
  const towns = new Towns({ partitions: 2, transferDeadlineMs: 3_600_000 })
  const coordinator = towns.coordinate(0)
  towns.send(0, [towns.crossing(0, 1)])
  for (let seconds = 0; seconds <= 300; seconds++) {
    while (towns.all[0]!.decide(towns.nowNs));
    for (let times = 0; times < 5; times++) await turn()
    towns.nowNs += STEP_REMIND_NS
  }
  // The clock moves by a second at a time, to just before the second is over.
  const [first, ...others] = towns.all[0]!.events().filter(({ kind }) => kind.startsWith('Transfer'))
  const secondsAfter = others.map(({ recordedAtNs }) => Number(recordedAtNs - first!.recordedAtNs) / 1e9)
  expect(secondsAfter.map(Math.round)).toEqual([2, 4, 8, 16, 32, 64, 128, 192, 256])
  expect(coordinator.status()).toMatchObject({ stepsSent: 10, stepsReminded: 9 })
  await towns.stop()
})

it('one that meets what no writer wrote says so, and that nothing is lost; of a writer that failed, its log says why', async () => {
  const broken: string[] = []
  const start = (state: string): void => {
    const { log, queue } = new Towns({ partitions: 2 }).all[0]!
    const writer = { log, queue, recovery: { head: log.head() }, status: () => ({ state }) }
    startCoordinators([writer, writer] as never, ({ message }) => broken.push(message))
    log.append([sampleEvent({ kind: 'TransferReserved', namedAccounts: 'nobody,nobody' })])
  }
  start('failed')
  await turn()
  expect(broken).toEqual([])
  start('ready')
  await turn()
  expect(broken[0]).toMatch(
    /^What carries the transfers of partition 0 .* has broken down: .*Nothing is lost/,
  )
})

it('with one partition there is no coordinator', () => {
  expect(startCoordinators([{} as never], () => undefined)).toEqual([])
})

it('steps find room where new commands find none', () => {
  const { queue } = new Towns({ partitions: 2, slotsMax: 4 }).all[0]!
  const slots = new Uint8Array(160 * 4)
  const offered = (to: Pick<typeof queue, 'offer'>): string => to.offer(slots, 4, () => undefined).kind
  expect([queue, queue, queue.steps, queue.steps].map(offered)).toEqual(['taken', 'busy', 'taken', 'busy'])
})
