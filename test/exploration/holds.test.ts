/** A hold across partitions with two posts and a release, in every way in which they can go. */
import { describe, expect, test } from 'vitest'
import {
  IGNORED,
  type SourceRule,
  type SourceState,
  type SourceStep,
} from '../../writer/core/crossing/rules.ts'
import { exploreHold, HOLD_LAWS, HOLD_RULES, type HoldLaw, type HoldRules } from './holds.ts'

test('a hold, two posts and a release, whatever is delayed, repeated, reordered, lost or killed, break no law', () => {
  const { broken, states } = exploreHold()
  expect(broken).toBeUndefined()
  expect(states).toBeGreaterThan(500)
})

/** One cell of the source's table is another. */
function source(inState: SourceState, atStep: SourceStep, rule: SourceRule): HoldRules {
  const changed = (state: SourceState, step: SourceStep): SourceRule =>
    state === inState && step === atStep ? rule : HOLD_RULES.source(state, step)
  return { ...HOLD_RULES, source: changed }
}

const { destination } = HOLD_RULES
const MUTANTS: readonly (readonly [string, HoldLaw, HoldRules])[] = [
  ['the channel of a hold is handed on while posts are under way', 'handedOn', { ...HOLD_RULES, waitsForPosts: false }],
  ['a release lets go of all that is expected', 'decided', { ...HOLD_RULES, lessBy: (_said, expected) => expected }],
  ['a release is told nobody again', 'end', source('released', 'reminder', IGNORED)],
  ['a post is told nobody again', 'end', source('drawn', 'reminder', IGNORED)],
  ['a post that comes again is credited again', 'once', {
    ...HOLD_RULES,
    destination: { ...destination, credited: { ...destination.credited, DrawCredit: { event: 'CreditDrawn', to: 'credited' } } },
  }],
  ['a release frees the channel before it is answered', 'handedOn', source('held', 'release', { event: 'HoldReleased', to: 'free' })],
  ['more is let go of than was held', 'balance', { ...HOLD_RULES, lessBy: (said) => said + 1 }],
] // prettier-ignore

describe('a hold with one thing wrong breaks a law', () => {
  test.each(MUTANTS)('%s', (_, law, rules) => {
    expect(exploreHold(rules).broken?.law).toBe(law)
  })

  test('each law is broken by one at least', () => {
    expect(new Set(MUTANTS.map(([, law]) => law))).toEqual(new Set(Object.keys(HOLD_LAWS)))
  })
})
