/**
 * The HTTP paths for a program that imports history (import-registry.ts says why it needs them):
 *
 *   GET  /imports/{name}                                            the base times that are kept
 *   POST /imports/{name}/times  {"partition","beyond","after"}      begins one, unless there is one beyond `beyond`
 *   POST /imports/{name}/known  {"rows": ["…20 hex digits…", …], "near": [{"partition","sequence"}]}
 *                                                                   what became of rows under any of the base times
 *
 * A row is named by the 74 bits that all its ids share. Its ids differ by the base time.
 */
import {
  idsBehind,
  knownIds,
  KNOWN_IDS_PER_QUERY_MAX,
  type KnownId,
} from '../../projectors/views/audit/known-ids.ts'
import { AMOUNT_MAX, BATCH_COMMANDS_MAX, PARTITIONS_MAX } from '../../schemas/limits.ts'
import type { Position } from '../../schemas/positions.ts'
import { badInput, fault } from '../errors.ts'
import {
  IMPORT_NAME_WANTED,
  ImportRegistryFullError,
  isImportName,
  type Beginning,
  type ImportRegistry,
  type ImportTimes,
} from './import-registry.ts'
import { requirePosition } from '../schema/token-fields.ts'
import type { RequestContext } from '../services.ts'
import type { PartitionSequence } from '../positions/tokens.ts'

export interface ImportPath {
  readonly name: string
  readonly what: 'all' | 'times' | 'known'
}

type Body = Readonly<Record<string, unknown>>

/** The services, and the read point of the request. */
export type ImportContext = Pick<RequestContext, 'services' | 'point'>

/** Bytes of a request's body: enough for the rows of one bulk request. */
export const IMPORT_BODY_BYTES_MAX = 256 * 1_024
/** Queries of one request under way at a time. */
const QUERIES_AT_ONCE = 2
/** Events that are read behind a hint: a little more than the rows of one request. */
const NEAR_EVENTS = 5_120

const IMPORT_PATH = /^\/imports\/([^/]+)(?:\/(times|known))?$/
const ROW_BITS = /^[0-9a-f]{20}$/

/**
 * Reads the path of an import; undefined: it is another path.
 * @throws Fault BAD_USER_INPUT if no import can have the name
 */
