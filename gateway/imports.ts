/**
 * Base times of imports over HTTP (import-registry.ts says what they are for):
 *
 *   GET  /imports/{name}/chunks/{n}                     {"baseTimesMs": […]}
 *   POST /imports/{name}/chunks/{n}  {"further": false}  the same; begins the first one where there is none yet
 *   POST /imports/{name}/chunks/{n}  {"further": true}   begins a further one
 *
 * With the first one may come an `"anchor"`, which every later answer has as well.
 */
import { badInput, fault } from './errors.ts'
import {
  ANCHOR_BYTES_MAX,
  IMPORT_CHUNKS_MAX,
  IMPORT_NAME_BYTES_MAX,
  ImportRegistryFullError,
  type ImportRegistry,
} from './import-registry.ts'

export interface ImportChunk {
  readonly name: string
  readonly chunk: number
}

/** What is known of a chunk. */
export interface ChunkAnswer {
  readonly baseTimesMs: readonly number[]
  readonly anchor?: string
}

const IMPORT_PATH = /^\/imports\/([^/]+)\/chunks\/(\d{1,9})$/
const CONTROL = /[\u0000-\u001f\u007f]/

/**
 * Reads the path of an import's chunk. Undefined: it is another path.
 * @throws Fault BAD_USER_INPUT for a name or chunk out of bounds
 */
export function importChunkOf(path: string): ImportChunk | undefined {
  const match = IMPORT_PATH.exec(path)
  if (match === null) return undefined
  const name = decoded(match[1]!)
  const bytes = Buffer.byteLength(name ?? '')
  if (name === undefined || bytes < 1 || bytes > IMPORT_NAME_BYTES_MAX || CONTROL.test(name))
    throw badInput(
      'name',
      `An import's name has 1 to ${IMPORT_NAME_BYTES_MAX} bytes of UTF-8, no control characters.`,
    )
  const chunk = Number(match[2])
  if (chunk >= IMPORT_CHUNKS_MAX) throw badInput('chunk', `A chunk is a number below ${IMPORT_CHUNKS_MAX}.`)
  return { name, chunk }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

export async function listBaseTimes(
  imports: ImportRegistry,
  { name, chunk }: ImportChunk,
): Promise<ChunkAnswer> {
  const anchor = await imports.anchor(name, chunk)
  return { baseTimesMs: await imports.baseTimes(name, chunk), ...(anchor === undefined ? {} : { anchor }) }
}

/** Begins a base time where one is needed, and answers them all. @throws Fault */
export async function beginBaseTime(
  imports: ImportRegistry,
  importChunk: ImportChunk,
  body: Readonly<Record<string, unknown>>,
  nowMs: number,
): Promise<ChunkAnswer> {
  const further = body['further'] ?? false
  if (typeof further !== 'boolean') throw badInput('further', 'Expected true or false.')
  const anchor = body['anchor']
  if (anchor !== undefined && (typeof anchor !== 'string' || Buffer.byteLength(anchor) > ANCHOR_BYTES_MAX))
    throw badInput('anchor', `Expected text of at most ${ANCHOR_BYTES_MAX} bytes.`)
  const { name, chunk } = importChunk
  const known = await imports.baseTimes(name, chunk)
  if (known.length > 0 && !further) return listBaseTimes(imports, importChunk)
  try {
    await imports.begin(name, chunk, nowMs, anchor)
  } catch (error) {
    if (error instanceof ImportRegistryFullError)
      throw fault('FORBIDDEN', `No further base time is kept: ${error.message}.`)
    throw error
  }
  return listBaseTimes(imports, importChunk)
}
