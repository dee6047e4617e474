/**
 * Base times of imports. An import derives its transfer ids from its name, the row, and a time that has to be recent when
 * the ids are first used, and the same when they are used again: so that time is kept here, per chunk of rows, durably,
 * before any id is made of it. A chunk whose ids have expired unused gets a further base time; all are kept, in order.
 *
 * With its first base time a chunk may get an anchor: text by which the importer tells later whether it is still the same
 * chunk. It is kept and handed back, and means nothing here.
 *
 * One file per import, named by the digest of its name; a line of JSON per base time, appended and synced.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readFile, readdir, truncate } from 'node:fs/promises'
import path from 'node:path'
import { makeFolders } from '../eventlog/file/make-folders.ts'
import { LruMap } from './lru.ts'

export interface ImportRegistry {
  /** The base times of a chunk, in the order in which they were begun; empty: none yet. */
  baseTimes(importName: string, chunk: number): Promise<readonly number[]>
  /** The anchor that came with the first base time; undefined: none did, or there is no base time. */
  anchor(importName: string, chunk: number): Promise<string | undefined>
  /**
   * Begins a further base time of a chunk and returns it once it is durable.
   * @param nowMs milliseconds since 1970
   * @param anchor kept with the first base time, at most ANCHOR_BYTES_MAX
   * @throws ImportRegistryFullError
   */
  begin(importName: string, chunk: number, nowMs: number, anchor?: string): Promise<number>
}

/** A bound of the registry is reached. */
export class ImportRegistryFullError extends Error {
  override readonly name = 'ImportRegistryFullError'
}

export const IMPORT_NAME_BYTES_MAX = 128
export const IMPORT_CHUNKS_MAX = 1_000_000
export const ANCHOR_BYTES_MAX = 64
export const BASE_TIMES_MAX = 64
export const IMPORTS_MAX = 10_000
const IMPORTS_CACHED_MAX = 64

/** A line of an import's file. */
interface Entry {
  readonly import: string
  readonly chunk: number
  readonly baseMs: number
  readonly anchor?: string
}

interface ChunkTimes {
  readonly times: readonly number[]
  readonly anchor: string | undefined
}
type Chunks = Map<number, ChunkTimes>

/** Keeps the base times in files of a folder of their own; it is made if missing. */
export function createFileImportRegistry(dir: string): ImportRegistry {
  return new FileImportRegistry(dir)
}

class FileImportRegistry implements ImportRegistry {
  readonly #dir: string
  readonly #imports = new LruMap<string, Chunks>(IMPORTS_CACHED_MAX)
  /** Calls go one behind the other: they are rare, and two that begin the same chunk have to see each other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(dir: string) {
    this.#dir = dir
  }

  baseTimes(importName: string, chunk: number): Promise<readonly number[]> {
    return this.#inTurn(async () => (await this.#load(importName)).get(chunk)?.times ?? [])
  }

  anchor(importName: string, chunk: number): Promise<string | undefined> {
    return this.#inTurn(async () => (await this.#load(importName)).get(chunk)?.anchor)
  }

  begin(importName: string, chunk: number, nowMs: number, anchor?: string): Promise<number> {
    return this.#inTurn(async () => {
      const chunks = await this.#load(importName)
      const times = chunks.get(chunk)?.times ?? []
      if (times.length >= BASE_TIMES_MAX)
        throw new ImportRegistryFullError(`chunk ${chunk} has ${BASE_TIMES_MAX} base times already`)
      if (chunks.size === 0 && (await this.#count()) >= IMPORTS_MAX)
        throw new ImportRegistryFullError(`there are ${IMPORTS_MAX} imports already`)
      const entry = { import: importName, chunk, baseMs: nowMs, ...(anchor === undefined ? {} : { anchor }) }
      try {
        await this.#append(entry)
      } catch (error) {
        // Half a line may stand there now: the next call reads the file anew, and cuts it.
        this.#imports.delete(importName)
        throw error
      }
      take(chunks, entry)
      return nowMs
    })
  }

  #inTurn<Value>(call: () => Promise<Value>): Promise<Value> {
    const result = this.#last.then(call)
    this.#last = result.catch(() => undefined)
    return result
  }

  #file(importName: string): string {
    return path.join(this.#dir, `${createHash('sha256').update(importName).digest('hex')}.ndjson`)
  }

  async #load(importName: string): Promise<Chunks> {
    const cached = this.#imports.get(importName)
    if (cached !== undefined) return cached
    const chunks = await readChunks(this.#file(importName))
    this.#imports.set(importName, chunks)
    return chunks
  }

  async #count(): Promise<number> {
    try {
      return (await readdir(this.#dir)).length
    } catch {
      return 0
    }
  }

  async #append(entry: Entry): Promise<void> {
    makeFolders(this.#dir)
    const file = await open(
      this.#file(entry.import),
      constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
    )
    try {
      // Goes on until all is written, where one write may take less.
      await file.appendFile(`${JSON.stringify(entry)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    const folder = await open(this.#dir)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

/** Reads an import's file. A last line without its end was never acknowledged: it is cut, so that the next begins anew. */
async function readChunks(file: string): Promise<Chunks> {
  const chunks: Chunks = new Map()
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return chunks
    throw error
  }
  const end = text.lastIndexOf('\n') + 1
  if (end < text.length) await truncate(file, Buffer.byteLength(text.slice(0, end)))
  for (const line of text.slice(0, end).split('\n')) {
    if (line === '') continue
    take(chunks, JSON.parse(line) as Entry)
  }
  return chunks
}

function take(chunks: Chunks, { chunk, baseMs, anchor }: Entry): void {
  const known = chunks.get(chunk)
  chunks.set(chunk, {
    times: [...(known?.times ?? []), baseMs],
    anchor: known === undefined ? anchor : known.anchor,
  })
}
