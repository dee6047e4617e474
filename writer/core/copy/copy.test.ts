import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Command } from '../../../schemas/commands.ts'
import { createCore, loadCore, type CoreOptions, type CoreSection, type StateCopy } from '../core.ts'
import { Harness, NOW_MS, accountIdOf, differingSections, idOf } from '../harness.testing.ts'
import { rounds } from '../../../test/support/rounds.ts'

const ACCOUNTS = 12

/** A command in few numbers: what it is, and which accounts or earlier commands it is about. */
const drawn = fc.record({
  what: fc.constantFrom(
    ...([
      'move',
      'move',
      'move',
      'hold',
      'hold',
      'post',
      'post',
      'void',
      'open',
      'status',
      'change',
      'reverse',
    ] as const),
  ),
  debit: fc.integer({ min: 1, max: ACCOUNTS }),
  credit: fc.integer({ min: 1, max: ACCOUNTS }),
  back: fc.nat(12),
  linked: fc.constantFrom(false, false, false, true),
  isRefused: fc.constantFrom(false, false, false, false, true),
})
type Drawn = typeof drawn extends fc.Arbitrary<infer Value> ? Value : never

const batch = fc.array(drawn, { minLength: 1, maxLength: 12 })
/** Between two batches: slices made of the copy, each with this much room at this place. */
const slices = fc.array(
  fc.record({ room: fc.integer({ min: 64, max: 700 }), at: fc.nat(7).map((words) => words * 8) }),
  { maxLength: 3 },
)

/** A core and the commands that it is given, each with an id of its own. */
class History {
  readonly harness: Harness
  readonly seen = new Map<string, number>()
  private accounts = 0
  private ids = 0
  private readonly holds: number[] = []
  private readonly moves: number[] = []

  constructor(options: Partial<CoreOptions>) {
    this.harness = new Harness(options)
    this.submit(
      Array.from({ length: ACCOUNTS }, () => ({
        what: 'open', debit: 1, credit: 1, back: 0, linked: false, isRefused: false,
      })), // prettier-ignore
    )
  }

  submit(batch: readonly Drawn[]): void {
    this.harness.nowNs += 1_000_000n
    for (const { kind, refusal } of this.harness.submit(batch.map((one) => this.commandOf(one))))
      this.seen.set(refusal ?? kind, (this.seen.get(refusal ?? kind) ?? 0) + 1)
  }

  private commandOf({ what, debit, credit, back, linked, isRefused }: Drawn): Command {
    const number = ++this.ids
    const id = idOf(number, NOW_MS + number)
    const earlier = (numbers: number[]): number => numbers[numbers.length - 1 - (back % numbers.length)] ?? 1
    const related = idOf(earlier(this.holds), NOW_MS + earlier(this.holds))
    // More than any account has.
    const amount = isRefused ? 1n << 60n : BigInt(back + 1)
    const sides = { debit: accountIdOf(debit), credit: accountIdOf(credit) }
    switch (what) {
      case 'open':
        return {
          kind: 'OpenAccount', id, debit: accountIdOf(++this.accounts), amount: 1_000_000n, scale: 2,
          currency: this.accounts <= ACCOUNTS ? 'EUR' : `C${this.accounts}`,
        } // prettier-ignore
      case 'status':
        return { kind: back % 3 === 0 ? 'FreezeAccount' : 'UnfreezeAccount', id, debit: sides.debit }
      case 'change':
        return { kind: 'ChangeAccount', id, debit: sides.debit, amount: 2_000_000n + BigInt(back) }
      case 'move':
        this.moves.push(number)
        return { kind: 'Transfer', id, ...sides, amount, linked }
      case 'hold':
        this.holds.push(number)
        return { kind: 'PlaceHold', id, ...sides, amount, linked, timeoutNs: BigInt(back) * 900_000n }
      case 'post':
      case 'void':
        if (what === 'post' && back % 2 === 0)
          return { kind: 'PostHold', id, related, linked, amount: 1n, keepOpen: true }
        return { kind: what === 'post' ? 'PostHold' : 'VoidHold', id, related, linked }
      case 'reverse': {
        const reversed = earlier(this.moves)
        return {
          kind: 'ReverseTransfer', id, ...sides, amount, linked,
          related: idOf(reversed, NOW_MS + reversed), checkedSequence: 1n << 40n,
        } // prettier-ignore
      }
    }
  }
}

/** What a copy gives, collected. */
class Collector {
  readonly sections: CoreSection[]
  private readonly copy: StateCopy
  private section = 0
  private at = 0

  constructor(copy: StateCopy) {
    this.copy = copy
    this.sections = copy.sections.map(({ name, length }) => ({ name, bytes: new Uint8Array(length) }))
  }

  slice(room: number, at: number): void {
    const memory = new Uint8Array(at + room).fill(0xee)
    const bytes = this.copy.step(memory.subarray(at))
    expect(memory.subarray(at + bytes).every((byte) => byte === 0xee)).toBe(true)
    if (bytes === 0) return
    while (this.at === this.sections[this.section]!.bytes.length) {
      this.section += 1
      this.at = 0
    }
    this.sections[this.section]!.bytes.set(memory.subarray(at, at + bytes), this.at)
    this.at += bytes
  }
}

