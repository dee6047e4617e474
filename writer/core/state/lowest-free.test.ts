import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LowestFree } from './lowest-free.ts'

it('gives the lowest number that is in it, whatever came and went', () => {
  const number = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 2 ** 20 - 1 }))
  fc.assert(
    fc.property(fc.array(fc.tuple(number, fc.boolean()), { maxLength: 200 }), (changes) => {
      const free = new LowestFree()
      const inIt = new Set<number>()
      for (const [changed, isAdded] of changes) {
        if (isAdded) {
          free.add(changed)
          inIt.add(changed)
        } else if (inIt.delete(changed)) free.remove(changed)
        expect(free.lowest()).toBe(inIt.size === 0 ? -1 : Math.min(...inIt))
      }
    }),
  )
})
