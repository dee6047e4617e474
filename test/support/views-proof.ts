/** For tests that run test/support/killable-views.ts: what its views have to hold. */
import { expect } from 'vitest'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import type { ProjectionEvent } from '../../projectors/code-projection.ts'
import { proveByReplay } from '../../projectors/proof/prove.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { AMOUNTS, type GrowingLog } from './growing-log.ts'
import tally from './tally-view.ts'

/** Rows of SQL views are those of a replay, rows of code those of one fold, up to a sequence that they hold. */
export async function expectReplayed(
  store: ViewStore,
  { log, events }: GrowingLog,
  upTo: bigint,
): Promise<void> {
  const projections = [...BUILT_IN_PROJECTIONS, AMOUNTS]
  const { differences, equal } = await proveByReplay({ store, log, upTo, projections })
  expect([equal, differences]).toEqual([true, []])
  const rows = await store.query<{ row: string }>(
    `SELECT DISTINCT concat(toString(sequence), ' ', toString(account), ' ', toString(times), ' ', toString(total), ' ', last) AS row
     FROM tally_v1 WHERE sequence <= {upTo:UInt64}`,
    { upTo: String(upTo) },
  )
  // Distinct rows, not the newest of each key: rows that came twice have to be alike.
  expect(rows.map(({ row }) => row).sort()).toEqual(foldedRows(events, upTo))
}

/** What the code projection makes of all events, folded once in their order. */
function foldedRows(events: GrowingLog['events'], upTo: bigint): readonly string[] {
  type State = ReturnType<NonNullable<typeof tally.initial>>
  const states = new Map<string, State>()
  const rows: string[] = []
  // It looks at nothing in which events differ from what authors are given of them.
  for (const event of events.slice(0, Number(upTo)) as readonly unknown[] as readonly ProjectionEvent[]) {
    const own = new Map<string, State>()
    for (const key of tally.keysOf!(event)) {
      own.set(key, tally.fold!(states.get(key) ?? tally.initial!(key), event, key))
      states.set(key, own.get(key)!)
    }
    for (const { account, times, total, last } of tally.project(event, own)['tally'] ?? [])
      rows.push(`${event.sequence} ${account} ${times} ${total} ${last}`)
  }
  return rows.sort()
}
