/**
 * Keeps the base times of imports.
 *
 * An import derives a row's command id from its own name, the row's id, and a base time. The base time has to be recent
 * when the id first takes effect, and the same whenever the row comes again. So it is stored here, durably, before any
 * id is derived from it. There is one per import and partition, so that a row's id does not depend on where the row
 * stands in a file.
 *
 * When the core of a partition has forgotten ids of the newest base time, new rows need a further one. It is begun only
 * by an import that was told so (`id_expired`), and that says at which sequence. From that sequence on, no id of
 * earlier base times can take effect in the partition. So the views at that sequence hold all events that such ids will
 * ever have.
 *
 * There is one file per import, named by the digest of the import's name. It has one line of JSON per base time,
 * appended and synced.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readFile, readdir, truncate } from 'node:fs/promises'
import path from 'node:path'
import { makeFolders } from '../../eventlog/disk/make-folders.ts'
import { LruMap } from '../read/lru.ts'

/** A base time of an import in a partition. */
export interface BaseTime {
  /** Milliseconds since 1970. */
  readonly baseMs: number
  /** Sequence at which the base time before it had certainly expired; 0 for the first one. */
  readonly after: bigint
}

/** The base times of an import. */
export interface ImportTimes {
  /** By partition, in the order in which they were begun. */
  readonly byPartition: ReadonlyMap<number, readonly BaseTime[]>
  /**
   * Base times of earlier versions, in which a row's id depended on where the row stood in its file. A row may have
   * happened under any of them.
   */
  readonly ofChunks: readonly number[]
}

export interface Beginning {
  readonly partition: number
  /** The newest base time that the caller knows; undefined: none. If there is a newer one by now, nothing is begun. */
  readonly beyond: number | undefined
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** Sequence at which `beyond` was seen to have expired; 0 if there is none before. */
  readonly after: bigint
}

export interface ImportRegistry {
  /** All base times of an import. */
  times(importName: string): Promise<ImportTimes>
  /**
   * Begins a base time. Returns all base times of the import once the new one is durable. Of calls that come at once,
   * only one begins a base time.
   * @throws ImportRegistryFullError
   */
  begin(importName: string, beginning: Beginning): Promise<ImportTimes>
}

/** A bound of the registry is reached. */
export class ImportRegistryFullError extends Error {
  override readonly name = 'ImportRegistryFullError'
}

export const IMPORT_NAME_BYTES_MAX = 128
/** Base times of one import in one partition. */
export const BASE_TIMES_MAX = 1_024
export const IMPORTS_MAX = 10_000
const IMPORTS_CACHED_MAX = 64
const STEP = /^\.\.?$/
const CONTROL = /[\u0000-\u001f\u007f]/

/**
 * True if an import may have this name: 1 to 128 bytes of UTF-8 without control characters or replacement characters,
 * and neither `.` nor `..`, which a URL takes for steps in its path in any spelling.
 */
export function isImportName(name: string): boolean {
  const bytes = Buffer.byteLength(name)
  return (
    bytes >= 1 &&
    bytes <= IMPORT_NAME_BYTES_MAX &&
    name.isWellFormed() &&
    !CONTROL.test(name) &&
    !STEP.test(name) &&
    !name.includes('\uFFFD')
  )
}

/** The rule for an import's name, as part of a sentence. */
export const IMPORT_NAME_WANTED = `1 to ${IMPORT_NAME_BYTES_MAX} bytes of UTF-8 without control characters, and is neither one dot nor two`

/** The newest base time of a partition. */
export function newestOf({ byPartition }: ImportTimes, partition: number): number | undefined {
  return byPartition.get(partition)?.at(-1)?.baseMs
}

/** @throws ImportRegistryFullError if the partition has as many base times as allowed */
export function checkRoom({ byPartition }: ImportTimes, partition: number): void {
  if ((byPartition.get(partition)?.length ?? 0) >= BASE_TIMES_MAX)
    throw new ImportRegistryFullError(`partition ${partition} has ${BASE_TIMES_MAX} base times already`)
}

/** A line of an import's file. Lines of earlier versions have a chunk in place of a partition. */
interface Entry {
  readonly import: string
  readonly partition?: number
  readonly after?: string
  readonly chunk?: number
  readonly baseMs: number
}

class Kept implements ImportTimes {
  readonly byPartition = new Map<number, BaseTime[]>()
  readonly ofChunks: number[] = []

  take({ partition, baseMs, after = '0' }: Entry): void {
    if (partition === undefined) {
      if (!this.ofChunks.includes(baseMs)) this.ofChunks.push(baseMs)
      return
    }
    const times = this.byPartition.get(partition) ?? []
    this.byPartition.set(partition, [...times, { baseMs, after: BigInt(after) }])
  }

  get isEmpty(): boolean {
    return this.byPartition.size === 0 && this.ofChunks.length === 0
  }
}

/** Keeps the base times in files of their own folder, which is made if it is missing. */
export function createFileImportRegistry(dir: string): ImportRegistry {
  return new FileImportRegistry(dir)
}

class FileImportRegistry implements ImportRegistry {
  readonly #dir: string
  readonly #imports = new LruMap<string, Kept>(IMPORTS_CACHED_MAX)
  /** Calls run one after the other. They are rare, and two that begin at once have to see each other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(dir: string) {
    this.#dir = dir
  }

  times(importName: string): Promise<ImportTimes> {
    return this.#inTurn(() => this.#load(importName))
  }

  begin(importName: string, { partition, beyond, nowMs, after }: Beginning): Promise<ImportTimes> {
    return this.#inTurn(async () => {
      const kept = await this.#load(importName)
      if (newestOf(kept, partition) !== beyond) return kept
      checkRoom(kept, partition)
      if (kept.isEmpty && (await this.#count()) >= IMPORTS_MAX)
        throw new ImportRegistryFullError(`there are ${IMPORTS_MAX} imports already`)
      const entry: Entry = { import: importName, partition, baseMs: nowMs, after: String(after) }
      try {
        await this.#append(entry)
      } catch (error) {
        // The file may end in half a line now. The next call reads the file again and cuts it.
        this.#imports.delete(importName)
        throw error
      }
      kept.take(entry)
      return kept
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

  async #load(importName: string): Promise<Kept> {
    const cached = this.#imports.get(importName)
    if (cached !== undefined) return cached
    const kept = await readKept(this.#file(importName))
    this.#imports.set(importName, kept)
    return kept
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
      // `appendFile` goes on until everything is written; a single write may write less.
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

/**
 * Reads an import's file. A last line without a line end was never acknowledged: it is cut, so that the next append
 * begins a new line.
 */
async function readKept(file: string): Promise<Kept> {
  const kept = new Kept()
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return kept
    throw error
  }
  const end = text.lastIndexOf('\n') + 1
  if (end < text.length) await truncate(file, Buffer.byteLength(text.slice(0, end)))
  for (const line of text.slice(0, end).split('\n')) if (line !== '') kept.take(JSON.parse(line) as Entry)
  return kept
}
