/** The one ViewStore: @clickhouse/client over HTTP, with a ClickHouse server or the embedded engine behind the address. */
import { ClickHouseLogLevel, createClient, parseError, type ClickHouseClient } from '@clickhouse/client'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { messageOf } from '../../schemas/errors.ts'
import { OutageError, type QueryOptions, type QueryParameters, type ViewStore } from './view-store.ts'

export interface ViewStoreOptions {
  readonly url: string
  readonly username: string
  readonly password: string
  readonly database?: string
  /** The cluster over which the views are laid out, as the servers' configuration names it; undefined: one server. */
  readonly cluster?: string
  /** Longest time over which one call goes on trying to reach the store, in ms. Default 5,000. */
  readonly retryMsMax?: number
}

const READ_SECONDS = 10
const WRITE_MS_MAX = 120_000
const SOCKETS_MAX = 32
const BACK_OFF_MS_MIN = 20
const BACK_OFF_MS_MAX = 500
/** Time beyond a read's own bound after which an unanswered request is given up. */
const GRACE_MS = 5_000

/** Always said, because servers of different versions differ in their defaults. */
const SETTINGS = {
  output_format_json_quote_64bit_integers: 1,
  async_insert: 0,
  insert_deduplicate: 1,
  join_use_nulls: 0,
  wait_end_of_query: 1,
} as const

/**
 * Over a cluster: a write is answered when a majority of its shard's replicas has it, so that a checkpoint never outlives
 * the rows that it speaks for; a read is answered by a replica that has all writes before it, from every shard, or not.
 */
const CLUSTER_SETTINGS = {
  insert_quorum: 'auto',
  // Side by side, two inserts may end on different replicas, and none would have all.
  insert_quorum_parallel: 0,
  insert_quorum_timeout: 60_000,
  select_sequential_consistency: 1,
  distributed_foreground_insert: 1,
  distributed_product_mode: 'global',
  skip_unavailable_shards: 0,
  fallback_to_stale_replicas_for_distributed_queries: 0,
} as const

/** What every statement says, on one server or over a cluster. */
export function viewSettings(cluster: string | undefined): Readonly<Record<string, string | number>> {
  return cluster === undefined ? SETTINGS : { ...SETTINGS, ...CLUSTER_SETTINGS }
}

/** Opens a store. Nothing is sent before the first call. */
export function createViewStore(options: ViewStoreOptions): ViewStore {
  return new ClickHouseStore(options)
}

class ClickHouseStore implements ViewStore {
  readonly #client: ClickHouseClient
  readonly #retryMsMax: number
  readonly #settings: Readonly<Record<string, string | number>>

  constructor({ url, username, password, database, cluster, retryMsMax = 5_000 }: ViewStoreOptions) {
    this.#retryMsMax = retryMsMax
    this.#settings = viewSettings(cluster)
    this.#client = createClient({
      url,
      username,
      password,
      ...(database === undefined ? {} : { database }),
      request_timeout: WRITE_MS_MAX,
      max_open_connections: SOCKETS_MAX,
      log: { level: ClickHouseLogLevel.OFF },
    })
  }

  async query<Row extends object>(
    sql: string,
    parameters: QueryParameters = {},
    options: QueryOptions = {},
  ): Promise<Row[]> {
    const seconds = options.timeoutSeconds ?? READ_SECONDS
    return this.#retrying(options.signal, async () => {
      const late = AbortSignal.timeout(seconds * 1_000 + GRACE_MS)
      const signal = options.signal === undefined ? late : AbortSignal.any([late, options.signal])
      const answer = await this.#ask({
        query: `${sql}\nFORMAT JSONEachRow`,
        query_params: { ...parameters },
        clickhouse_settings: {
          max_execution_time: seconds,
          ...(options.rowsMax === undefined
            ? {}
            : { max_result_rows: String(options.rowsMax), result_overflow_mode: 'throw' }),
        },
        abort_signal: signal,
      })
      return rowsIn<Row>(answer)
    })
  }

  async command(sql: string, parameters: QueryParameters = {}): Promise<void> {
    await this.#retrying(undefined, () => this.#ask({ query: sql, query_params: { ...parameters } }))
  }

  async insertPayload(
    sql: string,
    payloads: readonly Uint8Array[],
    settings: Readonly<Record<string, string | number>> = {},
  ): Promise<void> {
    await this.#retrying(undefined, () =>
      this.#ask({
        query: sql,
        values: Readable.from(payloads, { objectMode: false, highWaterMark: 1 << 20 }),
        clickhouse_settings: settings,
      }),
    )
  }

  async ping(signal?: AbortSignal): Promise<boolean> {
    const given = signal === undefined ? {} : { abort_signal: signal }
    return (await this.#client.ping({ select: false, ...given })).success
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  /**
   * Sends one statement and reads the whole answer. The client itself would hide the status, and with it who has answered.
   * @throws the server's error, with its type; StrangersAnswerError; what the connection says
   */
  async #ask(statement: Statement): Promise<string> {
    const { clickhouse_settings: settings, ...rest } = statement
    const {
      stream,
      http_status_code: status,
      response_headers: headers,
    } = await this.#client.exec({
      ...rest,
      clickhouse_settings: { ...this.#settings, ...settings },
      ignore_error_response: true,
    })
    const answer = await text(stream)
    if (isSuccess(status) && headers[EXCEPTION_HEADER] === undefined) return answer
    throw isOfClickHouse(answer) ? parseError(answer) : new StrangersAnswerError(status, answer)
  }

  async #retrying<T>(signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.#retryMsMax
    for (let attempts = 1; ; attempts++) {
      try {
        return await attempt()
      } catch (error) {
        signal?.throwIfAborted()
        const fault = judge(error)
        if (fault === 'broken') throw error
        const pause = Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** attempts) * (0.5 + Math.random() / 2)
        if (fault === 'too long' || performance.now() + pause > deadline)
          throw new OutageError(`The view store does not answer: ${reasonOf(error)}`, { cause: error })
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }
}

