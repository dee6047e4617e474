/** Both protocols of transfers across partitions, in every way in which two of them can go. */
import { describe, expect, test } from 'vitest'
import { explore } from './explore.ts'
import { LAWS } from './laws.ts'
import { MUTANTS } from './mutants.ts'
import type { World } from './state.ts'
import { TWO } from './worlds.ts'

describe('two transfers, whatever is delayed, repeated, reordered, lost or killed, break no law', () => {
  test.each(Object.entries(TWO))('%s', (_, world) => {
    const found = explore(world)
    expect(found.broken).toBeUndefined()
    expect(found.isWhole).toBe(true)
    expect(found.states).toBeGreaterThan(1_000)
    // A reminder a second: what was lost is made good within that many seconds.
    expect(found.roundsMax).toBeLessThanOrEqual(3)
  })
})

describe('a protocol with one thing wrong breaks a law', () => {
  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s', (_, { protocol, breaks }) => {
    const broken = (world: World) => explore(world, protocol).broken?.law === breaks
    expect(Object.values(TWO).some(broken)).toBe(true)
  })

  test('each law is broken by one at least', () => {
    expect(new Set(MUTANTS.map(({ breaks }) => breaks))).toEqual(new Set(Object.keys(LAWS)))
  })
})
