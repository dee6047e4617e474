import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { QueryError } from '../errors.ts'
import { tokens } from './lexer.ts'
import { quotedIdentifier, stringLiteral, substituteParameters } from './parameters.ts'

/** Text made of what could end a literal, start a comment or a statement, and anything else. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        "'",
        '\\',
        '`',
        '"',
        '--',
        '/*',
        '*/',
        ';',
        '\n\n',
        '\0',
        '{x:String}',
        '\\N',
        '$$',
        'a',
        ' ',
      ),
    )
    .map((parts) => parts.join('')),
)

/** As the client writes a string parameter. */
function escaped(value: string): string {
  return value.replace(
    /[\t\n\r'\\]/g,
    (char) => ({ '\t': '\\t', '\n': '\\n', '\r': '\\r' })[char] ?? `\\${char}`,
  )
}

/** The inverse of a string literal, written apart from the code that it tests. */
function readLiteral(literal: string): string {
  const body = literal.slice(1, -1)
  return body.replace(
    /\\(.)/gs,
    (_all, char: string) => ({ n: '\n', r: '\r', t: '\t', 0: '\0' })[char] ?? char,
  )
}

function values(entries: Record<string, string>): ReadonlyMap<string, string> {
  return new Map(Object.entries(entries))
}

function refusal(act: () => unknown): QueryError {
  try {
    act()
  } catch (error) {
    if (error instanceof QueryError) return error
    throw error
  }
  throw new Error('It was accepted.')
}

describe('parameters', () => {
  test('no text can end the literal or the identifier that holds it', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        for (const literal of [stringLiteral(text), quotedIdentifier(text)]) {
          expect([...tokens(`${literal} x`)].map(({ start, end }) => [start, end])).toEqual([
            [0, literal.length],
            [literal.length + 1, literal.length + 2],
          ])
          expect(literal).not.toMatch(/[\n\0]/)
        }
        expect(readLiteral(stringLiteral(text))).toBe(text)
      }),
      { numRuns: 2_000 },
    )
  })

  test('a value given by the client arrives as the very text that it was', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        fc.pre(text !== '\\N')
        const query = substituteParameters('SELECT {x:String} AS a', values({ x: escaped(text) }))
        expect(query).toBe(`SELECT ${stringLiteral(text)} AS a`)
      }),
      { numRuns: 2_000 },
    )
  })

  test('what stands in quotes or comments is no placeholder', () => {
    const text =
      'SELECT \'{x:String}\', "{x:String}", `{x:String}`, $t${x:String}$t$ -- {x:String}\n/* {x:String} */ # {x:String}'
    expect(substituteParameters(text, values({ x: 'boo' }))).toBe(text)
  })

  test('a value that holds a placeholder is not looked at again', () => {
    expect(substituteParameters('SELECT {a:String}, {b:String}', values({ a: '{b:String}', b: 'y' }))).toBe(
      "SELECT '{b:String}', 'y'",
    )
  })

  test('a placeholder without a value is left for the engine to name', () => {
    expect(substituteParameters('SELECT {a:String}, {b:UInt8}', values({ a: 'x' }))).toBe(
      "SELECT 'x', {b:UInt8}",
    )
  })

  test('a type is data too: it stands in a literal', () => {
    expect(substituteParameters("SELECT {a:Enum8('x' = 1)}", values({ a: 'x' }))).toBe(
      "SELECT CAST('x', 'Enum8(\\'x\\' = 1)')",
    )
  })

  test.each([
    ['UInt8', '256'],
    ['UInt8', '-1'],
    ['Int8', '128'],
    ['UInt64', '18446744073709551616'],
    ['Int64', '9223372036854775808'],
    ['Int64', '1.5'],
    ['Int64', ''],
    ['Int64', '1 OR 1'],
    ['Nullable(UInt8)', '256'],
    ['Array(UInt8)', '[1,256]'],
    ['Array(UInt8)', '[1,2'],
    ['Array(UInt8)', '[1,,2]'],
    ['UInt8', '\\N'],
    ['String', '\\N'],
    ['String', 'ends with a backslash\\'],
  ])('%s refuses %j instead of wrapping it round', (type, value) => {
    const error = refusal(() => substituteParameters(`SELECT {x:${type}}`, values({ x: value })))
    expect([error.code, error.type]).toEqual([457, 'BAD_QUERY_PARAMETER'])
  })

  test.each([
    ['UInt64', '18446744073709551615', "CAST('18446744073709551615', 'UInt64')"],
    ['Int256', '-5', "CAST('-5', 'Int256')"],
    ['Nullable(UInt8)', '\\N', "CAST(NULL, 'Nullable(UInt8)')"],
    ['Array(UInt8)', '[]', "CAST('[]', 'Array(UInt8)')"],
    ['Array(String)', "['a\\'b','c\\\\']", "CAST('[\\'a\\\\\\'b\\',\\'c\\\\\\\\\\']', 'Array(String)')"],
    ['Identifier', 'a`b', '`a\\`b`'],
    ['DateTime64(3)', '1500000000.123', "CAST('1500000000.123', 'DateTime64(3)')"],
  ])('%s takes %j', (type, value, literal) => {
    expect(substituteParameters(`{x:${type}}`, values({ x: value }))).toBe(literal)
  })
})
