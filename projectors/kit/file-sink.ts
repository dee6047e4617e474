/**
 * A sink that is a file: one JSON line a message, `[idempotency key, message]`, whose amounts and other bigints are texts. A
 * line is stored for good before the delivery counts. What is delivered again is left out by its key, which the file itself
 * remembers, so that each message stands in it once.
 */
import { open, type FileHandle } from 'node:fs/promises'
import type { StateValue } from '../code-projection.ts'
import { SinkOutageError, type Delivery, type Sink } from '../sink-projection.ts'

/** What passes by itself, by the system's names: a disk that is full, a file that another holds. */
const PASSING = new Set(['EAGAIN', 'EBUSY', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOSPC'])

/**
 * Opens the file, and makes it where it is not there. One process may write it at a time.
 * @throws SinkOutageError for what passes; the system's error for what does not
 */
export async function openFileSink(file: string): Promise<Sink<StateValue>> {
  const handle = await passing(() => open(file, 'a+'))
  try {
    return new FileSink(handle, await passing(() => recovered(handle)))
  } catch (error) {
    await handle.close()
    throw error
  }
}

class FileSink implements Sink<StateValue> {
  readonly #handle: FileHandle
  /** Of each partition the place of the newest message in the file: those up to it have been taken. */
  readonly #newest: Map<number, Place>

  constructor(handle: FileHandle, newest: Map<number, Place>) {
    this.#handle = handle
    this.#newest = newest
  }

  async deliver({ messages }: Delivery<StateValue>): Promise<void> {
    const newest = new Map(this.#newest)
    let lines = ''
    for (const { idempotencyKey, message } of messages) {
      const place = placeOf(idempotencyKey)
      if (!isBehind(place, newest.get(place.partition))) continue
      newest.set(place.partition, place)
      lines += `${JSON.stringify([idempotencyKey, message], bigintAsText)}\n`
    }
    if (lines === '') return
    await passing(async () => {
      await this.#handle.appendFile(lines)
      await this.#handle.datasync()
    })
    for (const [partition, place] of newest) this.#newest.set(partition, place)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** A message's place among those of its partition; they come in its order. */
interface Place {
  readonly partition: number
  readonly sequence: bigint
  readonly index: number
}

function placeOf(idempotencyKey: string): Place {
  const [partition, sequence, index] = idempotencyKey.split(':') as [string, string, string]
  return { partition: Number(partition), sequence: BigInt(sequence), index: Number(index) }
}

function isBehind(place: Place, other: Place | undefined): boolean {
  if (other === undefined || place.sequence > other.sequence) return true
  return place.sequence === other.sequence && place.index > other.index
}

/** The newest places in a file. A last line that a crash has cut off is taken away. */
async function recovered(handle: FileHandle): Promise<Map<number, Place>> {
  const newest = new Map<number, Place>()
  let rest = Buffer.alloc(0)
  let whole = 0
  const chunk = Buffer.alloc(1 << 20)
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) break
    at += bytesRead
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
    const end = rest.lastIndexOf(10) + 1
    for (const line of rest.toString('utf8', 0, end).split('\n')) {
      if (line === '') continue
      const [key] = JSON.parse(line) as [string, unknown]
      const place = placeOf(key)
      if (isBehind(place, newest.get(place.partition))) newest.set(place.partition, place)
    }
    whole += end
    rest = rest.subarray(end)
  }
  if (rest.length > 0) await handle.truncate(whole)
  return newest
}

async function passing<Result>(task: () => Promise<Result>): Promise<Result> {
  try {
    return await task()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== undefined && PASSING.has(code)) throw new SinkOutageError(message, { cause: error })
    throw error
  }
}

function bigintAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
