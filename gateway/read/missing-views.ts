/**
 * The view store as the doors read it. Views may be emptied while all runs: their tables are gone for a moment, and whoever
 * reads just then has asked nothing wrong and found no fault of ours. He is told that there are no views now, and to come back.
 */
import { OutageError, type ViewStore } from '../../projectors/clickhouse/view-store.ts'

/** ClickHouse's codes of an unknown table and an unknown database. */
const MISSING: ReadonlySet<unknown> = new Set(['60', '81'])

/** The same store; a query of a table that is not there is an outage. */
export function readingMissing(store: ViewStore): ViewStore {
  return {
    query: async <Row extends object>(...question: Parameters<ViewStore['query']>) => {
      try {
        return await store.query<Row>(...question)
      } catch (error) {
        if (!isMissing(error)) throw error
        throw new OutageError('A table of the views is not there.', { cause: error })
      }
    },
    command: (...command) => store.command(...command),
    insertPayload: (...insert) => store.insertPayload(...insert),
    ping: (signal) => store.ping(signal),
    close: () => store.close(),
  }
}

/** By the code: the type is taken for another word in capitals where the server's sentence shows the query, `Array(UUID)`. */
function isMissing(error: unknown): boolean {
  return error instanceof Error && MISSING.has((error as { readonly code?: unknown }).code)
}
