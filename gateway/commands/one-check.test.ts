/**
 * The writer takes every command that a door lets in. Commands are generated through the doors' own readers, without a
 * platform.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeGroup } from '../../client/encode.ts'
import { BulkError } from '../../client/errors.ts'
import { decodeCommandRecord, encodeCommandRecord } from '../../eventlog/kafka/commands/command-record.ts'
import { checkCommands } from '../../schemas/check-commands.ts'
import { decodeCommands, encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { COMMAND_SLOT_BYTES, TIME_NS_MAX, TIME_NS_MIN, TIMES_TEXT } from '../../schemas/limits.ts'
import { ISO_CURRENCIES } from '../../schemas/money.ts'
import { codeOf } from '../errors.ts'
import { readInput, toCommand } from './commands.ts'
import { CLIENT_KINDS, INPUT_FIELDS, type ClientKind } from './inputs.ts'
import { readTime } from '../positions/times.ts'
import { Literal, READERS, show } from './values.ts'

const context = {
  currencies: ISO_CURRENCIES,
  clock: () => 1_780_000_000_000_000_000n,
  randomBits: () => new Uint8Array(10),
  partitions: 1,
}
const NIL = '00000000-0000-0000-0000-000000000000'
const V7 = '018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e'

/** Values of each type, on both sides of what may be. */
const VALUES = {
  UUID: fc.constantFrom(V7, V7, V7.toUpperCase(), '018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9f', '00000000-0000-8000-8000-000000000001', NIL, '', V7.slice(1)), // prettier-ignore
  MinorUnits: fc.constantFrom('1', '1250', '9223372036854775807', '0', '-1', '-9223372036854775808', '9223372036854775808', '', '01', '1.0'), // prettier-ignore
  DateTime: fc.oneof(
    fc.constantFrom('1970-01-01T00:00:00Z', '1900-01-01T00:00:00+14:00', '1900-01-01T00:00:00Z', '2261-12-31T23:59:59.999999999Z', '2261-12-31T23:59:59-00:01', '0001-01-01T00:00:00Z', '', '1969-12-31T23:59:59.999999999Z'), // prettier-ignore
    fc.tuple(fc.constantFrom(1899, 1900, 1901, 2260, 2261, 2262), fc.integer({ min: -23, max: 23 })).map(([year, hours]) => `${year}-${hours < 0 ? '12-31' : '01-01'}T00:00:00${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`), // prettier-ignore
  ),
  String: fc.constantFrom('EUR', 'EUR', 'JPY', 'XCG', 'eur', '', 'a memo', 'x'.repeat(257), 'ž'.repeat(64), 'ž'.repeat(65), 'ž'.repeat(129), '\ufeffx', 'nul\0', '\ud800'), // prettier-ignore
  Int: fc.constantFrom(0, 1, 2, 18, 19, -1, 3_600, 2 ** 31 - 1, 1.5),
  UInt64: fc.constantFrom('1', '7', '0', '9223372036854775807', '9223372036854775808', '', '-1'),
  UInt32: fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, -1),
  Boolean: fc.constantFrom(true, false),
  Coordination: fc.constantFrom('TCC', 'SAGA', 'tcc', ''),
  Position: fc.constant(''),
  Cursor: fc.constant(''),
} as const

const anyInput: fc.Arbitrary<Record<string, unknown>> = fc
  .constantFrom(...(Object.keys(CLIENT_KINDS) as ClientKind[]))
  .chain((kind) => {
    const fields = Object.fromEntries(
      Object.entries(INPUT_FIELDS[kind]).map(([name, { type }]) => {
        // Mostly what is good, so that many pass whole.
        const good = name === 'amount' || name === 'overdraftLimit' ? '12' : name === 'currency' ? 'EUR' : type === 'UUID' ? (name === 'creditAccountId' ? '00000000-0000-8000-8000-000000000001' : V7) : undefined // prettier-ignore
        const value: fc.Arbitrary<unknown> = VALUES[type]
        // Conditions of several kinds seldom go together.
        if (name.startsWith('if'))
          return [name, fc.oneof({ weight: 9, arbitrary: fc.constant<unknown>(undefined) }, value)]
        return [name, good === undefined ? fc.option(value, { nil: undefined, freq: 2 }) : fc.oneof({ weight: 12, arbitrary: fc.constant<unknown>(good) }, value)] // prettier-ignore
      }),
    )
    return fc.record({ kind: fc.constant(kind), ...fields }, { requiredKeys: ['kind'] })
  })

/** The command of an input, or undefined where a door refuses it. */
function throughTheDoor(input: Readonly<Record<string, unknown>>): Command | undefined {
  const kind = input['kind'] as ClientKind
  try {
    return toCommand(kind, readInput(kind, input, 'input'), 'input', context)
  } catch (error) {
    if (codeOf(error) !== 'BAD_USER_INPUT') throw error
    return undefined
  }
}

/** As prepareReversal fills it in. */
function prepared(command: Command): Command {
  if (command.kind !== 'ReverseTransfer') return command
  const id = { high: 1n, low: 2n }
  return {
    ...command,
    debit: id,
    credit: { high: 1n, low: 3n },
    amount: 5n,
    currency: 'EUR',
    checkedSequence: 9n,
  }
}

