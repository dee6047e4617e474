import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JSON_DEPTH_MAX, jsonFaultSentence, readStrictJson } from './strict-json.ts'

describe('JSON from strangers', () => {
  test('what JSON.stringify writes reads as the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value)
        expect(readStrictJson(text)).toEqual({ value: JSON.parse(text) as unknown })
      }),
    )
  })

  test.each([
    ['{"amount":1,"amount":1000}', 'amount'],
    ['{"amount":1,"amount":1}', 'amount'],
    ['{"a":{"b":1},"c":[{"x":1},{"x":1,"y":2,"\\u0078":3}]}', 'c[1].x'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"":1,"":2}', ''],
  ])('a key that stands twice in one object is refused by its name: %s', (text, path) => {
    expect(readStrictJson(text)).toMatchObject({ fault: { kind: 'duplicate', path } })
  })

  test('it is refused wherever it stands, and no other text is', () => {
    /** Keys and texts with everything that means something to a reader of JSON. */
    const word = fc.constantFrom('', 'a', 'b', ':', '"', '\\', '\\"', '{"a":1', 'e', '-1', '[', '\u0000', 'ž')
    const written = (text: string): string => JSON.stringify(text).replaceAll('a', '\\u0061')
    interface Text {
      readonly text: string
      readonly value: unknown
      readonly twice: boolean
    }
    const leaf = fc.oneof(
      word.map((text) => ({ text: written(text), value: text })),
      fc
        .constantFrom('true', 'false', 'null', '1e3', '-0.5', '12')
        .map((text) => ({ text, value: JSON.parse(text) as unknown })),
    )
    const { tree } = fc.letrec<{ tree: Text }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        leaf.map((one) => ({ ...one, twice: false })),
        fc.array(tie('tree'), { maxLength: 4 }).map((items) => ({
          text: `[${items.map(({ text }) => text).join(' , ')}]`,
          value: items.map(({ value }) => value),
          twice: items.some(({ twice }) => twice),
        })),
        fc.array(fc.tuple(word, fc.boolean(), tie('tree')), { maxLength: 4 }).map((fields) => ({
          text: `{${fields.map(([key, escaped, { text }]) => `${escaped ? written(key) : JSON.stringify(key)} : ${text}`).join(',')}}`,
          value: Object.fromEntries(fields.map(([key, , { value }]) => [key, value])),
          twice:
            fields.some(([, , { twice }]) => twice) ||
            new Set(fields.map(([key]) => key)).size < fields.length,
        })),
      ),
    }))
    fc.assert(
      fc.property(tree, ({ text, value, twice }) => {
        const reading = readStrictJson(text)
        if (twice) expect(reading).toMatchObject({ fault: { kind: 'duplicate' } })
        else expect(reading).toEqual({ value })
      }),
      { numRuns: 1_000 },
    )
  })

  test('a key that is written with an escape is that key, whatever was read before', () => {
    // From here on Node 24 and 26 expect a backslash behind `a`.
    readStrictJson('{"a":1,"\\\\":2}')
    expect(readStrictJson('{"a":1,"\\u0062":2}')).toEqual({ value: { a: 1, b: 2 } })
    expect(readStrictJson('{"a":1,"\\"" : {"\\u005f_proto__":[2]}}')).toEqual({
      value: { a: 1, '"': Object.fromEntries([['__proto__', [2]]]) },
    })
    expect(readStrictJson('{"a":1,"\\u0061":2}')).toMatchObject({ fault: { kind: 'duplicate', path: 'a' } })
  })

  test('one key may stand in several objects', () => {
    expect(readStrictJson('[{"a":{"a":1}},{"a":2}]')).toEqual({ value: [{ a: { a: 1 } }, { a: 2 }] })
  })

  test.each([
    ['4503599627370497.5'],
    ['1.00000000000000001'],
    ['9007199254740993'],
    ['1e400'],
    ['-1e-400'],
    ['0.30000000000000000001'],
  ])('a number that no double holds is refused: %s', (number) => {
    expect(readStrictJson(`{"amount":${number}}`)).toEqual({
      fault: { kind: 'inexact', path: 'amount', shown: number },
    })
  })

  test.each([['5.0', 5], ['1e3', 1000], ['0.1', 0.1], ['-0', -0], ['0.0e5', 0], ['1200e-2', 12], ['9007199254740992', 2 ** 53]])(
    'a number is taken however it is written: %s',
    (text, value) => expect(readStrictJson(text)).toEqual({ value }),
  ) // prettier-ignore

  test('a whole number of 53 bits is always taken, a longer odd one never', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }), (whole) => {
        expect(readStrictJson(String(whole))).toEqual({ value: whole === 0n ? 0 : Number(whole) })
      }),
    )
    fc.assert(
      fc.property(fc.bigInt({ min: 2n ** 52n, max: 2n ** 80n }), (half) => {
        expect(readStrictJson(String(half * 2n + 1n))).toMatchObject({ fault: { kind: 'inexact' } })
      }),
    )
  })

  test.each(['', '{', '{"a":1,}', '// no\n1', "{'a':1}", '{"a":01}', 'NaN', '\uFEFF1'])(
    'what is no JSON is told as that: %s',
    (text) => expect(readStrictJson(text)).toMatchObject({ fault: { kind: 'syntax' } }),
  )

  test('nesting has a bound', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    expect(readStrictJson(nested(JSON_DEPTH_MAX))).toHaveProperty('value')
    expect(readStrictJson(nested(JSON_DEPTH_MAX + 1))).toMatchObject({ fault: { kind: 'deep' } })
    expect(readStrictJson(nested(1_000_000))).toMatchObject({ fault: { kind: 'deep' } })
  })

  test('a fault is told in one sentence with its place', () => {
    expect(jsonFaultSentence({ kind: 'duplicate', path: 'commands[0].amount', shown: 'amount' })).toBe(
      'The key "amount" stands twice in one object (commands[0].amount). Send it once.',
    )
  })
})
