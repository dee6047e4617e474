import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCommands } from '../../../schemas/command-codec.ts'
import type { Command } from '../../../schemas/commands.ts'
import { fingerprintOf } from '../../../schemas/fingerprint.ts'
import { makeUuidV7, type Id } from '../../../schemas/ids.ts'
import { TIME_NS_MIN, TIMES_TEXT } from '../../../schemas/limits.ts'
import type { InvalidCommands } from '../../../schemas/check-commands.ts'
import { decodeCommandRecord, encodeCommandRecord } from './command-record.ts'

function idOf(number: number): Id {
  return makeUuidV7(1_700_000_000_000, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1, number >> 8, number & 255]))
}

const memo = fc.string({ maxLength: 60, unit: 'grapheme-ascii' })
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant('Transfer' as const),
    id: fc.nat(999).map(idOf),
    debit: fc.nat(999).map(idOf),
    credit: fc.nat(999).map(idOf),
    amount: fc.bigInt(1n, 10n ** 12n),
    currency: fc.constant('EUR'),
    memo,
  }),
  fc.record({
    kind: fc.constant('ReverseTransfer' as const),
    id: fc.nat(999).map(idOf),
    debit: fc.nat(999).map(idOf),
    credit: fc.nat(999).map(idOf),
    related: fc.nat(999).map(idOf),
    amount: fc.bigInt(1n, 10n ** 12n),
    currency: fc.constant('EUR'),
    checkedSequence: fc.bigInt(0n, 10n ** 9n),
    memo,
  }),
  fc.record({
    kind: fc.constant('VoidHold' as const),
    id: fc.nat(999).map(idOf),
    related: fc.nat(999).map(idOf),
  }),
)
const transfer: Command = {
  kind: 'Transfer',
  id: idOf(1),
  debit: idOf(2),
  credit: idOf(3),
  amount: 1n,
  currency: 'EUR',
}

describe('a record of commands', () => {
  it('gives back what was put into it, compressed or not, in memory of its own', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 40 }), (commands) => {
        const slots = encodeCommands(commands)
        const value = encodeCommandRecord(slots, commands.length)
        const read = decodeCommandRecord(value)
        value.fill(0)
        expect(read).toEqual({ kind: 'commands', slots, count: commands.length, invalid: [] })
      }),
    )
  })

  it('many transfers take less than half of their bytes', () => {
    const slots = encodeCommands(
      Array.from({ length: 1_000 }, (_, index) => ({ ...transfer, id: idOf(index), debit: idOf(index * 7) })),
    )
    expect(encodeCommandRecord(slots, 1_000).length).toBeLessThan(slots.length / 2)
  })

  it.each([
    ['a count that is not that of its commands', [transfer, transfer], 1, /behind the last command/],
    ['more commands than there are', [transfer], 2, /cut off/],
    ['no commands', [], 0, /0 commands/],
  ])('%s is told as bad', (_, commands: Command[], count, reason) => {
    expect(decodeCommandRecord(encodeCommandRecord(encodeCommands(commands), count))).toMatchObject({
      kind: 'bad',
      reason: expect.stringMatching(reason) as string,
    })
  })

  it.each<[string, Command[], InvalidCommands]>([
    ['a kind that no client may send', [transfer, { ...transfer, kind: 'ExpireHold' }, transfer], { first: 1, end: 2, index: 1, field: 'kind', why: 'is 9, which no client may send' }],
    ['a last command that is linked with nothing', [transfer, { ...transfer, linked: true }], { first: 1, end: 2, index: 1, field: 'linked', why: 'ties it to a next command, and there is none' }],
    ['an effective time before 1900', [{ ...transfer, effectiveAtNs: TIME_NS_MIN - 1n }, transfer], { first: 0, end: 1, index: 0, field: 'effectiveAt', why: `lies outside ${TIMES_TEXT}` }],
    ['a transfer linked with an account', [transfer, { ...transfer, linked: true }, { kind: 'FreezeAccount', id: idOf(1), debit: idOf(2) }], { first: 1, end: 2, index: 1, field: 'linked', why: 'ties it to a command that stands alone' }],
  ])('%s costs the others of the record nothing', (_, commands, invalid) => {
    const slots = encodeCommands(commands)
    expect(decodeCommandRecord(encodeCommandRecord(slots, commands.length))).toEqual({ kind: 'commands', slots, count: commands.length, invalid: [invalid] })
  }) // prettier-ignore

  it('of the version before is read as it was meant: what stood for “not given” is not given', () => {
    const opened: Command = { kind: 'OpenAccount', id: idOf(4), debit: idOf(2), currency: 'EUR', scale: 2 }
    const commands: Command[] = [
      transfer,
      { ...transfer, effectiveAtNs: 5n, reference: idOf(9) },
      { ...opened, system: true },
      opened,
      { kind: 'PostHold', id: idOf(5), related: idOf(3) },
      { kind: 'PostHold', id: idOf(6), related: idOf(3), amount: 7n },
      { ...transfer, kind: 'PlaceHold', timeoutNs: 9n },
      { ...transfer, kind: 'PlaceHold' },
    ]
    const slots = encodeCommands(commands)
    const old = Uint8Array.from(slots)
    for (let byte = 0; byte < old.length; byte += 160) old[byte + 1]! &= 1
    old.fill(0xff, 2 * 160 + 72, 2 * 160 + 80)
    const value = encodeCommandRecord(old, commands.length)
    value[4] = 1
    expect(decodeCommandRecord(value)).toEqual({ kind: 'commands', slots, count: commands.length, invalid: [] })
    for (let index = 0; index < commands.length; index++)
      expect(fingerprintOf(slots.subarray(index * 160, index * 160 + 160))).toBe(fingerprintOf(old.subarray(index * 160, index * 160 + 160)))
  }) // prettier-ignore

  it('any bytes are read without a throw, and a length that they claim is not believed', () => {
    const good = encodeCommandRecord(encodeCommands(Array.from({ length: 30 }, () => transfer)), 30)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 400 }),
          fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
            const bytes = Uint8Array.from(good)
            bytes[at] = byte
            return bytes
          }),
          fc.nat(good.length).map((length) => Uint8Array.from(good.subarray(0, length))),
        ),
        (bytes) => {
          const { kind } = decodeCommandRecord(bytes)
          expect(['commands', 'bad']).toContain(kind)
        },
      ),
      { numRuns: 1_000 },
    )
    const claim = Buffer.from(good)
    claim.writeUInt32LE(0xffff_ffff, 12)
    expect(decodeCommandRecord(claim)).toMatchObject({ kind: 'bad' })
  })
})
