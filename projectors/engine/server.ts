import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { readForm, readText } from './body.ts'
import { errorBody, fromEngine, queryError, statusOf, type QueryError } from './errors.ts'
import type { Executor, QueryOutcome } from './executor.ts'
import { REQUEST_ARRIVAL_MS_MAX, REQUEST_HEAD_BYTES_MAX, REQUESTS_MAX, SOCKETS_MAX } from './limits.ts'
import { sortOptions } from './statement/settings.ts'
import type { Spool } from './spool.ts'

/** Time in which the rest of a refused body is read and dropped, in ms. */
const DROP_BODY_MS_MAX = 5_000

/** Time for which an answer may lie without a byte of it being taken, in ms. */
const UNREAD_MS_MAX = 60_000

/** Who may ask: made at start, known to the parent process alone. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** A server that has not been told to listen, and the number of requests it is working on. */
export interface EngineServer {
  readonly http: Server
  readonly busy: () => number
}

/**
 * The part of ClickHouse's HTTP interface that its client for Node uses: `/ping`, and queries at `/` with
 * their text in the body or the URL. Format: https://clickhouse.com/docs/interfaces/http
 */
export function createEngineServer(executor: Executor, spool: Spool, credentials: Credentials): EngineServer {
  let busy = 0
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://engine')
    if (url.pathname === '/ping') return void response.end('Ok.\n')
    busy++
    try {
      assertAuthorised(request, credentials)
      if (busy > REQUESTS_MAX) {
        throw queryError(
          'TOO_MANY_SIMULTANEOUS_QUERIES',
          `Too many simultaneous queries. Maximum: ${REQUESTS_MAX}.`,
        )
      }
      if (url.pathname !== '/') return void response.writeHead(404).end('There is no handle for this path.\n')
      await answer(request, response, url, executor, spool)
    } catch (error) {
      sendError(request, response, fromEngine(error))
    } finally {
      busy--
    }
  }
  const http = createServer(
    {
      maxHeaderSize: REQUEST_HEAD_BYTES_MAX,
      requestTimeout: REQUEST_ARRIVAL_MS_MAX,
      // Longer than the client keeps an idle socket (2.5 s), so that the client is who closes it.
      keepAliveTimeout: 30_000,
    },
    (request, response) => void handle(request, response),
  )
  http.maxConnections = SOCKETS_MAX
  return { http, busy: () => busy }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  executor: Executor,
  spool: Spool,
): Promise<void> {
  if (request.method !== 'POST' && request.method !== 'GET') {
    throw queryError('NOT_IMPLEMENTED', `Method ${String(request.method)} is not supported.`)
  }
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  const body = unpacked(request)
  const form = await readForm(request.headers['content-type'], body)
  const entries = [...url.searchParams, ...(form ?? [])]
  const one = (name: string) => entries.find(([key]) => key === name)?.[1]
  const queryId = safeQueryId(one('query_id'))
  const inUrl = one('query')
  const outcome = await executor.execute({
    text: inUrl ?? (await readText(body)),
    data: inUrl === undefined || form ? undefined : body,
    database: one('database') ?? header(request, 'x-clickhouse-database') ?? 'default',
    format: checkedFormat(one('default_format') ?? header(request, 'x-clickhouse-format')),
    readOnly: request.method === 'GET',
    signal: gone.signal,
    ...sortOptions(entries),
  })
  await send(response, outcome, spool, queryId)
}

async function send(
  response: ServerResponse,
  outcome: QueryOutcome,
  spool: Spool,
  queryId: string,
): Promise<void> {
  const { format, answer, file } = outcome
  response.writeHead(200, {
    'content-type': contentType(format),
    'content-length': file?.bytes ?? answer.bytes.byteLength,
    'x-clickhouse-format': format,
    'x-clickhouse-query-id': queryId,
    'x-clickhouse-timezone': 'UTC',
    'x-clickhouse-summary': summary(outcome),
  })
  // Who does not read gives the answer's place to others in the end.
  response.setTimeout(UNREAD_MS_MAX, () => response.destroy())
  if (file === undefined) return void response.end(answer.bytes)
  try {
    await pipeline(spool.read(file), response)
  } finally {
    await file.remove()
  }
}

function sendError(request: IncomingMessage, response: ServerResponse, error: QueryError): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const body = errorBody(error)
  response.writeHead(statusOf(error), {
    'content-type': 'text/plain; charset=UTF-8',
    'content-length': Buffer.byteLength(body),
    'x-clickhouse-exception-code': error.code,
  })
  response.end(body)
  if (request.complete) return
  // A sender that is still writing reads the answer only if nobody hangs up on it: so the rest is
  // taken and dropped, for a while.
  request.unpipe()
  request.resume()
  const timer = setTimeout(() => request.destroy(), DROP_BODY_MS_MAX)
  request.once('close', () => clearTimeout(timer))
}

/** Numbers as ClickHouse's own summary has them, as strings. What the engine does not tell is left out. */
function summary({ answer, rowsWritten }: QueryOutcome): string {
  return JSON.stringify({
    read_rows: String(answer.rowsRead),
    read_bytes: String(answer.bytesRead),
    written_rows: String(rowsWritten),
    written_bytes: '0',
    result_rows: '0',
    result_bytes: String(answer.bytes.byteLength),
    total_rows_to_read: '0',
    elapsed_ns: String(Math.round(answer.elapsed * 1e9)),
  })
}

function assertAuthorised(request: IncomingMessage, credentials: Credentials): void {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/.exec(request.headers.authorization ?? '')?.[1]
  const given = basic
    ? Buffer.from(basic, 'base64').toString()
    : `${header(request, 'x-clickhouse-user') ?? ''}:${header(request, 'x-clickhouse-key') ?? ''}`
  const digest = (text: string) => createHash('sha256').update(text).digest()
  if (timingSafeEqual(digest(given), digest(`${credentials.username}:${credentials.password}`))) return
  throw queryError(
    'AUTHENTICATION_FAILED',
    'Authentication failed: password is incorrect, or there is no such user.',
  )
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function unpacked(request: IncomingMessage): Readable {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return request
  if (encoding !== 'gzip')
    throw queryError('NOT_IMPLEMENTED', `Content-Encoding ${encoding} is not supported; gzip is.`)
  const gunzip = createGunzip()
  // A cut request has to cut what is read from it, or its first part would look whole.
  request.once('close', () => {
    if (!request.complete) gunzip.destroy(new Error('The request was cut.'))
  })
  return request.pipe(gunzip)
}

/** An id that can stand in a header; a made one in the place of any other. */
function safeQueryId(id: string | undefined): string {
  return id !== undefined && /^[\x20-\x7e]{1,256}$/.test(id) ? id : randomUUID()
}

function checkedFormat(format: string | undefined): string | undefined {
  if (format === undefined || /^\w{1,64}$/.test(format)) return format
  throw queryError('BAD_ARGUMENTS', 'Not a format.')
}

function contentType(format: string): string {
  if (/^JSON.*EachRow/i.test(format)) return 'application/x-ndjson; charset=UTF-8'
  if (/^JSON/i.test(format)) return 'application/json; charset=UTF-8'
  if (/^CSV/i.test(format)) return 'text/csv; charset=UTF-8'
  if (/^(TabSeparated|TSV)/i.test(format)) return 'text/tab-separated-values; charset=UTF-8'
  return /^(RowBinary|Native|Parquet|Arrow|ORC|Avro|Protobuf|MsgPack)/i.test(format)
    ? 'application/octet-stream'
    : 'text/plain; charset=UTF-8'
}
