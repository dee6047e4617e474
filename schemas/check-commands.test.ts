import { describe, expect, it } from 'vitest'
import { encodeCommands, SCALE_OF_PLATFORM, type Command } from './commands.ts'
import { NIL_ID, type Id } from './ids.ts'
import { BATCH_COMMANDS_MAX, TIME_NS_MAX, TIME_NS_MIN } from './limits.ts'
import { checkCommands } from './check-commands.ts'

const idOf = (index: number): Id => ({
  high: (1_700_000_000_000n << 16n) | 0x7000n,
  low: (2n << 62n) | BigInt(index),
})
const accountIdOf = (index: number): Id => ({ high: 0xacc0n, low: BigInt(index) })

const open: Command = {
  kind: 'OpenAccount',
  id: idOf(1),
  debit: accountIdOf(1),
  currency: 'CZK',
  scale: 2,
  owner: 'me',
}
const freeze: Command = { kind: 'FreezeAccount', id: idOf(2), debit: accountIdOf(1) }
const transfer: Command = {
  kind: 'Transfer', id: idOf(3), debit: accountIdOf(1), credit: accountIdOf(2), amount: 5n, memo: 'm'.repeat(170),
} // prettier-ignore
const hold: Command = { ...transfer, kind: 'PlaceHold', timeoutNs: 5n, currency: 'X9' }
const post: Command = { kind: 'PostHold', id: idOf(4), related: idOf(3), amount: 1n }
const voided: Command = { kind: 'VoidHold', id: idOf(5), related: idOf(3) }
const reverse: Command = { kind: 'ReverseTransfer', id: idOf(6), related: idOf(3), memo: 'sorry' }
const all = [
  open,
  { ...open, scale: SCALE_OF_PLATFORM },
  freeze,
  { ...transfer, linked: true },
  hold,
  post,
  voided,
  reverse,
]

const check = (...commands: Command[]): string | undefined =>
  checkCommands(encodeCommands(commands), commands.length)

describe('commands in binary form', () => {
  it('pass in the one form in which each can be written, at any offset', () => {
    expect(check(...all)).toBe(undefined)
    for (const effectiveAtNs of [TIME_NS_MIN, -1n, TIME_NS_MAX])
      expect(check({ ...transfer, effectiveAtNs })).toBe(undefined)
    const slots = encodeCommands(all)
    const shifted = new Uint8Array(slots.length + 3)
    shifted.set(slots, 3)
    expect(checkCommands(shifted.subarray(3), all.length)).toBe(undefined)
    expect(checkCommands(new Uint8Array(0), 0)).toBe(undefined)
  })

  it.each<[string, Command]>([
    ['may send', { ...transfer, kind: 'ExpireHold' }],
    ['linked', { ...freeze, linked: true }],
    ['scale', { ...transfer, scale: 2 }],
    ['scale', { ...open, scale: 19 }],
    ['UUIDv7', { ...transfer, id: accountIdOf(1) }],
    ['no account', { ...freeze, debit: NIL_ID }],
    ['no credit', { ...transfer, credit: NIL_ID }],
    ['credit account for nothing', { ...freeze, credit: accountIdOf(1) }],
    ['beside the hold', { ...post, debit: accountIdOf(1) }],
    ['beside the hold or transfer', { ...reverse, debit: accountIdOf(1) }],
    ['credit account for nothing', { ...reverse, credit: accountIdOf(1) }],
    ['amount', { ...reverse, amount: 1n }],
    ['currency', { ...reverse, currency: 'CZK' }],
    ['checked', { ...reverse, checkedSequence: 1n }],
    ['no hold', { ...voided, related: NIL_ID }],
    ['related id', { ...transfer, related: idOf(1) }],
    ['to reverse', { ...reverse, related: accountIdOf(1) }],
    ['amount', { ...voided, amount: 1n }],
    ['amount', { ...freeze, amount: 1n }],
    ['1900', { ...transfer, effectiveAtNs: TIME_NS_MIN - 1n }],
    ['2261', { ...transfer, effectiveAtNs: TIME_NS_MAX + 1n }],
    ['1970', { ...transfer, receivedAtNs: -1n }],
    ['timeout', { ...transfer, timeoutNs: 1n }],
    ['timeout', { ...hold, timeoutNs: -1n }],
    ['checked', { ...transfer, checkedSequence: 1n }],
    ['currency', { ...post, currency: 'CZK' }],
    ['owner', { ...transfer, owner: 'me' }],
  ])('are stopped with a word that says why: %s', (why, command) => {
    expect(check(transfer, command)).toMatch(/^command 1 /)
    expect(check(transfer, command)).toContain(why)
  })

  it('are stopped where the group they are linked with meets an account', () => {
    expect(check({ ...transfer, linked: true }, freeze)).toContain('command 1 is about an account')
  })

  it('pass or are stopped alike behind a plain transfer, whatever bit of them is turned', () => {
    // The quick test for plain transfers knows the currency of the command before: it may let nothing else pass.
    const known = { ...transfer, memo: '', currency: 'CZK', code: 7, reference: idOf(9), effectiveAtNs: 5n }
    const alone = encodeCommands([known])
    const behind = encodeCommands([known, known])
    for (let bit = 0; bit < alone.length * 8; bit++) {
      alone[bit >> 3]! ^= 1 << (bit & 7)
      behind.set(alone, alone.length)
      const wrong = checkCommands(alone, 1)
      expect(checkCommands(behind, 2), `bit ${bit}`).toBe(wrong?.replace('command 0', 'command 1'))
      alone[bit >> 3]! ^= 1 << (bit & 7)
    }
  })

  it('are stopped if a single byte stands where nothing may, or a count is not theirs', () => {
    // Flags, an unused byte, a code behind its end, behind the text lengths, behind the fields, behind the memo.
    for (const [byte, value] of [[1, 2], [3, 1], [105, 65], [141, 1], [159, 1], [330, 1], [137, 2]] as const) {
      const slots = encodeCommands([transfer])
      slots[byte] = value
      expect(checkCommands(slots, 1)).toMatch(/^command 0 /)
    } // prettier-ignore
    const slots = encodeCommands([transfer, post])
    expect(checkCommands(slots, 1)).toContain('behind')
    expect(checkCommands(slots, 3)).toContain('cut off')
    expect(checkCommands(slots.subarray(0, 200), 1)).toContain('whole slots')
    expect(checkCommands(slots.subarray(0, 160), 1)).toContain('cut off')
    expect(checkCommands(slots, BATCH_COMMANDS_MAX + 1)).toContain('batch')
    expect(checkCommands(slots, -1)).toContain('batch')
    expect(checkCommands(slots, 0.5)).toContain('batch')
  })
})
