import { describe, expect, it } from 'vitest'
import { checkCommands, sortCommands } from './check-commands.ts'
import { encodeCommands } from './command-codec.ts'
import type { Command } from './commands.ts'
import type { Id } from './ids.ts'

const idOf = (index: number): Id => ({
  high: (1_700_000_000_000n << 16n) | 0x7000n,
  low: (2n << 62n) | BigInt(index),
})
const accountIdOf = (index: number): Id => ({ high: 0xacc0n, low: BigInt(index) })

describe('a claim', () => {
  const claim: Command = { kind: 'ClaimId', id: idOf(1), code: 1_023, receivedAtNs: 5n }
  const prepared = (command: Command): string | undefined =>
    checkCommands(encodeCommands([command]), 1, 'prepared')

  it('is taken as doors hand it on, and never from a client', () => {
    expect(prepared(claim)).toBe(undefined)
    expect(checkCommands(encodeCommands([claim]), 1)).toContain('kind is 18, which no client may send')
  })

  it('stands alone, as a step does: what is linked with either falls, and the writer goes on behind it', () => {
    const transfer: Command = {
      kind: 'Transfer',
      id: idOf(9),
      debit: accountIdOf(1),
      credit: accountIdOf(2),
      amount: 1n,
      currency: 'CZK',
    }
    const step: Command = {
      kind: 'TryCredit', id: idOf(3), debit: accountIdOf(1), credit: accountIdOf(2), amount: 5n, currency: 'CZK', effectiveAtNs: 1n,
      step: { source: 1, channel: 1, turn: 1, attempt: 0, answers: 1n, scale: 2 },
    } // prettier-ignore
    for (const alone of [claim, step])
      expect(sortCommands(encodeCommands([{ ...transfer, linked: true }, alone, transfer]), 3)).toEqual({
        kind: 'sorted',
        invalid: [
          { first: 0, end: 1, index: 0, field: 'linked', why: 'ties it to a command that stands alone' },
        ],
      })
  })

  it.each<[string, Command]>([
    ['code is the number of no partition', { ...claim, code: 1_024 }],
    ['id is not a UUID of version 7', { ...claim, id: accountIdOf(1) }],
    ['receivedAt lies before 1970', { ...claim, receivedAtNs: -1n }],
    ['flags has something', { ...claim, linked: true }],
    ['flags has something', { ...claim, reference: accountIdOf(1) }],
    ['rest is not zero', { ...claim, debit: accountIdOf(1) }],
    ['rest is not zero', { ...claim, related: idOf(2) }],
    ['rest is not zero', { ...claim, amount: 1n, credit: accountIdOf(2) }],
    ['rest is not zero', { ...claim, currency: 'CZK' }],
    ['rest is not zero', { ...claim, memo: 'why' }],
  ])('is refused where its %s', (why, command) => {
    expect(prepared(command)).toContain(`command 0: ${why}`)
  })
})
