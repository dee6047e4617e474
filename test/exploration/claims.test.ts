/** One id through two doors to two partitions, in every way in which that can go. */
import { describe, expect, test } from 'vitest'
import { CLAIM_LAWS, CLAIM_RULES, CLAIM_WORLDS, exploreClaim, type ClaimLaw, type ClaimRules } from './claims.ts' // prettier-ignore

test.each(Object.entries(CLAIM_WORLDS))(
  'an id sent through two doors, %s, counts once, and everybody is told the truth, whoever dies',
  (_, world) => {
    const { broken, states } = exploreClaim(world)
    expect(broken).toBeUndefined()
    expect(states).toBeGreaterThan(500)
  },
)

const MUTANTS: readonly (readonly [string, ClaimLaw, Partial<ClaimRules>])[] = [
  ['an id is checked in one partition only', 'once', { claims: false }],
  ['a command is handed on before its claim is durable', 'once', { waits: false }],
  ['a claim counts for any partition', 'once', { looksAtPartition: false }],
  ['a claim belongs to the door that made it', 'end', { grantsAgain: false }],
  ['a client is told what is not durable', 'told', { tellsDurable: false }],
  ['what is forgotten is new', 'told', { hasHorizon: false }],
]

describe('an id with one thing wrong breaks a law', () => {
  test.each(MUTANTS)('%s', (_, law, rule) => {
    const found = Object.values(CLAIM_WORLDS).map((world) => exploreClaim(world, { ...CLAIM_RULES, ...rule }))
    expect(found.map(({ broken }) => broken?.law)).toContain(law)
  })

  test('each law is broken by one at least', () => {
    expect(new Set(MUTANTS.map(([, law]) => law))).toEqual(new Set(Object.keys(CLAIM_LAWS)))
  })
})
