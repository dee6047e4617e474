import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PartitionShares, type PartitionShare } from './partition-shares.ts'

test('a partition whose writer pauses fills its own share, and takes nothing from what others may have', () => {
  const shares = new PartitionShares(3)
  const waits = (partition: number): boolean => shares.enter()?.wait([partition]) ?? false
  expect([1, 2, 3].map(() => waits(0))).toEqual([true, true, true])
  const refused = shares.enter()!
  expect(refused.wait([0])).toBe(false)
  refused.end()
  expect([1, 2, 3].map(() => waits(1))).toEqual([true, true, true])
  expect([1, 2, 3, 4].map(() => shares.enter() !== undefined)).toEqual([true, true, true, false])
})

test('whatever is taken in, waits and ends, in any order: no bound is passed, and in the end all of it is free', () => {
  const step = fc.record({
    what: fc.constantFrom('enter', 'wait', 'end'),
    amount: fc.integer({ min: 1, max: 4 }),
    which: fc.nat(20),
    partitions: fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), (steps, max) => {
      const shares = new PartitionShares(max)
      const open: PartitionShare[] = []
      for (const { what, amount, which, partitions } of steps) {
        const one = open[which % Math.max(1, open.length)]
        if (what === 'enter') {
          const share = shares.enter(amount)
          if (share !== undefined) open.push(share)
        } else if (what === 'wait') one?.wait(partitions)
        else one?.end()
        for (const used of [shares.working, ...[0, 1, 2].map((partition) => shares.waiting(partition))]) {
          expect(used).toBeGreaterThanOrEqual(0)
          expect(used).toBeLessThanOrEqual(max)
        }
      }
      for (const share of open) share.end()
      expect([shares.working, ...[0, 1, 2].map((partition) => shares.waiting(partition))]).toEqual([0, 0, 0, 0])
    }),
  )
}) // prettier-ignore