describe('a copy made in slices', () => {
  it('gives the bytes of the state at its beginning, whatever happens between its slices', () => {
    const during = new Map<string, number>()
    let kept = 0
    fc.assert(
      fc.property(
        fc.array(batch, { maxLength: 8 }),
        fc.array(fc.tuple(batch, slices), { minLength: 30, maxLength: 60 }),
        fc.constantFrom(16, 64, 300),
        (before, meanwhile, idsPerGeneration) => {
          const history = new History({ idsPerGeneration })
          const { core } = history.harness
          before.forEach((commands) => history.submit(commands))
          history.seen.clear()
          const expected = core.save()
          const copy = core.beginCopy()
          const collector = new Collector(copy)
          for (const [commands, made] of meanwhile) {
            if (copy.isDone()) break
            history.submit(commands)
            for (const { room, at } of made) collector.slice(room, at)
            // A copy at once, beside the one in slices, disturbs neither.
            if (made.length === 3) loadCore({ partition: 0, idsPerGeneration }, core.save())
          }
          while (!copy.isDone()) collector.slice(256, 0)
          copy.end()
          expect(differingSections(expected, collector.sections)).toEqual([])
          for (const [what, count] of history.seen) during.set(what, (during.get(what) ?? 0) + count)
          if (history.seen.size > 0) kept += differingSections(expected, core.save()).length
          // The core itself goes on as if nothing had been copied, and may be copied again.
          history.submit(before.flat().slice(0, 40))
          const replayed = createCore({ partition: 0, idsPerGeneration })
          for (const payload of history.harness.payloads) replayed.apply(payload)
          expect(differingSections(replayed.save(), core.save())).toEqual([])
          core.beginCopy().end()
        },
      ),
      { numRuns: rounds(150, 400), seed: 4 },
    )
    expect(kept).toBeGreaterThan(1_000)
    // The property says little unless such things do happen while a copy is made.
    for (const what of [
      'AccountOpened',
      'AccountFrozen',
      'AccountUnfrozen',
      'AccountChanged',
      'TransferPosted',
      'TransferReversed',
      'HoldPlaced',
      'HoldPosted',
      'HoldPostedInPart',
      'HoldVoided',
      'HoldExpired',
      'linked_failed',
      'insufficient_funds',
    ])
      // prettier-ignore
      expect(during.get(what) ?? 0, what).toBeGreaterThan(100)
  })

  it('is exact while the first generation of ids grows and generations are dropped', () => {
    const history = new History({ idsPerGeneration: 5_000 })
    const { core } = history.harness
    const moves = (count: number): Drawn[] =>
      Array.from({ length: count }, (_, index) => ({
        what: 'move', debit: 1 + (index % 11), credit: 12, back: index % 7, linked: false, isRefused: false,
      })) // prettier-ignore
    for (const meanwhile of [100, 3_000, 5_000, 11_000, 17_000]) {
      history.submit(moves(1_500))
      const expected = core.save()
      const copy = core.beginCopy()
      const collector = new Collector(copy)
      for (let slice = 0; slice < 4; slice++) collector.slice(4_096, 0)
      for (let left = meanwhile; left > 0; left -= 500) {
        history.submit(moves(500))
        collector.slice(2_048, 0)
      }
      while (!copy.isDone()) collector.slice(65_536, 0)
      copy.end()
      expect(differingSections(expected, collector.sections), `${meanwhile} ids meanwhile`).toEqual([])
    }
  })

  it('does work in proportion to the room it is given, although a hundred thousand holds are open', () => {
    const core = createCore({ partition: 0, idsPerGeneration: 200_000 })
    const harness = new Harness({}, undefined, core)
    const holds = 100_000
    const open = (number: number): Command => ({
      kind: 'OpenAccount', id: idOf(number), debit: accountIdOf(number), system: true, currency: 'EUR', scale: 2,
    }) // prettier-ignore
    harness.submit([open(1), open(2)])
    for (let from = 0; from < holds; from += 5_000)
      harness.submit(
        Array.from({ length: 5_000 }, (_, index) => ({
          kind: 'PlaceHold', id: idOf(10 + from + index), debit: accountIdOf(1), credit: accountIdOf(2), amount: 1n,
        })), // prettier-ignore
      )
    const copy = core.beginCopy()
    const collector = new Collector(copy)
    const bytes = copy.sections.reduce((sum, { length }) => sum + length, 0)
    let steps = 0
    for (; !copy.isDone(); steps++) collector.slice(65_536, 0)
    copy.end()
    // 131,072 slots at 1,024 a step, 17 passes over the holds at 2,048 moves a step, and the bytes themselves.
    expect(steps).toBeGreaterThan(128 + (17 * holds) / 2_048 + bytes / 65_536)
    expect(steps).toBeLessThan(1.2 * (128 + (17 * holds) / 2_048 + bytes / 65_536))
    expect(differingSections(core.save(), collector.sections)).toEqual([])
  })

  it('is one at a time', () => {
    const core = createCore({ partition: 0 })
    const copy = core.beginCopy()
    expect(() => core.beginCopy()).toThrow('under way')
    copy.end()
    expect(core.beginCopy().isDone()).toBe(false)
  })
})
