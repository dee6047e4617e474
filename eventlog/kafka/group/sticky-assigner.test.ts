import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assignSticky, decodeClaim, encodeClaim, type Claimant } from './sticky-assigner.ts'

/** Members with any claims, true, doubled or mad. */
const groups = fc.record({
  partitions: fc.integer({ min: 0, max: 40 }),
  members: fc.uniqueArray(
    fc.record({
      memberId: fc.string({ minLength: 1, maxLength: 6 }),
      held: fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer()), { maxLength: 20 }),
      generation: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 1, maxLength: 12, selector: ({ memberId }) => memberId },
  ),
})

function sizes(assigned: ReadonlyMap<string, readonly number[]>): number[] {
  return [...assigned.values()].map((partitions) => partitions.length)
}

describe('the sticky assignment', () => {
  test('gives every partition to exactly one member, balanced within one', () => {
    fc.assert(
      fc.property(groups, ({ partitions, members }) => {
        const assigned = assignSticky(members, partitions)
        expect([...assigned.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
        expect([...assigned.values()].flat().sort((a, b) => a - b)).toEqual(
          Array.from({ length: partitions }, (_, index) => index),
        )
        expect(Math.max(...sizes(assigned)) - Math.min(...sizes(assigned))).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('is the same whichever member computes it, in whatever order it heard of the others', () => {
    fc.assert(
      fc.property(
        groups.chain((group) =>
          fc.tuple(
            fc.constant(group),
            fc.shuffledSubarray(group.members, { minLength: group.members.length }),
          ),
        ),
        ([{ partitions, members }, shuffled]) => {
          expect(assignSticky(shuffled, partitions)).toEqual(assignSticky(members, partitions))
        },
      ),
    )
  })

  test('moves as few as a balance allows', () => {
    fc.assert(
      fc.property(groups, ({ partitions, members }) => {
        // Claims that agree with each other.
        const free = new Set(Array.from({ length: partitions }, (_, index) => index))
        const honest = members.map(({ memberId, held, generation }) => ({
          memberId,
          generation,
          held: held.filter((partition) => free.delete(partition)),
        }))
        const assigned = assignSticky(honest, partitions)
        const kept = honest.reduce(
          (sum, { memberId, held }) =>
            sum + assigned.get(memberId)!.filter((one) => held.includes(one)).length,
          0,
        )
        // No balance keeps more: everybody may keep the smaller share, and as many as there are larger ones one more.
        const least = Math.floor(partitions / honest.length)
        const rich = honest.filter(({ held }) => held.length > least).length
        const most =
          honest.reduce((sum, { held }) => sum + Math.min(held.length, least), 0) +
          Math.min(rich, partitions % honest.length)
        expect(kept).toBe(most)
      }),
    )
  })

  test('once settled, asking again moves nothing, and one that comes back takes nothing from others by an old claim', () => {
    fc.assert(
      fc.property(groups, ({ partitions, members }) => {
        const assigned = assignSticky(members, partitions)
        const settled: Claimant[] = [...assigned].map(([memberId, held]) => ({
          memberId,
          held,
          generation: 6,
        }))
        expect(assignSticky(settled, partitions)).toEqual(assigned)
      }),
    )
    const alone = assignSticky(
      [
        { memberId: 'a', held: [0, 1, 2, 3], generation: 4 },
        { memberId: 'b', held: [2, 3], generation: 3 },
      ],
      4,
    )
    expect(alone).toEqual(new Map([['a', [0, 1]], ['b', [2, 3]]])) // prettier-ignore
  })

  test('of two that claim the same partition, the newer claim counts, whatever their ids are', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 2 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 100 }),
        ([awake, back], partitions, generation) => {
          const all = Array.from({ length: partitions }, (_, partition) => partition)
          // The one that was away held a half; the other one has had all of them since.
          const old = all.filter((partition) => partition % 2 === 1)
          const assigned = assignSticky(
            [
              { memberId: back!, held: old, generation },
              { memberId: awake!, held: all, generation: generation + 1 },
            ],
            partitions,
          )
          // It keeps what it would keep if the other one were new.
          expect(assigned.get(awake!)).toEqual(all.slice(0, Math.ceil(partitions / 2)))
        },
      ),
    )
  })
})

describe('what a member claims', () => {
  const generations = fc.integer({ min: 0, max: 2 ** 32 - 1 })

  test('comes through as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 })), generations, (held, generation) => {
        expect(decodeClaim(encodeClaim({ held, generation }))).toEqual({ held, generation })
      }),
    )
  })

  test('is nothing if a stranger says it, and never an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(decodeClaim(bytes).held.length).toBeLessThanOrEqual(bytes.length / 4)
      }),
    )
    const nothing = { held: [], generation: 0 }
    expect(decodeClaim(new Uint8Array(0))).toEqual(nothing)
    expect(decodeClaim(Uint8Array.of(9, 1, 0, 0, 0, 1, 0, 0, 0))).toEqual(nothing)
  })
})
