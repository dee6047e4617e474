/** The one place where an error of any part becomes a PlatformError: a sentence, what to do, a stable code. */
import { messageOf } from '../schemas/errors.ts'
import { PlatformError, type PlatformErrorCode } from './errors.ts'
import { describeSystemError } from './system-errors.ts'

/** Codes and reasons that parts put on their errors, and what they are called here. */
const KNOWN: Readonly<Record<string, PlatformErrorCode>> = {
  log_folder_in_use: 'folder_in_use',
  folder_in_use: 'folder_in_use',
  log_corrupt: 'log_corrupt',
  log_regressed: 'log_regressed',
  log_archive_missing: 'archive_missing',
  log_archive_unfit: 'archive_unfit',
  log_write_failed: 'writer_failed',
  log_broken: 'writer_failed',
  log_closed: 'writer_failed',
  kafka_unreachable: 'kafka_unreachable',
  kafka_refused: 'kafka_refused',
  kafka_untrusted: 'kafka_untrusted',
  kafka_offset_gone: 'log_corrupt',
  partitions_differ: 'partitions_differ',
  topics_missing: 'topics_unfit',
  log_replaced: 'topics_unfit',
  commands_replaced: 'topics_unfit',
  snapshot_store_refused: 'snapshot_store_refused',
  broken: 'writer_failed',
  LOG_BEHIND_VIEWS: 'views_ahead',
  CHAIN_BROKEN: 'views_ahead',
  VIEWS_UNAVAILABLE: 'views_failed',
  start_failed: 'views_failed',
  start_timeout: 'views_failed',
}

/** What a ClickHouse server calls it when who asks is not let in, or may not do what was asked. */
const VIEWS_REFUSE: ReadonlySet<unknown> = new Set([
  'ACCESS_DENIED',
  'AUTHENTICATION_FAILED',
  'READONLY',
  'REQUIRED_PASSWORD',
  'SETTING_CONSTRAINT_VIOLATION',
  'UNKNOWN_DATABASE',
  'UNKNOWN_USER',
  'WRONG_PASSWORD',
])

/** What an error of a part means to whoever runs the platform. One that is unknown is a fault of ours: `internal`. */
export function platformErrorOf(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error
  if (!(error instanceof Error))
    return new PlatformError('internal', `Something unexpected happened: ${String(error)}`)
  const { code, message } = meaningOf(error)
  return new PlatformError(code, message, {}, { cause: error })
}

/**
 * What a part that ran has failed of.
 * @param otherwise what it is called where it has no name of its own, or only that of some part of the program
 */
export function failureOf(error: unknown, otherwise: PlatformErrorCode): PlatformError {
  const known = platformErrorOf(error)
  if (known.code !== 'internal' && known.code !== 'writer_failed') return known
  return new PlatformError(otherwise, messageOf(error), {}, { cause: error })
}

/**
 * A start, of which everything that it throws is a PlatformError, except for the signal's reason when that has aborted.
 */
export async function startAsPlatform<Started>(
  start: () => Promise<Started>,
  signal?: AbortSignal,
): Promise<Started> {
  try {
    return await start()
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw platformErrorOf(error)
  }
}

interface Meaning {
  readonly code: PlatformErrorCode
  readonly message: string
}

function meaningOf(error: Error): Meaning {
  const { code, reason, type } = error as { code?: unknown; reason?: unknown; type?: unknown }
  for (const name of [code, reason]) {
    if (typeof name !== 'string') continue
    const known = KNOWN[name]
    if (known !== undefined) return { code: known, message: error.message }
  }
  // What wraps an error of the system (`fetch failed`) says less than that does.
  const system =
    describeSystemError(error) ??
    (error.cause instanceof Error ? describeSystemError(error.cause) : undefined)
  if (system !== undefined) return system
  if (VIEWS_REFUSE.has(type)) return { code: 'views_failed', message: viewsRefuse(type, error.message) }
  return { code: 'internal', message: `This should not have happened: ${error.message} Please report it.` }
}

/** @param said as the server says it */
function viewsRefuse(type: unknown, said: string): string {
  if (type === 'UNKNOWN_DATABASE') {
    const name = /Database `?([^\s`]+)`? does/.exec(said)?.[1]
    return (
      `There is no ${name === undefined ? 'such database' : `database ${name}`} in ClickHouse. Run purser users first: it makes ` +
      'the database, and the users of projectors and gateways. If it was made under another name, say that: `clickhouse.database`.'
    )
  }
  const reason = said.split('\n', 1)[0]!.replace(/\.?\s*$/, '')
  return `ClickHouse refused: ${reason}. Check the database, the user, the password, and what this user may do.`
}
