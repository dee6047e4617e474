import fc from 'fast-check'
import { expect, it } from 'vitest'
import { COMMAND_KINDS, mayHaveConditions, STEP_KINDS, type Command, type CommandKind } from './commands.ts'
import { decodeCommands, encodeCommands } from './command-codec.ts'
import { encodeEvent } from './encode-event.ts'
import {
  decodeEvent,
  decodeEvents,
  EVENT_KINDS,
  eventRowBytes,
  type EventKind,
  type WalletEvent,
} from './events.ts'
import { fingerprintOf } from './fingerprint.ts'
import {
  CHANNELS_MAX,
  COMMAND_SLOT_BYTES,
  COMMAND_SLOTS_MAX,
  EVENT_ROW_BYTES,
  EVENT_ROW_BYTES_MAX,
  MEMO_BYTES_MAX,
  NAMED_ACCOUNTS_BYTES_MAX,
  OWNER_BYTES_MAX,
  PARTITIONS_MAX,
} from './limits.ts'
import { formatPosition, includesPosition, parsePosition } from './positions.ts'
import { REFUSAL_CODES, type Refusal } from './refusals.ts'

const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
const i64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
const u32 = fc.nat(2 ** 32 - 1)
const id = fc.record({ high: u64, low: u64 })
const currency = fc.stringMatching(/^[A-Z][A-Z0-9]{0,7}$/)
/** Text of at most so many bytes of UTF-8, often just as long as it may be. */
function text(bytesMax: number): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constant(''),
    fc.string({ unit: 'grapheme', maxLength: bytesMax }).map((all) => {
      let kept = ''
      for (const character of all) {
        if (Buffer.byteLength(kept + character) > bytesMax) break
        kept += character
      }
      return kept
    }),
    fc.nat(bytesMax).map((length) => 'x'.repeat(length)),
    fc.constant('y'.repeat(bytesMax)),
  )
}
const side = fc.record({
  number: u32,
  version: u64,
  debitsPosted: i64,
  debitsPending: i64,
  creditsPosted: i64,
  creditsPending: i64,
})
const event: fc.Arbitrary<WalletEvent> = fc.record({
  sequence: u64,
  recordedAtNs: i64,
  effectiveAtNs: i64,
  receivedAtNs: i64,
  kind: fc.constantFrom(...(Object.keys(EVENT_KINDS) as EventKind[])),
  command: fc.constantFrom(...(Object.keys(COMMAND_KINDS) as CommandKind[])),
  refusal: fc.option(fc.constantFrom(...(Object.keys(REFUSAL_CODES) as Refusal[])), { nil: undefined }),
  transferId: id,
  relatedId: id,
  reference: id,
  fingerprint: u64,
  currency: fc.oneof(currency, fc.constant('')),
  scale: fc.nat(18),
  amount: i64,
  expiresAtNs: i64,
  debit: side,
  credit: side,
  code: u32,
  partition: fc.nat(65_535),
  linkIndex: fc.nat(65_535),
  memo: text(MEMO_BYTES_MAX),
  owner: text(OWNER_BYTES_MAX),
  namedAccounts: text(NAMED_ACCOUNTS_BYTES_MAX),
})
const given = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined })
const someId = id.filter(({ high, low }) => (high | low) !== 0n)
const aboveZero = i64.map((value) => {
  const whole = value & (2n ** 63n - 1n)
  return whole === 0n ? 1n : whole
})
/** Commands of every kind whose values are in bounds, whatever fields the kind uses. */
const condition = given(
  fc.oneof(
    aboveZero.map((version) => ({ version })),
    aboveZero.map((availableAtLeast) => ({ availableAtLeast })),
  ),
)
const command: fc.Arbitrary<Command> = fc
  .record({
    kind: fc.constantFrom(...(Object.keys(COMMAND_KINDS) as CommandKind[])),
    id,
    debit: given(someId),
    credit: given(someId),
    related: given(someId),
    amount: aboveZero,
    system: fc.boolean(),
    isAll: fc.boolean(),
    keepOpen: fc.boolean(),
    part: fc.boolean(),
    force: fc.boolean(),
    leftToReverse: aboveZero,
    effectiveAtNs: given(i64),
    timeoutNs: given(aboveZero),
    receivedAtNs: i64,
    currency: given(currency),
    scale: fc.nat(18),
    code: u32,
    reference: given(someId),
    checkedSequence: u64,
    linked: fc.boolean(),
    ifDebit: condition,
    ifCredit: condition,
    across: given(fc.constant(true)),
    coordination: given(fc.constantFrom('tcc', 'saga')),
    step: fc.record({
      source: fc.nat(PARTITIONS_MAX - 1),
      channel: fc.nat(CHANNELS_MAX),
      turn: u32,
      attempt: fc.nat(65_535),
      answers: u64,
      scale: fc.nat(18),
      ofHold: fc.bigInt(0n, 2n ** 62n),
      refusal: given(fc.constantFrom('credit_account_frozen', 'transfer_timed_out')),
    }),
    memo: text(MEMO_BYTES_MAX),
    owner: text(OWNER_BYTES_MAX),
  })
  .map(({ isAll, ...made }): Command => canonical({ ...made, amount: isAll ? undefined : made.amount }))

