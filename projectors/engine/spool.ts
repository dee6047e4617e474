import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { makeFolders } from '../../eventlog/disk/make-folders.ts'
import { messageOf } from '../../schemas/errors.ts'
import { queryError } from './errors.ts'
import { INSERT_BODY_BYTES_MAX, RESULT_BYTES_MAX, SPOOL_BYTES_MAX } from './limits.ts'

const WRITE_BUFFER_BYTES = 1024 * 1024
const RESULT_WATCH_MS = 200

/** A file of one request. Whoever has it removes it. */
export interface SpooledFile {
  /** Name in the spool folder, which is the process's working directory; safe inside a string literal. */
  readonly name: string
  readonly bytes: number
  remove(): Promise<void>
}

/**
 * The folder through which bodies and large results pass. The engine's own way of taking data inside a query
 * ends at a blank line (and binary data at the bytes 0A 0A); from a file it takes every byte. And a body that
 * lies in a file is known to be whole before the first row of it is inserted.
 */
export class Spool {
  readonly #folder: string
  #bytes = 0
  #count = 0

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Opens the folder and removes what an earlier process left in it. Call it only as the owner of the data. */
  static async open(folder: string): Promise<Spool> {
    makeFolders(folder)
    for (const name of await readdir(folder))
      await rm(path.join(folder, name), { recursive: true, force: true })
    return new Spool(folder)
  }

  /**
   * Writes a body to a file, whole or not at all.
   * @throws QueryError (TOO_LARGE_SIZE_COMPRESSED, NOT_ENOUGH_SPACE) over a bound; whatever the stream fails with if it is cut
   */
  async receive(body: AsyncIterable<Buffer> | Readable, signal: AbortSignal): Promise<SpooledFile> {
    const name = `in-${++this.#count}`
    let bytes = 0
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length
        this.#bytes += chunk.length
        if (bytes > INSERT_BODY_BYTES_MAX) {
          done(
            queryError(
              'TOO_LARGE_SIZE_COMPRESSED',
              `An insert may have at most ${INSERT_BODY_BYTES_MAX} bytes.`,
            ),
          )
        } else if (this.#bytes > SPOOL_BYTES_MAX) {
          done(
            queryError(
              'NOT_ENOUGH_SPACE',
              `Inserts under way may take at most ${SPOOL_BYTES_MAX} bytes together.`,
            ),
          )
        } else done(null, chunk)
      },
    })
    const file = createWriteStream(path.join(this.#folder, name), {
      flags: 'wx',
      highWaterMark: WRITE_BUFFER_BYTES,
    })
    const remove = () => this.#remove(name, bytes)
    try {
      await pipeline(body, counted, file, { signal })
    } catch (error) {
      await remove()
      throw isOfFullDisk(error) ? queryError('NOT_ENOUGH_SPACE', messageOf(error)) : error
    }
    return { name, bytes, remove }
  }

  /**
   * Lets the engine write a result into a file, and stops it when the file grows over a bound.
   * @param write starts the engine with the file's name
   * @param stop makes the engine give up
   */
  async collect(write: (name: string) => Promise<unknown>, stop: () => void): Promise<SpooledFile> {
    const name = `out-${++this.#count}`
    let bytes = 0
    let over = false
    const measure = async () => {
      const size = await stat(path.join(this.#folder, name)).then(
        (found) => found.size,
        () => 0,
      )
      this.#bytes += size - bytes
      bytes = size
      if (over || (bytes <= RESULT_BYTES_MAX && this.#bytes <= SPOOL_BYTES_MAX)) return
      over = true
      stop()
    }
    const timer = setInterval(() => void measure(), RESULT_WATCH_MS)
    const remove = () => this.#remove(name, bytes)
    try {
      await write(name)
      clearInterval(timer)
      await measure()
      if (over) throw tooLarge()
    } catch (error) {
      clearInterval(timer)
      await remove()
      throw over ? tooLarge() : error
    }
    return { name, bytes, remove }
  }

  /** Reads a collected file from its beginning. */
  read(file: SpooledFile): Readable {
    return createReadStream(path.join(this.#folder, file.name), { highWaterMark: 256 * 1024 })
  }

  async #remove(name: string, bytes: number): Promise<void> {
    await rm(path.join(this.#folder, name), { force: true })
    this.#bytes -= bytes
  }
}

/** Nothing that the statement could help: there may be room when it comes again. */
function isOfFullDisk(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'ENOSPC' || code === 'EDQUOT'
}

function tooLarge(): Error {
  return queryError('TOO_MANY_ROWS_OR_BYTES', `Limit for result exceeded, max bytes: ${RESULT_BYTES_MAX}.`)
}
