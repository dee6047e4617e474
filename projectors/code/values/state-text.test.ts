import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StateValue } from '../../code-projection.ts'
import { parseState, StateError, stateText } from './state-text.ts'

const state = fc.letrec<{ state: StateValue }>((tie) => ({
  state: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.bigInt(),
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('$', '$$', '$12', '"', '\ud800')),
    fc.array(tie('state'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('state'), { maxKeys: 4 }),
  ),
})).state

/** The same state, whose objects name their properties the other way round. */
function turned(state: StateValue): StateValue {
  if (typeof state !== 'object' || state === null) return state
  if (Array.isArray(state)) return state.map(turned)
  return Object.fromEntries(
    Object.entries(state)
      .reverse()
      .map(([name, value]) => [name, turned(value)]),
  )
}

describe('a state as text', () => {
  test('comes back equal', () => {
    fc.assert(
      fc.property(state, (state) => {
        expect(parseState(stateText(state))).toEqual(plain(state))
      }),
    )
    expect(Object.is(parseState(stateText(-0)), -0)).toBe(true)
  })

  test('equal states have equal texts, and only they', () => {
    fc.assert(
      fc.property(state, state, (one, other) => {
        expect(stateText(turned(one))).toBe(stateText(one))
        if (stateText(one) === stateText(other)) expect(plain(one)).toEqual(plain(other))
      }),
    )
    expect(stateText('$12')).not.toBe(stateText(12n))
  })

  test('what would come back as something else is refused', () => {
    const self: unknown[] = []
    self.push(self)
    for (const wrong of [
      undefined,
      NaN,
      Infinity,
      () => 0,
      Symbol('s'),
      new Date(0),
      new Map(),
      new Uint8Array(1),
      { a: undefined },
      [new (class Own {})()],
      self,
    ])
      // prettier-ignore
      expect(() => stateText(wrong)).toThrow(StateError)
  })
})

/** Without prototypes, which fast-check draws as well. */
function plain(state: StateValue): StateValue {
  return turned(turned(state))
}