/** What a kind has no use for is not given. */
function canonical(made: Command): Command {
  const { kind } = made
  const isOpening = kind === 'OpenAccount'
  const isStep = STEP_KINDS.has(kind)
  const hasAmount =
    isOpening ||
    isStep ||
    ['Transfer', 'PlaceHold', 'PostHold', 'ReverseTransfer', 'ChangeAccount'].includes(kind)
  const system = isOpening && made.system === true
  const amount = made.amount ?? (kind === 'PostHold' || kind === 'ChangeAccount' ? undefined : 1n)
  return {
    ...made,
    system,
    part: kind === 'ReverseTransfer' && made.part === true ? true : undefined,
    force: kind === 'ReverseTransfer' && made.force === true ? true : undefined,
    leftToReverse: kind === 'ReverseTransfer' ? (made.leftToReverse ?? 0n) : undefined,
    timeoutNs: kind === 'ReverseTransfer' || kind === 'DrawCredit' ? undefined : made.timeoutNs,
    keepOpen: kind === 'PostHold' && made.keepOpen === true ? true : undefined,
    amount: hasAmount && !system ? amount : undefined,
    scale: isOpening ? (made.scale ?? 1) : undefined,
    ifDebit: mayHaveConditions(COMMAND_KINDS[kind]) ? made.ifDebit : undefined,
    ifCredit: mayHaveConditions(COMMAND_KINDS[kind]) ? made.ifCredit : undefined,
    across: isOpening ? undefined : made.across,
    coordination: isOpening ? undefined : made.coordination,
    step:
      isStep && made.step !== undefined
        ? { ...made.step, ofHold: kind === 'DrawCredit' ? made.step.ofHold : undefined }
        : undefined,
    checkedSequence: isStep ? undefined : made.checkedSequence,
  }
}

it('an event is read as it was written; its row is whole words, and nobody else’s bytes', () => {
  fc.assert(
    fc.property(event, (written) => {
      const row = encodeEvent(written)
      expect(decodeEvent(row, 0)).toEqual(written)
      expect(row.length % 8).toBe(0)
      expect(row.length).toBeGreaterThanOrEqual(EVENT_ROW_BYTES)
      expect(row.length).toBeLessThanOrEqual(EVENT_ROW_BYTES_MAX)
    }),
    { numRuns: 500 },
  )
})

it('the longest event fits the longest row', () => {
  fc.assert(
    fc.property(event, (any) => {
      const row = encodeEvent({
        ...any,
        memo: 'm'.repeat(MEMO_BYTES_MAX),
        owner: 'o'.repeat(OWNER_BYTES_MAX),
        namedAccounts: 'n'.repeat(NAMED_ACCOUNTS_BYTES_MAX),
      })
      expect(row).toHaveLength(EVENT_ROW_BYTES_MAX)
    }),
    { numRuns: 5 },
  )
})

it('a payload is its events, one behind the other', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), (written) => {
      const payload = Buffer.concat(written.map((one) => encodeEvent(one)))
      expect(decodeEvents(payload)).toEqual(written)
    }),
  )
})

