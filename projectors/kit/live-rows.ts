/** Rows of a view as they come, for subscriptions: each is handed on once the view holds it, and none twice. */
import { END, pullStream } from '../../gateway/live/streams.ts'
import type { RequestContext } from '../../gateway/services.ts'
import type { Position } from '../../schemas/positions.ts'
import { whole } from '../sql.ts'

/** A row, as ClickHouse answers it: 64-bit numbers are texts. */
export interface PlacedRow {
  readonly partition: number
  readonly sequence: string
}

/** Rows that are read at once, at most. */
const ROWS_MAX = 1_000
/** How long a view that has moved may not be noticed, in ms: what nobody tells of is looked at. */
const LOOK_MS = 250

/**
 * The rows behind a position, and then each that comes.
 * @param view the projection's name
 * @param read the rows behind `after`, up to `upTo` (`between`), in the order of partition and sequence, `rowsMax` of them at most;
 *   no event has so many
 * @param after what the subscriber has seen; by default what the view holds now
 */
export function liveRows<Row extends PlacedRow>(
  { services }: RequestContext,
  view: string,
  read: (after: Position, upTo: Position, rowsMax: number) => Promise<readonly Row[]>,
  after?: Position | null,
): AsyncGenerator<Row, undefined, undefined> {
  const { projections } = services
  let seen = after ?? projections.positionOf(view)
  let rows: Row[] = []
  let isOver = false
  let wake = (): void => undefined
  const stopListening = projections.onAdvance(() => wake())
  const moved = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_MS)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  const pull = async (): Promise<Row | typeof END> => {
    while (!isOver) {
      const next = rows.shift()
      if (next !== undefined) return next
      const now = projections.positionOf(view)
      if ([...now].some(([partition, sequence]) => sequence > (seen.get(partition) ?? 0n))) {
        const page = wholeEvents(await read(seen, now, ROWS_MAX), now)
        rows = [...page.rows]
        seen = page.upTo.size === 0 ? now : new Map([...seen, ...page.upTo])
      } else await moved()
    }
    return END
  }
  return pullStream(pull, () => {
    isOver = true
    stopListening()
    wake()
  })
}

/** What of a page can be handed on: of a full one, not the last event, of which some rows may be missing. */
function wholeEvents<Row extends PlacedRow>(
  rows: readonly Row[],
  now: Position,
): { readonly rows: readonly Row[]; /** Up to where; empty: to the end. */ readonly upTo: Position } {
  const last = rows.at(-1)
  if (last === undefined || rows.length < ROWS_MAX) return { rows, upTo: new Map() }
  const { partition, sequence } = last
  const before = [...now].filter(([other]) => other < partition)
  return {
    rows: rows.filter((row) => row.partition !== partition || row.sequence !== sequence),
    upTo: new Map([...before, [partition, BigInt(sequence) - 1n]]),
  }
}

/** The condition that keeps a query to events behind `after`, up to `upTo`. */
export function between(after: Position, upTo: Position): string {
  const parts = [...upTo].map(
    ([partition, sequence]) =>
      `(partition = ${whole(partition)} AND sequence > ${whole(after.get(partition) ?? 0n)} AND sequence <= ${whole(sequence)})`,
  )
  return parts.length === 0 ? '0' : `(${parts.join(' OR ')})`
}
