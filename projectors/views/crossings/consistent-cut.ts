/**
 * Consistent cuts: positions at which no partition has a credit whose debit another one lacks.
 *
 * The views hold each partition up to a sequence of its own, so a credit may be in them before the event of the source that
 * it answers. The cut is then taken before that credit. What comes before it in that partition may in turn be what another
 * partition's credit answers, so it is asked again until nothing changes; every round takes events away, and most cuts are
 * consistent at once.
 */
import type { Position } from '../../../schemas/positions.ts'
import type { ViewStore } from '../../clickhouse/view-store.ts'
import { whole, within } from '../../sql.ts'

interface StoredFirst {
  readonly partition: number
  readonly first: string
}

/** The largest consistent cut that lies within `upTo`. */
export async function consistentCut(store: ViewStore, upTo: Position): Promise<Position> {
  if (upTo.size < 2) return upTo
  const cut = new Map(upTo)
  for (;;) {
    const early = await firstCreditsWithoutDebit(store, cut)
    if (early.length === 0) return cut
    for (const { partition, first } of early) cut.set(partition, BigInt(first) - 1n)
  }
}

/** Of each partition the first credit within the cut that answers an event beyond it. */
async function firstCreditsWithoutDebit(store: ViewStore, cut: Position): Promise<readonly StoredFirst[]> {
  const isBeyond = [...cut].map(
    ([source, sequence]) => `(source = ${whole(source)} AND answers > ${whole(sequence)})`,
  )
  return store.query<StoredFirst>(
    `SELECT partition, min(sequence) AS first FROM {credits_across:Identifier}
     WHERE ${within(cut)} AND (${isBeyond.join(' OR ')}) GROUP BY partition`,
  )
}