it('bytes that no writer wrote are refused by RangeError, never read beyond their end', () => {
  fc.assert(
    fc.property(event, fc.nat(), fc.nat(255), fc.nat(), (written, at, value, cut) => {
      const row = encodeEvent(written)
      row[at % row.length] = value
      const bytes = row.slice(0, cut % 3 === 0 ? cut % row.length : row.length)
      try {
        expect(eventRowBytes(bytes, 0)).toBeLessThanOrEqual(bytes.length)
        decodeEvent(bytes, 0)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }),
    { numRuns: 2000 },
  )
})

it('a text comes back with every character, a byte order mark at its beginning too', () => {
  const id = { high: 0x7000n, low: 1n }
  const memo = '\ufefflunch'
  expect(decodeCommands(encodeCommands([{ kind: 'Transfer', id, memo }]))[0]!.memo).toBe(memo)
})

it('commands are read as they were written, in whole slots', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 5 }), (written) => {
      const bytes = encodeCommands(written)
      expect(decodeCommands(bytes)).toEqual(written)
      expect(bytes.length % COMMAND_SLOT_BYTES).toBe(0)
      expect(bytes.length).toBeLessThanOrEqual(written.length * COMMAND_SLOTS_MAX * COMMAND_SLOT_BYTES)
    }),
    { numRuns: 300 },
  )
})

it('a fingerprint covers the body, and only the body', () => {
  fc.assert(
    fc.property(command, command, (one, other) => {
      const of = (which: Command): bigint => fingerprintOf(encodeCommands([which]))
      const same = {
        ...one,
        id: other.id,
        receivedAtNs: other.receivedAtNs!,
        checkedSequence: other.checkedSequence!,
      }
      expect(of(same)).toBe(of(one))
      const body = [
        'kind', 'debit', 'credit', 'related', 'amount', 'system', 'effectiveAtNs', 'timeoutNs', 'currency', 'scale', 'code', 'reference',
        'linked', 'memo', 'owner', 'ifDebit', 'ifCredit', 'keepOpen', 'part', 'force',
      ] as const // prettier-ignore
      for (const field of body) {
        const differing = canonical({ ...one, [field]: other[field] })
        const isSame = Buffer.compare(encodeCommands([differing]), encodeCommands([one])) === 0
        expect(of(differing) === of(one), field).toBe(isSame)
      }
    }),
  )
})

it('a fingerprint tells what is given from what is not, whatever its value', () => {
  const of = (which: Command): bigint => fingerprintOf(encodeCommands([which]))
  const change: Command = { kind: 'ChangeAccount', id: { high: 0x7000n, low: 1n }, owner: 'somebody' }
  expect(of({ ...change, amount: 0n })).not.toBe(of(change))
})

it('a position is read as it was written, and nothing else is one', () => {
  const position = fc
    .uniqueArray(fc.tuple(fc.nat(1023), fc.bigInt(0n, 10n ** 19n - 1n)), {
      minLength: 1,
      maxLength: 20,
      selector: ([partition]) => partition,
    })
    .map((parts) => new Map(parts))
  fc.assert(
    fc.property(position, position, (one, other) => {
      expect(parsePosition(formatPosition(one))).toEqual(one)
      expect(includesPosition(one, one)).toBe(true)
      const both = new Map(one)
      for (const [partition, sequence] of other)
        both.set(partition, sequence > (both.get(partition) ?? 0n) ? sequence : both.get(partition)!)
      expect(includesPosition(both, one) && includesPosition(both, other)).toBe(true)
      if (includesPosition(one, other) && includesPosition(other, one))
        for (const [partition, sequence] of one)
          if (sequence > 0n) expect(other.get(partition)).toBe(sequence)
    }),
  )
  expect(formatPosition(new Map())).toBe('0:0')
  for (const bad of [
    '',
    '0',
    '0:',
    ':1',
    '0:1,',
    '0:1,0:2',
    '1024:1',
    '0:-1',
    '0:1 ',
    '00000:1',
    '0:1.5',
    `0:${'9'.repeat(20)}`,
  ])
    expect(parsePosition(bad), bad).toBeUndefined()
  expect(parsePosition('0:1,'.repeat(100_000))).toBeUndefined()
})
