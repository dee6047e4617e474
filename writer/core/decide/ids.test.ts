import { describe, expect, it } from 'vitest'
import type { Command } from '../../../schemas/commands.ts'
import { ID_AHEAD_MS_MAX } from '../../../schemas/limits.ts'
import { createCore, loadCore } from '../core.ts'
import { Harness, NOW_MS, accountIdOf, differingSections, idOf } from '../harness.testing.ts'
import { RememberedIds } from '../state/remembered-ids.ts'
import { hashId } from '../state/hash-id.ts'

const IDS_PER_GENERATION = 8
const CASH = accountIdOf(1)
const ALICE = accountIdOf(2)

function opened(options = { partition: 0, idsPerGeneration: IDS_PER_GENERATION }): Harness {
  const harness = new Harness(options)
  harness.submit(
    [CASH, ALICE].map((debit, index) => ({
      kind: 'OpenAccount', id: idOf(index + 1, NOW_MS - 9), debit, system: true, currency: 'CZK', scale: 2,
    })),
  ) // prettier-ignore
  return harness
}

const transfer = (number: number, timeMs = NOW_MS): Command => ({
  kind: 'Transfer',
  id: idOf(number, timeMs),
  debit: CASH,
  credit: ALICE,
  amount: 1n,
})
const reversal = (number: number, of: Command, checkedSequence: bigint): Command => ({
  kind: 'ReverseTransfer',
  id: idOf(number, NOW_MS + number),
  related: of.id,
  debit: ALICE,
  credit: CASH,
  amount: 1n,
  checkedSequence,
})
/** What became of one command: its event or refusal, undefined for none. */
const fateOf = (harness: Harness, command: Command): string | undefined => {
  const [event] = harness.submit([command])
  return event?.refusal ?? event?.kind
}

const claim = (number: number, partition: number): Command => ({
  kind: 'ClaimId',
  id: idOf(number),
  code: partition,
  receivedAtNs: 7n,
})

describe('a claim', () => {
  it('makes one event that moves nothing and says the partition; the same claim again makes none', () => {
    const harness = opened()
    const balances = [1, 2].map((number) => harness.core.account(number))
    const [event, ...more] = harness.submit([claim(50, 3)])
    expect(more).toEqual([])
    expect(event).toMatchObject({
      kind: 'IdClaimed', command: 'ClaimId', refusal: undefined, transferId: idOf(50), code: 3, amount: 0n, currency: '', receivedAtNs: 7n,
      debit: { number: 0 }, credit: { number: 0 }, sequence: 3n,
    }) // prettier-ignore
    expect(fateOf(harness, claim(50, 3))).toBe(undefined)
    expect([1, 2].map((number) => harness.core.account(number))).toEqual(balances)
  })

  it('and a command of the same id exclude each other, whichever comes first, and so do claims for two partitions', () => {
    const harness = opened()
    expect(fateOf(harness, claim(50, 3))).toBe('IdClaimed')
    expect(fateOf(harness, claim(50, 4))).toBe(undefined)
    expect(fateOf(harness, transfer(50))).toBe(undefined)
    expect(fateOf(harness, transfer(51))).toBe('TransferPosted')
    expect(fateOf(harness, claim(51, 3))).toBe(undefined)
  })

  it('has another fingerprint for another partition, and the same for another time of receipt', () => {
    const harness = opened()
    const [three] = harness.submit([claim(50, 3)])
    const [four] = harness.submit([claim(51, 4)])
    const [again] = harness.submit([{ ...claim(52, 3), receivedAtNs: 8n }])
    expect(again!.fingerprint).toBe(three!.fingerprint)
    expect(four!.fingerprint).not.toBe(three!.fingerprint)
  })

  it('is remembered by a replay and by a snapshot as it is by the core', () => {
    const harness = opened()
    harness.submit([claim(50, 3)])
    const replayed = createCore({ partition: 0, idsPerGeneration: IDS_PER_GENERATION })
    for (const payload of harness.payloads) replayed.apply(payload)
    expect(differingSections(replayed.save(), harness.core.save())).toEqual([])
    const loaded = loadCore({ partition: 0, idsPerGeneration: IDS_PER_GENERATION }, harness.core.save())
    expect(fateOf(new Harness({}, undefined, loaded), transfer(50))).toBe(undefined)
  })
})

