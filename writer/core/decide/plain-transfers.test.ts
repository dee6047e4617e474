import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCommands } from '../../../schemas/command-codec.ts'
import { SLOT, type Command } from '../../../schemas/commands.ts'
import { EVENT_ROW_BYTES, EVENT_ROW_BYTES_MAX } from '../../../schemas/limits.ts'
import { applyRow } from '../apply/apply.ts'
import { Decision } from './decision.ts'
import { decideCommand, isNewId } from './decide.ts'
import { createCallBuffers } from './call-buffers.ts'
import { NOW_MS, NOW_NS, Harness, accountIdOf, differingSections, idOf } from '../harness.testing.ts'
import { hashId } from '../state/hash-id.ts'
import { postPlainTransfer } from './plain-transfers.ts'
import { stateFromSections, sectionsOfState, type CoreSection } from '../copy/state-sections.ts'
import { CLOCK, type CoreState } from '../state/state.ts'

const IDS_PER_GENERATION = 64
const INT64_MAX = 2n ** 63n - 1n

/** Accounts of all kinds: open, frozen, closed, of two currencies, with and without a bound, one almost full. */
function world(): readonly CoreSection[] {
  const harness = new Harness({ idsPerGeneration: IDS_PER_GENERATION })
  let ids = 0
  const open = (number: number, currency: string, amount: bigint): Command => ({
    kind: 'OpenAccount', id: idOf(++ids, NOW_MS - 5_000), debit: accountIdOf(number), currency, scale: 2,
    ...(amount < 0n ? { system: true } : { amount }),
  }) // prettier-ignore
  const move = (debit: number, credit: number, amount: bigint): Command => ({
    kind: 'Transfer', id: idOf(++ids, NOW_MS - 5_000), debit: accountIdOf(debit), credit: accountIdOf(credit), amount,
  }) // prettier-ignore
  harness.submit([
    open(1, 'EUR', -1n), open(2, 'EUR', 0n), open(3, 'EUR', 500n), open(4, 'USD', -1n), open(5, 'USD', 0n),
    open(6, 'EUR', 0n), open(7, 'EUR', 0n), open(8, 'EUR', -1n), open(9, 'EUR', -1n),
    move(1, 2, 1_000n), move(1, 6, 50n), move(4, 5, 70n), move(8, 9, INT64_MAX - 20n),
    { kind: 'PlaceHold', id: idOf(++ids, NOW_MS - 5_000), debit: accountIdOf(2), credit: accountIdOf(1), amount: 300n },
    { kind: 'FreezeAccount', id: idOf(++ids, NOW_MS - 5_000), debit: accountIdOf(6) },
    { kind: 'CloseAccount', id: idOf(++ids, NOW_MS - 5_000), debit: accountIdOf(7) },
  ]) // prettier-ignore
  // Enough ids that one generation is old and its successor has some.
  for (let rest = 0; rest < IDS_PER_GENERATION; rest++) harness.submit([move(1, 3, 1n)])
  return harness.core.save()
}

const anyCommand: fc.Arbitrary<Command> = fc.record({
  kind: fc.constantFrom('Transfer' as const, 'Transfer' as const, 'Transfer' as const, 'PlaceHold' as const),
  // Old ones, such as are taken, and new ones; behind the horizon, far ahead, and now.
  id: fc.oneof(
    fc.integer({ min: 1, max: 90 }).map((number) => idOf(number, NOW_MS - 5_000)),
    fc.tuple(fc.integer({ min: 1, max: 60 }), fc.constantFrom(-1_000_000, -1, 0, 1, 2, 10_000_000)).map(([number, ahead]) =>
      idOf(1_000 + number, NOW_MS + ahead)),
    fc.constant(accountIdOf(1)),
  ),
  debit: fc.oneof(fc.constantFrom(1, 3, 8), fc.integer({ min: 1, max: 10 })).map(accountIdOf),
  credit: fc.oneof(fc.constantFrom(2, 3, 9), fc.integer({ min: 1, max: 10 })).map(accountIdOf),
  amount: fc.oneof(fc.bigInt(0n, 400n), fc.bigInt(0n, 800n), fc.constantFrom(0n, -1n, 10n, 21n, INT64_MAX)),
  currency: fc.constantFrom('', '', 'EUR', 'EUR', 'USD', 'ABC'),
  memo: fc.constantFrom('', '', '', '', '', 'for lunch'),
  linked: fc.constantFrom(false, false, false, false, false, true),
  code: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  effectiveAtNs: fc.constantFrom(undefined, 0n, 1n, -1n, NOW_NS),
  reference: fc.option(fc.bigInt(0n, 2n ** 64n - 1n).map((low) => ({ high: 0n, low })), { nil: undefined }),
}).map(({ currency, ...rest }) => ({ ...rest, ...(currency === '' ? {} : { currency }) })) // prettier-ignore