export function importPathOf(path: string): ImportPath | undefined {
  const match = IMPORT_PATH.exec(path)
  if (match === null) return undefined
  const name = decoded(match[1]!)
  if (name === undefined || !isImportName(name))
    throw badInput('name', `An import's name has ${IMPORT_NAME_WANTED}.`)
  return { name, what: (match[2] as 'times' | 'known' | undefined) ?? 'all' }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * The answer with an import's base times. A run begins with this request, so it waits until the views hold all that the
 * feed has brought: rows that were acknowledged before are then known to the run.
 * @throws Fault NOT_YET if the views do not come that far in time
 */
export async function listTimes({ services, point }: ImportContext, imports: ImportRegistry, name: string): Promise<object> {
  const kept = await imports.times(name)
  if (allTimes(kept).size > 0) await point.at(services.feed.position())
  return answerOf(kept)
} // prettier-ignore

function answerOf({ byPartition, ofChunks }: ImportTimes): object {
  const partitions = [...byPartition].map(([partition, times]) => ({
    partition,
    baseTimesMs: times.map(({ baseMs }) => baseMs),
  }))
  return { partitions, ofChunks }
}

/**
 * Begins a base time if the newest one is the one that the client names. Answers with all of them.
 * @throws Fault BAD_USER_INPUT; POSITION_AHEAD, because rows would be answered "not yet" for ever; FORBIDDEN if there
 *   are as many base times as allowed
 */
export async function beginTime(context: ImportContext, imports: ImportRegistry, name: string, body: Body, nowMs: number): Promise<object> {
  const beginning = readBeginning(body, context.services.submitter.partitions, nowMs)
  await requirePosition(context, new Map([[beginning.partition, beginning.after]]), 'after')
  try {
    return answerOf(await imports.begin(name, beginning))
  } catch (error) {
    if (error instanceof ImportRegistryFullError)
      throw fault('FORBIDDEN', `No further base time is kept: ${error.message}. New rows need an import of another name.`)
    throw error
  }
} // prettier-ignore

function readBeginning(body: Body, partitions: number, nowMs: number): Beginning {
  const { partition, beyond = null, after = '0' } = body
  if (typeof partition !== 'number' || !Number.isInteger(partition) || partition < 0 || partition >= partitions)
    throw badInput('partition', `Expected a partition: a whole number from 0 to ${partitions - 1}.`)
  if (beyond !== null && !(typeof beyond === 'number' && Number.isSafeInteger(beyond) && beyond >= 0))
    throw badInput('beyond', 'Expected the newest base time that is known, in milliseconds since 1970, or null.')
  if (typeof after !== 'string' || !/^\d{1,19}$/.test(after) || BigInt(after) > AMOUNT_MAX)
    throw badInput('after', 'Expected a sequence as decimal digits.')
  return { partition, beyond: beyond ?? undefined, nowMs, after: BigInt(after) }
} // prettier-ignore

/**
 * The outcomes of rows: which, and where in the log, for each row that has one under any base time of the import. All
 * base times are looked at, whatever partition a row has now: a row whose accounts changed is still the same row.
 * @throws Fault BAD_USER_INPUT; NOT_YET if the views do not reach the necessary position in time, or a row has no outcome yet
 */
export async function listKnown({ services, point }: ImportContext, imports: ImportRegistry, name: string, body: Body): Promise<object> {
  const rows = readRows(body)
  const near = readNear(body)
  const kept = await imports.times(name)
  const { views } = services
  // Views that are being rebuilt, or are too far behind, would lack rows that happened long ago.
  const { upTo } = await point.at(positionToSee(kept))
  const rowOf = new Map<string, number>()
  for (const baseMs of allTimes(kept)) {
    const time = baseMs.toString(16).padStart(12, '0')
    rows.forEach((bits, row) => rowOf.set(idText(time, bits), row))
  }
  const found = new Map<number, Omit<KnownId, 'id'>>()
  const take = ({ id, ...outcome }: KnownId): void => {
    const row = rowOf.get(id)
    if (row !== undefined && !found.has(row)) found.set(row, outcome)
  }
  for (const place of near) (await idsBehind(views.store, place, NEAR_EVENTS, upTo)).forEach(take)
  const left = [...rowOf].filter(([, row]) => !found.has(row)).map(([id]) => id)
  ;(await eachPart(left, (ids) => knownIds(views.store, ids, upTo))).forEach(take)
  const known = [...found].map(([row, { isUnderWay, ...outcome }]) => {
    if (isUnderWay)
      throw fault('NOT_YET', 'A row of these is a transfer from one partition to another that is under way. Ask again in a moment.')
    return { row, ...outcome }
  })
  return { ...answerOf(kept), known }
} // prettier-ignore

/** Hints where in the log rows may stand. A wrong hint only costs time. */
function readNear({ near = [] }: Body): PartitionSequence[] {
  const wrong = badInput('near', 'Expected a list of at most 16 places: a partition and a sequence as decimal digits.')
  if (!Array.isArray(near) || near.length > 16) throw wrong
  return near.map((place: unknown) => {
    const { partition, sequence } = (place ?? {}) as { partition?: unknown; sequence?: unknown }
    if (typeof partition !== 'number' || !Number.isInteger(partition) || partition < 0 || partition >= PARTITIONS_MAX)
      throw wrong
    if (typeof sequence !== 'string' || !/^\d{1,18}$/.test(sequence)) throw wrong
    return { partition, sequence: BigInt(sequence) }
  })
} // prettier-ignore

function readRows(body: Body): string[] {
  const { rows } = body
  if (!Array.isArray(rows) || rows.length > BATCH_COMMANDS_MAX)
    throw badInput('rows', `Expected a list of at most ${BATCH_COMMANDS_MAX} rows.`)
  rows.forEach((row: unknown, index) => {
    if (typeof row !== 'string' || !ROW_BITS.test(row))
      throw badInput(`rows[${index}]`, 'Expected 20 hexadecimal digits in lower case.')
  })
  return rows as string[]
}

/** The position at which all base times but each partition's newest have expired. */
function positionToSee({ byPartition }: ImportTimes): Position {
  return new Map([...byPartition].map(([partition, times]) => [partition, times.at(-1)!.after]))
}

function allTimes({ byPartition, ofChunks }: ImportTimes): Set<number> {
  return new Set([...[...byPartition.values()].flat().map(({ baseMs }) => baseMs), ...ofChunks])
}

/**
 * A row's id under a base time, as schemas/ids.ts makes it: a UUIDv7 of the 12 digits of the time and 74 bits of these
 * 20 digits.
 */
function idText(time: string, bits: string): string {
  const variant = '89ab'[Number.parseInt(bits[4]!, 16) & 3]!
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(1, 4)}-${variant}${bits.slice(5, 8)}-${bits.slice(8)}`
}

async function eachPart(
  ids: readonly string[],
  ask: (part: readonly string[]) => Promise<KnownId[]>,
): Promise<KnownId[]> {
  const parts = Array.from({ length: Math.ceil(ids.length / KNOWN_IDS_PER_QUERY_MAX) }, (_, part) =>
    ids.slice(part * KNOWN_IDS_PER_QUERY_MAX, (part + 1) * KNOWN_IDS_PER_QUERY_MAX),
  )
  const known: KnownId[] = []
  const waiting = parts.values()
  const work = async (): Promise<void> => {
    for (const part of waiting) known.push(...(await ask(part)))
  }
  await Promise.all(Array.from({ length: QUERIES_AT_ONCE }, work))
  return known
}
