/** For tests: states of every kind, and what is none. */
import fc from 'fast-check'
import type { StateValue } from '../../code-projection.ts'

export const anyState = fc.letrec<{ state: StateValue }>((tie) => ({
  state: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.bigInt(),
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('$', '$$', '$12', '"', '\ud800')),
    fc.array(fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })), { maxLength: 4 }),
    fc.array(tie('state'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('state'), { maxKeys: 4 }),
  ),
})).state

/** The same state, whose objects name their properties the other way round. */
export function turned(state: StateValue): StateValue {
  if (typeof state !== 'object' || state === null) return state
  if (Array.isArray(state)) return state.map(turned)
  return Object.fromEntries(
    Object.entries(state)
      .reverse()
      .map(([name, value]) => [name, turned(value)]),
  )
}

/** Without prototypes, which fast-check draws as well. */
export function plain(state: StateValue): StateValue {
  return turned(turned(state))
}

const self: unknown[] = []
self.push(self)

/** What a state may not be. */
export const REFUSED: readonly unknown[] = [
  undefined,
  NaN,
  Infinity,
  () => 0,
  Symbol('s'),
  new Date(0),
  new Map(),
  new Uint8Array(1),
  { a: undefined },
  [1, undefined],
  [new (class Own {})()],
  self,
]
