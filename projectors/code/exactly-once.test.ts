import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StateValue } from '../code-projection.ts'
import { OutageError } from '../clickhouse/view-store.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { inlineAuthor } from './author/inline-author.ts'
import { CodeTarget } from './code-target.ts'
import { MemoryRows } from './memory-rows.testing.ts'
import { rangeOf, transfer, turnover } from './samples.testing.ts'
import { declaredOf } from './tables.ts'
import { EventRows } from './values/event-row.ts'
import { stateText } from './values/state-text.ts'

const PARTITIONS = [0, 3]
const declared = declaredOf(turnover)

/** What one of the runtimes does next: how much of which partition, and before which step it dies or meets an outage. */
const turn = fc.record({
  runtime: fc.nat(1),
  partition: fc.constantFrom(...PARTITIONS),
  events: fc.integer({ min: 1, max: 9 }),
  ends: fc.constantFrom('whole', 'whole', 'rows', 'states', 'stored', 'checkpoint'),
  isOutage: fc.boolean(),
})
const accounts = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 30 }) // prettier-ignore
const statesMax = fc.constantFrom(0, 1, 3, 1_000)

/** A runtime: a target with a process of its own, and where it is by its own checkpoints. */
class Runtime {
  readonly #rows: MemoryRows
  readonly #statesMax: number
  readonly #checkpoints: Map<number, number>
  #target: CodeTarget
  #at: Map<number, number>

  constructor(rows: MemoryRows, statesMax: number, checkpoints: Map<number, number>) {
    this.#rows = rows
    this.#statesMax = statesMax
    this.#checkpoints = checkpoints
    this.#target = this.#started()
    this.#at = new Map(checkpoints)
  }

  #started(): CodeTarget {
    const limits = { statesMax: this.#statesMax, stateBytesMax: 1e9 }
    return new CodeTarget({ projection: declared, rows: this.#rows, author: inlineAuthor(turnover, limits) })
  }

  async take(
    events: readonly WalletEvent[],
    { partition, events: count, ends, isOutage }: { partition: number; events: number; ends: string; isOutage: boolean },
  ): Promise<void> {
    const at = this.#at.get(partition) ?? 0
    const cut = events.slice(at, at + count)
    if (cut.length === 0) return
    this.#rows.before = (step) => {
      if (step === ends) throw isOutage ? new OutageError('out') : new Error('the end')
    }
    try {
      await this.#target.write(rangeOf(cut))
      if (ends === 'checkpoint') throw new Error('the end')
      this.#at.set(partition, at + cut.length)
      if (at + cut.length > (this.#checkpoints.get(partition) ?? 0)) this.#checkpoints.set(partition, at + cut.length)
    } catch (error) {
      if (error instanceof OutageError) return
      if (!(error instanceof Error) || error.message !== 'the end') throw error
      this.#target = this.#started()
      this.#at = new Map(this.#checkpoints)
    } finally {
      this.#rows.before = () => undefined
    }
  } // prettier-ignore
}

/** Rows and states by the definition: every event once, in order. */
function naive(events: readonly WalletEvent[]): { rows: Record<string, string>; states: Record<string, string> } {
  const states = new Map<string, StateValue>()
  const rows: Record<string, string> = {}
  for (const { partition, sequence, ...range } of events.map((event) => ({ ...event, ...rangeOf([event]) }))) {
    const [event] = new EventRows(range.payloads[0]!).behind(0n)
    const after = new Map<string, StateValue>()
    for (const key of turnover.keysOf!(event!)) {
      const id = `${partition}:${key}`
      const state = turnover.fold!(states.get(id) ?? turnover.initial!(key), event!, key)
      states.set(id, state)
      after.set(key, state)
    }
    for (const row of turnover.project(event!, after)['turnover'] ?? [])
      rows[`turnover|${partition}|${sequence}|${String(row['account'])}`] = Object.values(row).join('|')
  }
  return { rows, states: Object.fromEntries([...states].map(([id, state]) => [id, stateText(state)])) }
} // prettier-ignore

describe('a code projection', () => {
  test('rows and states are those of one fold, whatever crashed, was cut otherwise, came again or ran twice', async () => {
    await fc.assert(
      fc.asyncProperty(accounts, accounts, fc.array(turn, { maxLength: 40 }), statesMax, async (one, other, turns, most) => {
        const events = new Map(
          [one, other].map((pairs, index) => [
            PARTITIONS[index]!,
            pairs.map(([debit, credit], at) => transfer(PARTITIONS[index]!, at + 1, debit, credit)),
          ]),
        )
        const rows = new MemoryRows(declared)
        const checkpoints = new Map<number, number>()
        const runtimes = [new Runtime(rows, most, checkpoints), new Runtime(rows, most, checkpoints)]
        for (const one of turns) await runtimes[one.runtime]!.take(events.get(one.partition)!, one)
        // The newer of the two goes on to the end.
        const last = new Runtime(rows, most, checkpoints)
        for (const partition of PARTITIONS)
          for (let index = 0; index < 10; index++)
            await last.take(events.get(partition)!, { partition, events: 7, ends: 'whole', isOutage: false })

        const expected = naive([...events.values()].flat())
        expect(Object.fromEntries(rows.rows)).toEqual(expected.rows)
        expect(rows.allStates()).toEqual(expected.states)
      }),
      { numRuns: 300 },
    )
  }) // prettier-ignore

  test('states that are lost are found before anything is folded upon them', async () => {
    const events = Array.from({ length: 6 }, (_, index) => transfer(0, index + 1, 1, 2))
    const target = new CodeTarget({ projection: declared, rows: new MemoryRows(declared), author: inlineAuthor(turnover, { statesMax: 9, stateBytesMax: 9 }) }) // prettier-ignore
    await expect(target.write(rangeOf(events.slice(3)))).rejects.toThrow(
      'the states of turnover end at 0:0, the range begins at 4',
    )
  })

  test('nothing is asked for while everything that has been stored is in memory', async () => {
    const rows = new MemoryRows(declared)
    const asked: (readonly string[])[] = []
    const states = rows.states.bind(rows)
    rows.states = (partition, keys) => {
      asked.push(keys)
      return states(partition, keys)
    }
    const target = new CodeTarget({ projection: declared, rows, author: inlineAuthor(turnover, { statesMax: 99, stateBytesMax: 9_999 }) }) // prettier-ignore
    for (let sequence = 1; sequence < 9; sequence++)
      await target.write(rangeOf([transfer(0, sequence, sequence, sequence + 1)]))
    expect(asked).toEqual([])
  })
})
