import fc from 'fast-check'
import { expect, it } from 'vitest'
import { idWords } from './frame-rows.ts'
import { PARTITIONS_MAX } from './limits.ts'
import { partitionOf, partitionOfWords } from './partitions.ts'

const u64 = fc.bigInt(0n, 2n ** 64n - 1n)

it('an account has one partition, whether its id is two big integers or four words', () => {
  fc.assert(
    fc.property(
      fc.record({ high: u64, low: u64 }),
      fc.integer({ min: 1, max: PARTITIONS_MAX }),
      (id, partitions) => {
        expect(partitionOfWords(Int32Array.of(1, 2, ...idWords(id)), 2, partitions)).toBe(
          partitionOf(id, partitions),
        )
      },
    ),
    { numRuns: 10_000 },
  )
})
