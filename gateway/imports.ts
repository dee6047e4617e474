/**
 * Base times of imports over HTTP (import-registry.ts says what they are for):
 *
 *   GET  /imports/{name}/chunks/{n}                     {"baseTimesMs": […]}
 *   POST /imports/{name}/chunks/{n}  {"further": false}  the same; begins the first one where there is none yet
 *   POST /imports/{name}/chunks/{n}  {"further": true}   begins a further one
 */
import { badInput, fault } from './errors.ts'
import {
  IMPORT_CHUNKS_MAX,
  IMPORT_NAME_BYTES_MAX,
  ImportRegistryFullError,
  type ImportRegistry,
} from './import-registry.ts'

export interface ImportChunk {
  readonly name: string
  readonly chunk: number
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
): Promise<{ baseTimesMs: readonly number[] }> {
  return { baseTimesMs: await imports.baseTimes(name, chunk) }
}

/** Begins a base time where one is needed, and answers them all. @throws Fault */
export async function beginBaseTime(
  imports: ImportRegistry,
  importChunk: ImportChunk,
  body: Readonly<Record<string, unknown>>,
  nowMs: number,
): Promise<{ baseTimesMs: readonly number[] }> {
  const further = body['further'] ?? false
  if (typeof further !== 'boolean') throw badInput('further', 'Expected true or false.')
  const { name, chunk } = importChunk
  const known = await imports.baseTimes(name, chunk)
  if (known.length > 0 && !further) return { baseTimesMs: known }
  try {
    await imports.begin(name, chunk, nowMs)
  } catch (error) {
    if (error instanceof ImportRegistryFullError)
      throw fault('FORBIDDEN', `No further base time is kept: ${error.message}.`)
    throw error
  }
  return listBaseTimes(imports, importChunk)
}
