import { queryError } from '../errors.ts'
import { stringLiteral } from './parameters.ts'

/**
 * A query's settings. They come as URL parameters and go into the query's own `SETTINGS` clause: `SET` would
 * outlive the query on its connection, and a token or a read-only mark would then meet someone else's query.
 */
export type Settings = ReadonlyMap<string, string>

/** URL parameters of ClickHouse's HTTP interface that are no settings, or settings of the HTTP layer alone. */
const NOT_SETTINGS = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'quota_key',
  'stacktrace',
  'buffer_size',
  'wait_end_of_query',
  'cancel_http_readonly_queries_on_client_close',
  'send_progress_in_http_headers',
  'http_response_buffer_size',
  'http_headers_progress_interval_ms',
  'http_send_timeout',
  'http_receive_timeout',
  'http_write_exception_in_output_format',
  'enable_http_compression',
  'http_zlib_compression_level',
  'http_native_compression_disable_checksumming_on_decompress',
])

/** Said plainly instead of being ignored: who sends one of these would rely on it. */
const REFUSED: Readonly<Record<string, string>> = {
  session_id: 'sessions: every query stands alone here',
  session_timeout: 'sessions: every query stands alone here',
  session_check: 'sessions: every query stands alone here',
  role: 'roles',
  compress: "ClickHouse's own compression of bodies",
  decompress: "ClickHouse's own compression of bodies",
  user: 'credentials in the URL',
  password: 'credentials in the URL',
}

const SETTING_NAME = /^[a-zA-Z][a-zA-Z0-9_]{0,127}$/
const NUMBER = /^-?(0|[1-9]\d{0,18})(\.\d{1,18})?$/

/** What a request's URL asks for, sorted. */
export interface RequestOptions {
  readonly settings: Settings
  /** Query parameters, name → value in escaped text form. */
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Sorts the parameters of a URL (and the parts of a form) into settings and query parameters.
 * @throws QueryError for what this server does not do, and for names that cannot be settings
 */
export function sortOptions(entries: Iterable<readonly [string, string]>): RequestOptions {
  const settings = new Map<string, string>()
  const parameters = new Map<string, string>()
  for (const [name, value] of entries) {
    const refused = REFUSED[name]
    if (refused !== undefined)
      throw queryError('NOT_IMPLEMENTED', `The embedded engine has no ${refused} (${name}).`)
    if (name.startsWith('param_')) parameters.set(name.slice('param_'.length), value)
    else if (!NOT_SETTINGS.has(name)) settings.set(checkedName(name), value)
  }
  return { settings, parameters }
}

/** Writes settings as the list of a `SETTINGS` clause: `a = 1, b = 'x'`. */
export function settingsList(settings: Settings): string {
  return [...settings].map(([name, value]) => `${name} = ${settingValue(value)}`).join(', ')
}

function checkedName(name: string): string {
  if (SETTING_NAME.test(name)) return name
  throw queryError('BAD_ARGUMENTS', `Not a setting: ${stringLiteral(name.slice(0, 128))}`)
}

function settingValue(value: string): string {
  return NUMBER.test(value) ? value : stringLiteral(value)
}
