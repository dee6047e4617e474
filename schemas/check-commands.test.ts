import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCommands } from './command-codec.ts'
import { byteOfCommand, STEP_KINDS, type Command } from './commands.ts'
import { transitAccountId } from './crossing.ts'
import { fingerprintOf } from './fingerprint.ts'
import { NIL_ID, type Id } from './ids.ts'
import { BATCH_COMMANDS_MAX, CHANNELS_MAX, TIME_NS_MAX, TIME_NS_MIN } from './limits.ts'
import { checkCommands, sortCommands } from './check-commands.ts'

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
const change: Command = { kind: 'ChangeAccount', id: idOf(7), debit: accountIdOf(1), amount: 0n }
const transfer: Command = {
  kind: 'Transfer', id: idOf(3), debit: accountIdOf(1), credit: accountIdOf(2), amount: 5n, currency: 'CZK',
  memo: 'm'.repeat(170),
} // prettier-ignore
const hold: Command = { ...transfer, kind: 'PlaceHold', timeoutNs: 5n, currency: 'X9' }
const post: Command = { kind: 'PostHold', id: idOf(4), related: idOf(3), amount: 1n }
const voided: Command = { kind: 'VoidHold', id: idOf(5), related: idOf(3) }
const reverse: Command = { kind: 'ReverseTransfer', id: idOf(6), related: idOf(3), memo: 'sorry' }
const all = [
  open,
  { ...open, scale: undefined, system: true },
  freeze,
  change,
  { ...change, amount: undefined, owner: 'you' },
  { ...transfer, linked: true },
  { ...transfer, ifDebit: { version: 1n }, ifCredit: { availableAtLeast: 0n } },
  { ...reverse, amount: 5n, part: true, force: true },
  { ...reverse, ifCredit: { version: 2n ** 63n - 1n } },
  hold,
  post,
  { ...post, amount: undefined },
  { ...post, keepOpen: true },
  voided,
  reverse,
]

const check = (...commands: Command[]): string | undefined =>
  checkCommands(encodeCommands(commands), commands.length)