describe('one check for every door', () => {
  test('whatever GraphQL or JSON let in, the lane and the writer take, and it comes out as it went in', () => {
    let passed = 0
    fc.assert(
      fc.property(fc.array(anyInput, { minLength: 1, maxLength: 6 }), (inputs) => {
        const commands = inputs.map(throughTheDoor).filter((command) => command !== undefined)
        passed += commands.length
        const asked = encodeCommands(commands)
        expect(checkCommands(asked, commands.length)).toBe(undefined)
        for (const command of commands) expect(encodeGroup([command]).length % COMMAND_SLOT_BYTES).toBe(0)
        if (commands.length === 0) return
        const slots = encodeCommands(commands.map(prepared))
        expect(decodeCommandRecord(encodeCommandRecord(slots, commands.length))).toEqual({ kind: 'commands', slots, count: commands.length, invalid: [] }) // prettier-ignore
        decodeCommands(asked).forEach((command, index) => {
          expect(command.effectiveAtNs).toBe(commands[index]!.effectiveAtNs)
          expect(command.reference).toEqual(commands[index]!.reference)
          expect(command.timeoutNs).toBe(commands[index]!.timeoutNs)
          expect(command.ifDebit).toEqual(commands[index]!.ifDebit)
          expect(command.ifCredit).toEqual(commands[index]!.ifCredit)
        })
      }),
      { numRuns: 1_500 },
    )
    expect(passed).toBeGreaterThan(500)
  })

  test('whatever bytes the lane lets in, the writer takes when they are prepared; whatever the client lets out, the lane', () => {
    fc.assert(
      fc.property(
        anyInput,
        fc.array(fc.tuple(fc.nat(COMMAND_SLOT_BYTES - 1), fc.nat(255)), { maxLength: 2 }),
        (input, turned) => {
          const command = throughTheDoor(input)
          if (command === undefined) return
          const slots = encodeCommands([command])
          for (const [at, value] of turned) slots[at] = value
          if (checkCommands(slots, 1) !== undefined) return
          const [read] = decodeCommands(slots)
          const scale = read!.kind === 'OpenAccount' ? (read!.scale ?? 2) : undefined
          const whole = encodeCommands([prepared({ ...read!, scale })])
          expect(decodeCommandRecord(encodeCommandRecord(whole, 1))).toMatchObject({
            kind: 'commands',
            invalid: [],
          })
          // What the client sends of it is the same, and never more.
          try {
            expect(checkCommands(encodeGroup([read!]), 1)).toBe(undefined)
          } catch (error) {
            expect(error).toBeInstanceOf(BulkError)
          }
        },
      ),
      { numRuns: 1_500 },
    )
  })
})

describe('a time', () => {
  test.each<[string, string]>([
    ['1900-01-01T00:00:00+14:00', `lies outside what can be kept, ${TIMES_TEXT}`],
    ['1900-01-01T00:00:00+00:01', 'lies outside'],
    ['1899-12-31T23:59:59.999999999Z', 'lies outside'],
    ['0001-01-01T00:00:00Z', 'lies outside'],
    ['0000-02-29T00:00:00Z', 'lies outside'],
    ['2262-01-01T00:00:00Z', 'lies outside'],
    ['2261-12-31T23:59:59-00:01', 'lies outside'],
    ['9999-12-31T23:59:59Z', 'lies outside'],
    ['2016-12-31T23:59:60Z', 'has second 60'],
    ['2016-12-31T23:59:61Z', 'has second 61'],
    ['2016-12-31T24:00:00Z', 'has hour 24'],
    ['2016-12-31T23:60:00Z', 'has minute 60'],
    ['2026-02-30T00:00:00Z', 'names day 30 of a month that has 28'],
    ['2024-02-30T00:00:00Z', 'names day 30 of a month that has 29'],
    ['1900-02-29T00:00:00Z', 'names day 29 of a month that has 28'],
    ['2026-04-31T00:00:00Z', 'names day 31 of a month that has 30'],
    ['2026-00-01T00:00:00Z', 'has no month 0'],
    ['2026-01-00T00:00:00Z', 'names day 0'],
    ['2026-01-01T00:00:00+24:00', 'has an offset'],
    ['2026-01-01T00:00:00.1234567890Z', 'more than nine decimals'],
    ['2026-01-01', 'is no RFC 3339'],
    ['23:59:60', 'is no RFC 3339'],
    ['', 'is no RFC 3339'],
    ['１９７０-01-01T00:00:00Z', 'is no RFC 3339'],
  ])('that is none is told why, and its bounds where they are why: %s', (text, why) => {
    const reading = READERS.DateTime(text)
    expect('wrong' in reading && reading.wrong).toContain(why)
  })

  test('is its instant, however it is written, up to the bounds and not a nanosecond beyond', () => {
    expect(readTime('1900-01-01T00:00:00Z')).toEqual({ ns: TIME_NS_MIN })
    expect(readTime('1899-12-31T10:00:00-14:00')).toEqual({ ns: TIME_NS_MIN })
    expect(readTime('2261-12-31t23:59:59.999999999z')).toEqual({ ns: TIME_NS_MAX })
    expect(readTime('2262-01-01T13:59:59.999999999+14:00')).toEqual({ ns: TIME_NS_MAX })
    expect(readTime('1970-01-01T00:00:00-00:00')).toEqual({ ns: 0n })
    expect(readTime('2024-02-29T00:00:00Z')).toHaveProperty('ns')
  })
})

test.each<[unknown, string]>([
  [undefined, 'nothing'],
  [null, 'null'],
  [5, '5'],
  [true, 'true'],
  [[], 'a list'],
  [{}, 'an object'],
  [new Literal('5.0'), '5.0'],
  [new Literal('9'.repeat(80)), `${'9'.repeat(60)}…`],
  ['x'.repeat(80), `"${'x'.repeat(60)}"…`],
])('a value that is none of its type is shown as it was sent: %s', (raw, shown) => {
  expect(show(raw)).toBe(shown)
})