describe('an id', () => {
  it('at or below the horizon that the core says never takes effect, and one above it does; the horizon never falls', () => {
    const harness = opened()
    expect(harness.core.idHorizonMs()).toBe(-1)
    let before = -1
    for (let number = 0; number < 10 * IDS_PER_GENERATION; number++) {
      expect(fateOf(harness, transfer(1_000 + number, NOW_MS + number * 3))).toBe('TransferPosted')
      const horizonMs = harness.core.idHorizonMs()
      expect(horizonMs).toBeGreaterThanOrEqual(before)
      before = horizonMs
      if (horizonMs < 0) continue
      expect(fateOf(harness, transfer(5_000 + number, horizonMs))).toBe(undefined)
      expect(fateOf(harness, transfer(6_000 + number, horizonMs - 1))).toBe(undefined)
    }
    expect(before).toBeGreaterThan(NOW_MS)
    const horizonMs = harness.core.idHorizonMs()
    expect(fateOf(harness, transfer(9_000, horizonMs + 1))).toBe('TransferPosted')
  })

  it('that is forgotten never takes effect again, and neither does any as old', () => {
    const harness = opened()
    const first = transfer(100, NOW_MS)
    expect(fateOf(harness, first)).toBe('TransferPosted')
    // Two generations push the first one out: with it go its ids, the latest of them the fifth of these.
    for (let number = 200; number < 200 + 2 * IDS_PER_GENERATION; number++) {
      expect(fateOf(harness, first)).toBe(undefined)
      expect(fateOf(harness, transfer(number, NOW_MS + number - 199))).toBe('TransferPosted')
    }
    expect(fateOf(harness, first)).toBe(undefined)
    expect(fateOf(harness, transfer(300, NOW_MS + 5))).toBe(undefined)
    expect(fateOf(harness, transfer(301, NOW_MS + 6))).toBe('TransferPosted')
    expect(harness.core.account(2)?.creditsPosted).toBe(2n + 2n * BigInt(IDS_PER_GENERATION))
  })

  it('from too far in the future, or of another version, makes no event', () => {
    const harness = opened()
    const before = harness.core.save()
    expect(fateOf(harness, transfer(1, NOW_MS + ID_AHEAD_MS_MAX + 1))).toBe(undefined)
    const { id } = transfer(2)
    for (const other of [
      { high: id.high ^ 0x1000n, low: id.low },
      { high: id.high, low: id.low ^ (1n << 63n) },
      { high: 0n, low: 0n },
    ])
      expect(fateOf(harness, { ...transfer(2), id: other })).toBe(undefined)
    expect(differingSections(harness.core.save(), before)).toEqual([])
    expect(fateOf(harness, transfer(3, NOW_MS + ID_AHEAD_MS_MAX))).toBe('TransferPosted')
  })
})

describe('a reversal', () => {
  it('is refused as unchecked once the memory may have lost an earlier one, unless a view was asked since', () => {
    const harness = opened()
    const first = transfer(100)
    harness.submit([first])
    // Entries 4 and 5 of the first generation: the id, and what was reversed. Refusals take one each.
    expect(fateOf(harness, reversal(101, first, 0n))).toBe('TransferReversed')
    for (let number = 102; number < 114; number++)
      expect(fateOf(harness, reversal(number, first, 0n))).toBe('already_reversed')
    // The 17th entry dropped the first eight. The oldest left is that of event 8.
    expect(fateOf(harness, reversal(114, first, 6n))).toBe('reversal_unchecked')
    expect(fateOf(harness, reversal(115, first, 7n))).toBe('TransferReversed')
    expect(fateOf(harness, reversal(116, first, 1_000n))).toBe('already_reversed')
    expect(fateOf(harness, { ...reversal(117, first, 1_000n), related: ALICE })).toBe('reversal_unchecked')
  })
})

describe('the remembered ids', () => {
  it('are the same after a snapshot as without one, through generations', () => {
    const options = { partition: 0, idsPerGeneration: IDS_PER_GENERATION }
    const live = opened()
    for (let number = 0; number < 5 * IDS_PER_GENERATION; number++) {
      const loaded = new Harness(options, 4_096, loadCore(options, live.core.save()))
      expect(differingSections(loaded.core.save(), live.core.save())).toEqual([])
      const commands = [
        transfer(100 + number, NOW_MS + number),
        reversal(5_000 + number, transfer(7), 1_000n),
      ]
      const events = live.submit(commands)
      expect(loaded.submit(commands)).toEqual(events)
      expect(differingSections(loaded.core.save(), live.core.save())).toEqual([])
    }
    const replayed = createCore(options)
    for (const payload of live.payloads) replayed.apply(payload)
    expect(differingSections(replayed.save(), live.core.save())).toEqual([])
  })

  it('hold exactly the last generations of many, however sets are reused and cleared', () => {
    const perGeneration = 1_000
    const remembered = new RememberedIds(perGeneration)
    const words = new BigInt64Array(2)
    const words32 = new Int32Array(words.buffer)
    const put = (number: number): number => {
      const { high, low } = idOf(number, NOW_MS + number)
      words[0] = high
      words[1] = BigInt.asIntN(64, low)
      return hashId(words32, 0)
    }
    for (let number = 0; number < 7_500; number++) {
      remembered.remember(put(number), words32, 0, number + 1)
      if (number % 250 !== 0) continue
      const oldest = Math.max(0, (Math.floor(number / perGeneration) - 1) * perGeneration)
      for (let earlier = 0; earlier <= number; earlier += 50)
        expect(remembered.has(put(earlier), words32, 0)).toBe(earlier >= oldest)
      expect(remembered.horizonMs).toBe(oldest === 0 ? -1 : NOW_MS + oldest - 1)
      expect(remembered.oldestBeganSequence()).toBe(oldest)
    }
  })
})
