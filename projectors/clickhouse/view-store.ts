/** The views' store: ClickHouse over HTTP, whether a server or the embedded engine stands behind the address. */

/** Values that a query may bind by name (`{name:Type}` in its text). Never spliced by callers. */
export type QueryParameters = Readonly<
  Record<string, string | number | boolean | readonly (string | number)[] | null>
>

export interface QueryOptions {
  /** Seconds after which the server gives up; default 10. */
  readonly timeoutSeconds?: number
  readonly rowsMax?: number
  readonly signal?: AbortSignal
}

export interface ViewStore {
  /** Runs one SELECT; rows as objects, 64-bit integers and amounts as strings. Bounded retry of outages, then OutageError. */
  query<Row extends object>(sql: string, parameters?: QueryParameters, options?: QueryOptions): Promise<Row[]>
  /** Runs one DDL or other statement without a result. */
  command(sql: string, parameters?: QueryParameters): Promise<void>
  /**
   * Inserts event rows, byte for byte: `sql` ends in `FORMAT RowBinary`. Resolves when ClickHouse has them.
   * The same payloads may be sent again, any number of times.
   */
  insertPayload(
    sql: string,
    payloads: readonly Uint8Array[],
    settings?: Readonly<Record<string, string | number>>,
  ): Promise<void>
  /** Whether anybody answers at the address. @param signal gives the question up: it resolves to false */
  ping(signal?: AbortSignal): Promise<boolean>
  close(): Promise<void>
}

/** The store could not be reached or did not answer within its bounds; what was asked may be asked again. */
export class OutageError extends Error {
  override readonly name = 'OutageError'
  readonly code = 'VIEWS_UNAVAILABLE'
}
