/**
 * Where an import reads from: a file, or what comes through a pipe (`-`, `/dev/stdin`, a FIFO, a process substitution). Read
 * once, from its first byte to its last, and never sought in: how it is packed is told by the first bytes as they come.
 */
import { createReadStream, fstatSync, open, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { pipeline, Readable } from 'node:stream'
import { promisify } from 'node:util'
import { createGunzip } from 'node:zlib'
import { CommandFailure } from '../output/failure.ts'

export type Bytes = AsyncIterable<Buffer>

/** A place to read from that was found to be there; nothing is read yet. */
export interface Source {
  /** As the user wrote it, for sentences. */
  readonly shown: string
  /** True for a file that can be read again and again; false for what is gone once it is read. */
  readonly isFile: boolean
  /** True where the path does not say what comes: `-`, `/dev/stdin`, `/dev/fd/63`. */
  readonly isNameless: boolean
  /** Bytes on disk; 0 for what has no length. */
  readonly bytes: number
  /** Bytes taken so far by the reading that was begun last; progress counts these. */
  bytesRead(): number
  /**
   * Reads it, unpacked. What is no file can be read once.
   * @throws CommandFailure `file_unreadable`, from the iteration
   */
  read(): Bytes
  /** Ends all readings, also one that waits for a pipe: whoever reads is told that there is no more, or of a failure. */
  leave(): void
}

const NAMELESS = /^(-|\/dev\/(stdin|fd\/\d+)|\/proc\/(self|\d+)\/fd\/\d+)$/

/**
 * Looks at a path, or at standard input.
 * @throws CommandFailure `file_unreadable` where there is nothing to read
 */
export async function findSource(path: string): Promise<Source> {
  const isStdin = path === '-' || path === '/dev/stdin'
  const shown = isStdin ? 'standard input' : path
  const found = await sayingWhy(shown, async () => (isStdin ? fstatSync(0) : stat(path)))
  if (found.isDirectory()) throw unreadable(shown, 'it is a folder, not a file')
  // A file on standard input is read from where it stands, and stands at its end then.
  const isFile = found.isFile() && !isStdin
  let bytesRead = 0
  let readings = 0
  const open = new Set<Readable>()
  return {
    shown,
    isFile,
    isNameless: NAMELESS.test(path),
    bytes: found.isFile() ? found.size : 0,
    bytesRead: () => bytesRead,
    read: () => {
      if (!isFile && readings++ > 0) throw new Error(`${shown} was read before, and is gone`)
      bytesRead = 0
      const raw = counted(async () => {
        const stream = await openStream(isStdin ? undefined : path, found)
        open.add(stream)
        return stream
      }, (bytes) => (bytesRead += bytes))
      return unpacked(shown, raw)
    },
    leave: () => {
      for (const stream of open) stream.destroy()
    },
  }
} // prettier-ignore

const openDescriptor = promisify(open)

/** A reader that can be left in the middle, whatever it reads: a pipe that says nothing may not keep the process. */
async function openStream(path: string | undefined, found: Stats): Promise<Readable> {
  if (path === undefined) return process.stdin
  if (found.isFile()) return createReadStream(path)
  const fd = await openDescriptor(path, 'r')
  return found.isFIFO() ? new Socket({ fd, readable: true, writable: false }) : createReadStream('', { fd })
} // prettier-ignore

async function* counted(openIt: () => Promise<Readable>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of (await openIt()) as AsyncIterable<Buffer>) {
    count(chunk.length)
    yield chunk
  }
} // prettier-ignore

/** Longest of the marks below. */
const MARK_BYTES = 6

/** By which first bytes a file is told that is not what an import reads. */
const STRANGE: readonly (readonly [mark: string, what: string])[] = [
  ['fffe', 'it is UTF-16, or UTF-32: save it as UTF-8'],
  ['feff', 'it is UTF-16: save it as UTF-8'],
  ['0000feff', 'it is UTF-32: save it as UTF-8'],
  ['504b0304', 'it is a ZIP archive or a spreadsheet: save it as CSV, or unpack it'],
  ['28b52ffd', 'it is packed with zstd, of packed files only gzip is read: unpack it'],
  ['fd377a585a00', 'it is packed with xz, of packed files only gzip is read: unpack it'],
  ['425a68', 'it is packed with bzip2, of packed files only gzip is read: unpack it'],
]
const GZIP = '1f8b'
const BYTE_ORDER_MARK = 'efbbbf'

async function* unpacked(shown: string, raw: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    const packed = await peek(raw)
    yield* packed.mark.startsWith(GZIP) ? plain(await peek(gunzipped(packed.all()))) : plain(packed)
  } catch (error) {
    if (error instanceof CommandFailure) throw error
    throw unreadable(shown, reasonOf(error))
  }

  async function* plain(peeked: Peeked): AsyncGenerator<Buffer> {
    const strange = STRANGE.find(([bytes]) => peeked.mark.startsWith(bytes))
    if (strange !== undefined) throw unreadable(shown, strange[1])
    let rest = peeked.mark.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length / 2 : 0
    for await (const chunk of peeked.all()) {
      yield chunk.subarray(Math.min(rest, chunk.length))
      rest -= Math.min(rest, chunk.length)
    }
  }
}

interface Peeked {
  /** The first bytes, in hexadecimal; fewer where there are no more. */
  readonly mark: string
  /** Everything, these bytes included. */
  all(): AsyncGenerator<Buffer>
}

async function peek(input: AsyncGenerator<Buffer>): Promise<Peeked> {
  const head: Buffer[] = []
  let bytes = 0
  while (bytes < MARK_BYTES) {
    const next = await input.next()
    if (next.done === true) break
    head.push(next.value)
    bytes += next.value.length
  }
  return {
    mark: Buffer.concat(head).toString('hex', 0, MARK_BYTES),
    async *all() {
      try {
        yield* head
        yield* input
      } finally {
        await input.return(undefined)
      }
    },
  }
}

/** Every member of a gzip file; anything behind the last one but padding of zeros is told, not dropped. */
async function* gunzipped(packed: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  let given = 0
  /** Where the last byte ends that is not zero. */
  let used = 0
  async function* watched(): AsyncGenerator<Buffer> {
    for await (const chunk of packed) {
      let end = chunk.length
      while (end > 0 && chunk[end - 1] === 0) end--
      if (end > 0) used = given + end
      given += chunk.length
      yield chunk
    }
  }
  // Errors of either end reach who reads the last stream.
  const source = Readable.from(watched(), { objectMode: false })
  pipeline(source, gunzip, () => undefined)
  yield* gunzip as AsyncIterable<Buffer>
  if (gunzip.bytesWritten < used)
    throw new Error(`${used - gunzip.bytesWritten} bytes stand behind the end of its gzip data`)
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown }
  switch (code) {
    case 'ENOENT':
      return 'there is no such file'
    case 'EISDIR':
      return 'it is a folder, not a file'
    case 'EACCES':
    case 'EPERM':
      return 'this user may not read it'
    case 'Z_BUF_ERROR':
      return 'its gzip data are cut off'
    default:
      return typeof code === 'string' && code.startsWith('Z_') ? 'its gzip data are damaged' : String(message)
  }
}

async function sayingWhy<Value>(shown: string, look: () => Promise<Value>): Promise<Value> {
  try {
    return await look()
  } catch (error) {
    throw unreadable(shown, reasonOf(error))
  }
}

function unreadable(shown: string, why: string): CommandFailure {
  return new CommandFailure(
    'file_unreadable',
    `${shown} cannot be imported: ${why}. Check the path and the file.`,
  )
}
