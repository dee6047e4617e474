/**
 * The view store as the doors read it. Views may be emptied while everything runs; their tables are then missing for a
 * moment. A read in that moment is no mistake of the client and no bug of ours. It is answered as an outage: the client
 * is told that there are no views now, and to come back.
 */
import { OutageError, type ViewStore } from '../../projectors/clickhouse/view-store.ts'

/** ClickHouse's codes of an unknown table and an unknown database. */
const MISSING: ReadonlySet<unknown> = new Set(['60', '81'])

/** The same store, except that a query of a missing table throws an OutageError. */
export function missingTablesAsOutage(store: ViewStore): ViewStore {
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

/**
 * Judged by the code. The error's type is not reliable: the client parses it from the server's message, and may take
 * another word in capitals for it if the message quotes the query (`Array(UUID)`).
 */
function isMissing(error: unknown): boolean {
  return error instanceof Error && MISSING.has((error as { readonly code?: unknown }).code)
}