describe('commands in binary form', () => {
  it('pass in the one form in which each can be written, at any offset', () => {
    expect(check(...all)).toBe(undefined)
    for (const effectiveAtNs of [TIME_NS_MIN, -1n, 0n, TIME_NS_MAX])
      expect(check({ ...transfer, effectiveAtNs })).toBe(undefined)
    const slots = encodeCommands(all)
    const shifted = new Uint8Array(slots.length + 3)
    shifted.set(slots, 3)
    expect(checkCommands(shifted.subarray(3), all.length)).toBe(undefined)
    expect(checkCommands(new Uint8Array(0), 0)).toBe(undefined)
  })

  it.each<[string, Command]>([
    ['kind is 9, which no client may send', { ...transfer, kind: 'ExpireHold' }],
    ['linked is set', { ...freeze, linked: true }],
    ['linked is set', { ...change, linked: true }],
    ['amount is not given, and no owner either', { ...change, amount: undefined }],
    ['amount is an overdraft limit below zero', { ...change, amount: -1n }],
    ['owner is given for nothing', { ...freeze, owner: 'me' }],
    ['flags has bits', { ...transfer, scale: 2 }],
    ['scale is 19', { ...open, scale: 19 }],
    ['id is not a UUID of version 7', { ...transfer, id: accountIdOf(1) }],
    ['id is not a UUID of version 7', { ...transfer, id: NIL_ID }],
    ['debit names no account', { ...freeze, debit: NIL_ID }],
    ['debit names no account', { ...transfer, debit: NIL_ID }],
    ['debit names no account', { ...open, debit: NIL_ID }],
    ['credit names no account', { ...transfer, credit: NIL_ID }],
    ['credit names an account for nothing', { ...freeze, credit: accountIdOf(1) }],
    ['debit names an account beside the hold', { ...post, debit: accountIdOf(1) }],
    ['debit names an account beside the hold or transfer', { ...reverse, debit: accountIdOf(1) }],
    ['credit names an account for nothing', { ...reverse, credit: accountIdOf(1) }],
    ['amount is given for nothing', { ...reverse, amount: 1n }],
    ['amount is given for nothing', { ...voided, amount: 1n }],
    ['amount is given for nothing', { ...freeze, amount: 1n }],
    ['amount is not above zero', { ...transfer, amount: 0n }],
    ['amount is not above zero', { ...transfer, amount: -1n }],
    ['amount is not above zero', { ...hold, amount: 0n }],
    ['amount is not above zero', { ...post, amount: 0n }],
    ['amount is not above zero', { ...post, amount: -(2n ** 63n) }],
    ['amount is an overdraft limit below zero', { ...open, amount: -1n }],
    ['amount stands there beside the flag', { ...open, amount: 1n, system: true }],
    ['currency is given for nothing', { ...reverse, currency: 'CZK' }],
    ['currency is given for nothing', { ...post, currency: 'CZK' }],
    ['currency is not given', { ...transfer, currency: undefined }],
    ['currency is not given', { ...open, currency: undefined }],
    ['checkedSequence is given', { ...reverse, checkedSequence: 1n }],
    ['checkedSequence is given', { ...transfer, checkedSequence: 1n }],
    ['related names no hold', { ...voided, related: NIL_ID }],
    ['related names no transfer', { ...reverse, related: NIL_ID }],
    ['related names something for nothing', { ...transfer, related: idOf(1) }],
    ['related names no transfer to reverse', { ...reverse, related: accountIdOf(1) }],
    [
      'effectiveAt lies outside 1900-01-01T00:00:00Z to 2261',
      { ...transfer, effectiveAtNs: TIME_NS_MIN - 1n },
    ],
    [
      'effectiveAt lies outside 1900-01-01T00:00:00Z to 2261',
      { ...transfer, effectiveAtNs: TIME_NS_MAX + 1n },
    ],
    ['receivedAt lies before 1970', { ...transfer, receivedAtNs: -1n }],
    ['flags has bits', { ...transfer, timeoutNs: 1n }],
    ['timeout is not above zero', { ...hold, timeoutNs: -1n }],
    ['timeout is not above zero', { ...hold, timeoutNs: 0n }],
    ['reference is the nil UUID, which is none: leave it out', { ...transfer, reference: NIL_ID }],
    ['memo is not UTF-8, or has a NUL', { ...transfer, memo: 'a\0b' }],
    ['owner is given for nothing', { ...transfer, owner: 'me' }],
    ['amount is not above zero', { ...reverse, amount: 0n, part: true }],
    ['timeout stands there', { ...reverse, leftToReverse: 1n }],
    ['flags has bits', { ...post, force: true }],
    ['keepOpen leaves nothing held', { ...post, amount: undefined, keepOpen: true }],
    ['flags has bits', { ...voided, keepOpen: true }],
    ['flags has bits', { ...freeze, ifDebit: { version: 1n } }],
    ['ifDebit names a version that is not above zero', { ...transfer, ifDebit: { version: 0n } }],
    ['ifDebit names a version that is not above zero', { ...hold, ifDebit: { version: -1n } }],
    ['ifCredit names an amount below zero', { ...post, ifCredit: { availableAtLeast: -1n } }],
  ])('are stopped with a word that says why: %s', (why, command) => {
    expect(check(transfer, command)).toContain(`command 1: ${why}`)
    expect(check(transfer, { ...transfer, memo: '' }, command)).toContain(`command 2: ${why}`)
  })

  it.each<[string, Command, number, number]>([
    ['effectiveAt', { ...transfer, memo: '' }, 80, 1],
    ['reference', { ...transfer, memo: '' }, 112, 1],
    ['timeout', { ...hold, timeoutNs: undefined }, 88, 1],
    ['scale', { ...open, scale: undefined }, 2, 1],
    ['amount', { ...post, amount: undefined }, 72, 1],
    ['amount', { ...open, system: true }, 79, 255],
    ['amount', { ...change, amount: undefined, owner: 'you' }, 72, 1],
  ])(
    'are stopped where a value stands without the flag that it is given: %s',
    (field, command, byte, value) => {
      const alone = encodeCommands([command])
      alone[byte] = value
      expect(checkCommands(alone, 1)).toMatch(new RegExp(`^command 0: ${field} stands there`))
    },
  )

  it('take no value for “none”: zeros in a field that is given are that value, or are refused', () => {
    expect(check({ ...transfer, effectiveAtNs: 0n })).toBe(undefined)
    expect(check({ ...transfer, memo: '', effectiveAtNs: 0n })).toBe(undefined)
    expect(check({ ...open, amount: 0n })).toBe(undefined)
    expect(check({ ...open, scale: 0 })).toBe(undefined)
    expect(check({ ...post, amount: 0n })).toContain('amount')
    expect(check({ ...hold, timeoutNs: 0n })).toContain('timeout')
    expect(check({ ...transfer, reference: NIL_ID })).toContain('reference')
  })

  it('are stopped where the group they are linked with meets an account, or nothing', () => {
    const linked = { ...transfer, linked: true }
    const plain = { ...linked, memo: '' }
    for (const one of [linked, plain]) {
      expect(check(one, freeze)).toContain('command 0: linked ties it to a command that stands alone')
      expect(check(transfer, one)).toContain('command 1: linked ties it to a next command, and there is none')
      expect(check(one, one, open)).toContain('command 1: linked')
    }
    expect(check(linked, plain, transfer, freeze)).toBe(undefined)
  })

  it('pass or are stopped alike behind a plain transfer, whatever bit of them is turned', () => {
    // The quick test for plain transfers knows the currency of the command before: it may let nothing else pass.
    const known = { ...transfer, memo: '', currency: 'CZK', code: 7, reference: idOf(9), effectiveAtNs: 5n }
    const plain = { ...known, reference: undefined, effectiveAtNs: undefined }
    for (const one of [known, plain]) turnEveryBit(one)
  })

  function turnEveryBit(known: Command): void {
    const alone = encodeCommands([known])
    const behind = encodeCommands([known, known])
    for (let bit = 0; bit < alone.length * 8; bit++) {
      alone[bit >> 3]! ^= 1 << (bit & 7)
      behind.set(alone, alone.length)
      const wrong = checkCommands(alone, 1)
      expect(checkCommands(behind, 2), `bit ${bit}`).toBe(wrong?.replace('command 0', 'command 1'))
      alone[bit >> 3]! ^= 1 << (bit & 7)
    }
  }

  it('are stopped if a single byte stands where nothing may, or a count is not theirs', () => {
    // A condition of a kind that there is not, one without a flag, a flag without one, a value without one.
    const conditional: Command = { ...transfer, memo: '', ifDebit: { version: 1n } }
    for (const [byte, value] of [
      [140, 3],
      [140, 0],
      [142, 1],
      [143, 1],
      [152, 1],
      [1, 0],
    ] as const) {
      const slots = encodeCommands([conditional])
      slots[byte] = value
      expect(checkCommands(slots, 1), `byte ${byte}`).toMatch(/^command 0/)
    }
    // Flags, an unused byte, a code behind its end, behind the text lengths, behind the fields, behind the memo.
    for (const [byte, value] of [[1, 128], [3, 1], [108, 65], [141, 1], [159, 1], [330, 1], [137, 2]] as const) {
      const slots = encodeCommands([transfer])
      slots[byte] = value
      expect(checkCommands(slots, 1)).toMatch(/^command 0/)
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

describe('commands of several senders in one record', () => {
  const wrong: Command = { ...transfer, amount: 0n }
  const sort = (...commands: Command[]) => sortCommands(encodeCommands(commands), commands.length)
  const linked = { ...transfer, linked: true }

  it('a wrong one is passed over alone, and all that it is linked with', () => {
    expect(sort(transfer, wrong, hold, open)).toMatchObject({ kind: 'sorted', invalid: [{ first: 1, end: 2, index: 1, field: 'amount' }] }) // prettier-ignore
    expect(sort(transfer, linked, { ...wrong, linked: true }, linked, hold, open, wrong)).toMatchObject({ kind: 'sorted', invalid: [{ first: 1, end: 5, index: 2, field: 'amount' }, { first: 6, end: 7 }] }) // prettier-ignore
    // What a group meets that it cannot have is nobody's fault but its own.
    expect(sort(linked, linked, open, transfer)).toMatchObject({ invalid: [{ first: 0, end: 2, index: 1, field: 'linked' }] }) // prettier-ignore
    expect(sort(transfer, linked)).toMatchObject({ invalid: [{ first: 1, end: 2, field: 'linked' }] })
    expect(sort({ ...wrong, linked: true }, open)).toMatchObject({ invalid: [{ first: 0, end: 1 }] })
    expect(sort({ ...freeze, linked: true }, transfer)).toMatchObject({ invalid: [{ first: 0, end: 1 }] })
  })

  it('only where one ends and the next begins is not known are all of them lost', () => {
    const slots = encodeCommands([transfer, hold])
    expect(sortCommands(slots, 3)).toMatchObject({ kind: 'broken' })
    expect(sortCommands(slots, 1)).toMatchObject({ kind: 'broken' })
    new DataView(slots.buffer).setUint16(136, 257, true)
    expect(sortCommands(slots, 2)).toMatchObject({ kind: 'broken', reason: expect.stringContaining('memo') as string }) // prettier-ignore
  })

  it('what is left of any commands, whatever byte of them is turned, is what the check takes', () => {
    const some = fc.constantFrom(open, freeze, transfer, linked, hold, { ...hold, linked: true }, post, voided)
    fc.assert(
      fc.property(
        fc.array(some, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { maxLength: 3 }),
        (commands, turned) => {
          const slots = encodeCommands(commands)
          for (const [at, value] of turned) slots[at % slots.length] = value
          const sorting = sortCommands(slots, commands.length)
          const wrong = checkCommands(slots, commands.length, 'prepared')
          if (sorting.kind === 'broken') {
            expect(wrong).toBeDefined()
            return
          }
          expect(sorting.invalid.length === 0).toBe(wrong === undefined)
          let behind = 0
          const left: Uint8Array[] = []
          let count = 0
          for (const { first, end, index } of [...sorting.invalid, { first: commands.length, end: commands.length, index: commands.length }]) {
            expect(first).toBeGreaterThanOrEqual(behind)
            expect(index).toBeGreaterThanOrEqual(first)
            expect(index === end && end < commands.length).toBe(false)
            left.push(slots.subarray(byteOfCommand(slots, behind), byteOfCommand(slots, first)))
            count += first - behind
            behind = end
          }
          expect(checkCommands(Uint8Array.from(Buffer.concat(left)), count, 'prepared')).toBe(undefined)
        },
      ),
      { numRuns: 2_000 },
    )
  }) // prettier-ignore

  it('a run of thousands that need a close look does not end in a depth of calls', () => {
    const many = Array.from({ length: BATCH_COMMANDS_MAX }, () => freeze)
    expect(sort(...many)).toEqual({ kind: 'sorted', invalid: [] })
  })
})

describe('steps of a crossing, and routes', () => {
  const step: Command = {
    kind: 'CancelTransfer', id: idOf(3), debit: accountIdOf(1), credit: accountIdOf(2), amount: 5n, currency: 'CZK',
    effectiveAtNs: 1n, coordination: 'tcc', related: idOf(4), memo: 'rent',
    step: { source: 1_023, channel: CHANNELS_MAX, turn: 2 ** 32 - 1, attempt: 65_535, answers: 1n, scale: 18, refusal: 'credit_account_frozen' },
  } // prettier-ignore
  const prepared = (...commands: Command[]): string | undefined =>
    checkCommands(encodeCommands(commands), commands.length, 'prepared')
  const withStep = (more: Partial<Command['step']>): Command => ({
    ...step,
    step: { ...step.step!, ...more },
  })

  it('steps of every kind are taken as doors hand them on, and never from a client', () => {
    for (const kind of STEP_KINDS) {
      const ofHold = kind === 'DrawCredit' ? 2n ** 32n + 1n : undefined
      const refusal = kind === 'CancelTransfer' ? step.step!.refusal : undefined
      const one = { ...withStep({ refusal, ofHold }), kind }
      expect(prepared(transfer, one)).toBe(undefined)
      expect(check(transfer, one)).toContain('which no client may send')
    }
    expect(prepared({ ...step, kind: 'TimeStep' })).toContain('which no client may send')
    expect(prepared({ ...step, coordination: 'saga' }, { ...step, coordination: undefined })).toBe(undefined)
    expect(prepared(withStep({ refusal: undefined }))).toBe(undefined)
    // Of a hold whose posts have taken all of it nothing is left to let go of.
    expect(prepared({ ...step, amount: 0n })).toBe(undefined)
  })

  it.each<[string, Command]>([
    ['id is not a UUID of version 7', { ...step, id: accountIdOf(1) }],
    ['debit names no account', { ...step, debit: NIL_ID }],
    ['credit names no account', { ...step, credit: NIL_ID }],
    ['debit names an account for money in transit', { ...step, debit: transitAccountId('CZK', 0, 2) }],
    ['credit names an account for money in transit', { ...step, credit: transitAccountId('CZK', 1, 2) }],
    ['amount is not above zero', { ...withStep({ refusal: undefined }), kind: 'TryCredit', amount: 0n }],
    ['step posts a part of no hold', { ...withStep({ refusal: undefined, ofHold: 1n }), kind: 'DrawCredit' }],
    [
      'step posts a part of no hold',
      { ...withStep({ refusal: undefined, ofHold: 2n ** 32n }), kind: 'DrawCredit' },
    ],
    ['amount is not above zero', { ...step, amount: -1n }],
    ['effectiveAt is not given', { ...step, effectiveAtNs: undefined }],
    ['effectiveAt lies outside', { ...step, effectiveAtNs: TIME_NS_MAX + 1n }],
    ['receivedAt lies before 1970', { ...step, receivedAtNs: -1n }],
    ['reference is the nil UUID', { ...step, reference: NIL_ID }],
    ['currency is not given', { ...step, currency: undefined }],
    ['flags has bits', { ...step, linked: true }],
    ['flags has bits', { ...step, timeoutNs: 1n }],
    ['flags has something behind it', { ...step, kind: 'TryCredit' }],
    ['step is of no partition', withStep({ source: 1_024 })],
    ['step is of no channel', withStep({ channel: 0 })],
    ['step is of no channel', withStep({ channel: CHANNELS_MAX + 1 })],
    ['step is of no channel, or of no turn', withStep({ turn: 0 })],
    ['step answers no event', withStep({ answers: 0n })],
    ['step has a scale', withStep({ scale: 19 })],
    ['owner is given for nothing', { ...step, owner: 'me' }],
  ])('a step is stopped with a word that says why: %s', (why, command) => {
    expect(prepared(transfer, command)).toContain(`command 1: ${why}`)
  })

  it('a step is stopped where a byte stands that none of its fields has', () => {
    for (const [byte, value, why] of [[3, 99, 'step'], [141, 1, 'step'], [148, 1, 'rest'], [151, 1, 'rest'], [2, 8, 'route'], [2, 5, 'route'], [2, 6, 'route']] as const) {
      const slots = encodeCommands([step])
      slots[byte] = value
      expect(checkCommands(slots, 1, 'prepared')).toContain(`command 0: ${why}`)
    } // prettier-ignore
  })

  it('a client chooses how to coordinate; only a door says that a transfer or hold goes across', () => {
    for (const memo of ['', 'rent'])
      for (const coordination of ['tcc', 'saga', undefined] as const) {
        const chosen = { ...transfer, memo, coordination }
        expect(check(transfer, chosen)).toBe(undefined)
        expect(check(transfer, { ...chosen, across: true })).toContain('command 1: route says what only a door may know') // prettier-ignore
        expect(prepared(transfer, { ...chosen, across: true })).toBe(undefined)
      }
    expect(prepared({ ...hold, across: true })).toBe(undefined)
    for (const wrong of [{ across: true }, { coordination: 'tcc' }] as const)
      expect(check({ ...hold, ...wrong })).toContain('route says what only a door may know')
    expect(prepared({ ...hold, coordination: 'tcc' })).toContain('route says what only a door may know')
    expect(prepared({ ...hold, across: true, ifCredit: { version: 1n } })).toContain(
      'ifCredit is of an account',
    )
  })

  it('what is a step’s scale, partition and channel is a client’s conditions, told apart by kind', () => {
    const asked: Command = { ...transfer, ifDebit: { version: 7n } }
    expect(prepared(step, asked, step)).toBe(undefined)
    expect(prepared({ ...step, ifDebit: { version: 7n } })).toContain('flags has bits')
    expect(check({ ...asked, step: { ...step.step!, refusal: undefined } })).toMatch(
      /ifDebit|ifCredit|checkedSequence/,
    )
    // Across only the debit account is there to be looked at.
    expect(prepared(transfer, { ...asked, across: true })).toBe(undefined)
    expect(prepared(transfer, { ...asked, across: true, ifCredit: { version: 1n } })).toContain('command 1: ifCredit is of an account that lives in another partition') // prettier-ignore
  })

  it('nobody names an account for money in transit', () => {
    const transit = transitAccountId('CZK', 3, 5)
    for (const memo of ['', 'rent']) {
      expect(check(transfer, { ...transfer, memo, debit: transit })).toContain(
        'debit names an account for money',
      )
      expect(check(transfer, { ...transfer, memo, credit: transit })).toContain('credit names an account for money') // prettier-ignore
    }
    expect(check({ ...change, debit: transit })).toContain('debit names an account for money')
    for (const kind of ['OpenAccount', 'FreezeAccount', 'CloseAccount'] as const)
      expect(check({ ...(kind === 'OpenAccount' ? open : freeze), kind, debit: transit })).toContain('debit names an account for money') // prettier-ignore
  })

  it('a route is no part of what was asked: its fingerprint is the same, and a scale’s is not', () => {
    const plain = fingerprintOf(encodeCommands([transfer]))
    for (const across of [undefined, true] as const)
      for (const coordination of ['tcc', 'saga', undefined] as const) {
        expect(fingerprintOf(encodeCommands([{ ...transfer, across, coordination }]))).toBe(plain)
        expect(fingerprintOf(encodeCommands([{ ...transfer, across, coordination, ifDebit: { version: 1n } }]))).not.toBe(plain) // prettier-ignore
      }
    expect(fingerprintOf(encodeCommands([{ ...open, scale: 3 }]))).not.toBe(
      fingerprintOf(encodeCommands([open])),
    )
  })
})