type Statement = Parameters<ClickHouseClient['exec']>[0]

/** Says that a statement failed, where its answer had begun as one that did not. */
const EXCEPTION_HEADER = 'x-clickhouse-exception-code'

function isSuccess(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status < 300
}

function isOfClickHouse(answer: string): boolean {
  return answer.includes('DB::Exception')
}

/** Somebody before ClickHouse turned the request down: a proxy, a load balancer. It says nothing against the statement. */
class StrangersAnswerError extends Error {
  override readonly name = 'StrangersAnswerError'
  constructor(status: number | undefined, answer: string) {
    const said = answer
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim()
    super(`HTTP ${status ?? 'without a status'}, not from ClickHouse itself${said === '' ? '' : `: ${said}`}`)
  }
}

function rowsIn<Row extends object>(answer: string): Row[] {
  const lines = answer.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Row)
}

/** Errors that ClickHouse itself gives and that say nothing against the statement: sent again, it may succeed. */
export const PASSING: ReadonlySet<string> = new Set([
  'ABORTED',
  'ALL_CONNECTION_TRIES_FAILED',
  'ALL_REPLICAS_ARE_STALE',
  // The disk, not the statement: it is full, or its folder is gone.
  'CANNOT_CREATE_DIRECTORY',
  'CANNOT_FSYNC',
  'CANNOT_OPEN_FILE',
  'CANNOT_WRITE_TO_FILE_DESCRIPTOR',
  'FILE_DOESNT_EXIST',
  'KEEPER_EXCEPTION',
  'NETWORK_ERROR',
  'NOT_ENOUGH_SPACE',
  'NO_REPLICA_HAS_PART',
  'NO_ZOOKEEPER',
  'QUERY_WAS_CANCELLED',
  'QUERY_WAS_CANCELLED_BY_CLIENT',
  'REPLICA_IS_NOT_IN_QUORUM',
  'SOCKET_TIMEOUT',
  'SYSTEM_ERROR',
  'TABLE_IS_READ_ONLY',
  'TOO_FEW_LIVE_REPLICAS',
  'TOO_MANY_PARTS',
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'UNKNOWN_STATUS_OF_INSERT',
  'UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE',
])
/** Errors by which a bound of ours or the server's ended the query; at once again it would end the same way. */
const TOO_LONG = new Set(['MEMORY_LIMIT_EXCEEDED', 'TIMEOUT_EXCEEDED'])

/** What the client throws is judged by code and type, never by class: several copies of its error classes exist. */
function judge(error: unknown): 'passing' | 'too long' | 'broken' {
  if (!(error instanceof Error)) return 'broken'
  if (error instanceof StrangersAnswerError) return 'passing'
  const { code, type } = error as { code?: unknown; type?: unknown }
  // The folder of the engine is gone: it ends, and another one says what is missing.
  if (type === 'STD_EXCEPTION' && error.message.includes('filesystem error')) return 'passing'
  if (typeof type === 'string')
    return PASSING.has(type) ? 'passing' : TOO_LONG.has(type) ? 'too long' : 'broken'
  if (error.name === 'TimeoutError' || /^Timeout error|aborted a request/.test(error.message))
    return 'too long'
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) return 'passing'
  return /socket hang up|other side closed|premature close|^aborted$/i.test(error.message)
    ? 'passing'
    : 'broken'
}

function reasonOf(error: unknown): string {
  const text = messageOf(error)
  return text.split('\n', 1)[0]!.slice(0, 300)
}
