import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseState, StateError, stateText } from './state-text.ts'
import { anyState, plain, REFUSED, turned } from './states.testing.ts'

describe('a state as text', () => {
  test('comes back equal', () => {
    fc.assert(
      fc.property(anyState, (state) => {
        expect(parseState(stateText(state))).toEqual(plain(state))
      }),
    )
    expect(Object.is(parseState(stateText(-0)), -0)).toBe(true)
  })

  test('equal states have equal texts, and only they', () => {
    fc.assert(
      fc.property(anyState, anyState, (one, other) => {
        expect(stateText(turned(one))).toBe(stateText(one))
        if (stateText(one) === stateText(other)) expect(plain(one)).toEqual(plain(other))
      }),
    )
    expect(stateText('$12')).not.toBe(stateText(12n))
  })

  test('what would come back as something else is refused', () => {
    for (const wrong of REFUSED) expect(() => stateText(wrong)).toThrow(StateError)
  })
})