function deskFor(state: CoreState, command: Command): ReturnType<typeof createCallBuffers> {
  const slots = encodeCommands([{ ...command, receivedAtNs: NOW_NS }])
  state.clock[CLOCK.nextRecordedAt] = NOW_NS + 1_000n
  // What stands in the memory from an earlier frame must not show through.
  const out = new Uint8Array(EVENT_ROW_BYTES_MAX).fill(0xa5)
  return createCallBuffers(slots, out, 0, NOW_MS + 60_000)
}

/** The general way, as the core goes it. Returns the row's bytes. */
function decideGenerally(state: CoreState, buffers: ReturnType<typeof createCallBuffers>): number {
  if (!isNewId(state, buffers, 0, hashId(buffers.slots32, SLOT.idHigh * 2))) return 0
  const bounds = {
    partition: 0, accountsMax: 100, holdsMax: 100, partitions: 1, deadlineNs: new BigInt64Array(1), coordination: 'tcc',
  } as const // prettier-ignore
  const decision = new Decision()
  decision.debitHash = hashId(buffers.slots32, SLOT.debitHigh * 2)
  decision.creditHash = hashId(buffers.slots32, SLOT.creditHigh * 2)
  const bytes = decideCommand(state, buffers, bounds, decision)
  applyRow(state, buffers.rows, 0)
  return bytes
}

describe('the quick way for plain transfers', () => {
  it('comes to the same row and the same state as the general way, or does nothing', () => {
    const sections = world()
    const load = (): CoreState => stateFromSections(sections, 0, IDS_PER_GENERATION, 0)
    const before = sectionsOfState(load(), 0)
    let posted = 0
    let left = 0
    fc.assert(
      fc.property(anyCommand, (command) => {
        const general = load()
        const quick = load()
        const generalBuffers = deskFor(general, command)
        const quickBuffers = deskFor(quick, command)
        const { slots32 } = quickBuffers
        const [ID, DEBIT, CREDIT] = [SLOT.idHigh * 2, SLOT.debitHigh * 2, SLOT.creditHigh * 2]
        const idHash = hashId(slots32, ID)
        // The block looks into the older generation, and guesses the accounts.
        fc.pre(!quick.remembered.isOld(idHash, slots32, ID))
        const debit = quick.accounts.find(hashId(slots32, DEBIT), slots32, DEBIT)
        const credit = quick.accounts.find(hashId(slots32, CREDIT), slots32, CREDIT)
        if (!postPlainTransfer(quick, quickBuffers, 0, 0, idHash, debit, credit)) {
          left++
          expect(differingSections(sectionsOfState(quick, 0), before)).toEqual([])
          return
        }
        posted++
        expect(decideGenerally(general, generalBuffers)).toBe(EVENT_ROW_BYTES)
        expect(quickBuffers.out8).toEqual(generalBuffers.out8)
        expect(differingSections(sectionsOfState(quick, 0), sectionsOfState(general, 0))).toEqual([])
      }),
      { numRuns: 3_000 },
    )
    expect(posted).toBeGreaterThan(50)
    expect(left).toBeGreaterThan(50)
  })

  it('takes nothing of a wrong guess at an account', () => {
    const state = stateFromSections(world(), 0, IDS_PER_GENERATION, 0)
    const command: Command = {
      kind: 'Transfer', id: idOf(5_000), debit: accountIdOf(1), credit: accountIdOf(2), amount: 1n,
    } // prettier-ignore
    const buffers = deskFor(state, command)
    const idHash = hashId(buffers.slots32, SLOT.idHigh * 2)
    expect(postPlainTransfer(state, buffers, 0, 0, idHash, 1, 3)).toBe(false)
    expect(postPlainTransfer(state, buffers, 0, 0, idHash, 3, 2)).toBe(false)
    expect(postPlainTransfer(state, buffers, 0, 0, idHash, 1, 2)).toBe(true)
    expect(postPlainTransfer(state, buffers, 0, 0, idHash, 1, 2)).toBe(false)
  })
})
