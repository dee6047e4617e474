/**
 * Lines → what is to be sent: their ids made, and whatever is known of them from before settled without sending it again.
 *
 * A row is known by its id alone, wherever it stands: in another place, behind new rows, in another file under the same
 * name. Known with the same body it is a repeat; with another one it is no row that could be loaded.
 */
import { rowDigest } from '../external-ids.ts'
import { CommandFailure } from '../output/failure.ts'
import type { BaseTimes, Known, KnownRow } from './base-times.ts'
import { intoChunks, isLinked, type Chunk } from './chunks.ts'
import type { CommandMaker } from './commands-of.ts'
import type { BadLine } from './report.ts'
import { printable, type ImportLine, type ImportRow } from './file/rows.ts'
import { SeenIds, TRANSFERS_MAX } from './seen-ids.ts'

/** A row that is to be sent. */
export interface Item {
  readonly line: number
  readonly row: ImportRow
  readonly digest: Buffer
  readonly partition: number
  /** Under which of its partition's base times it is sent next; under none before that one can it take effect any more. */
  timeIndex: number
}

/** Lines that are ready: read, judged, and looked up. */
export interface PreparedLines {
  /** How many lines there were. */
  readonly lines: number
  readonly items: readonly Item[]
  readonly bad: readonly BadLine[]
  /** Rows whose id was loaded with another body before. */
  readonly reused: readonly BadLine[]
  /** What the other rows had come to before. */
  readonly known: readonly KnownRow[]
}

export interface PrepareContext {
  readonly name: string
  readonly partitions: number
  readonly times: BaseTimes
  readonly maker: CommandMaker
  /** False where nothing of lines with a fault among them will be sent: then they are not looked up. */
  readonly skipsFaults: boolean
}

/**
 * Reads lines and makes them ready, a request's worth at a time. While one is looked up, the next is read; none waits for
 * what comes behind it, which in a pipe may be long in coming.
 */
export async function* prepare(
  lines: AsyncIterable<ImportLine>,
  context: PrepareContext,
): AsyncGenerator<PreparedLines, undefined> {
  const chunks = intoChunks(withoutRepeats(lines, context.name))
  const read = (): Promise<IteratorResult<Chunk>> => {
    const reading = chunks.next()
    // Heard when its turn comes.
    reading.catch(() => undefined)
    return reading
  }
  let reading = read()
  try {
    for (;;) {
      const next = await reading
      if (next.done === true) return undefined
      const ready = prepareChunk(next.value, context)
      reading = read()
      yield await ready
    }
  } finally {
    await chunks.return(undefined)
  }
}

/** Marks rows with their digests; a transfer whose id stood in the file before becomes a bad line. */
async function* withoutRepeats(
  lines: AsyncIterable<ImportLine>,
  importName: string,
): AsyncGenerator<ImportLine> {
  const seen = new SeenIds()
  for await (const entry of lines) {
    if ('fault' in entry) {
      yield entry
      continue
    }
    const { line, row } = entry
    const digest = rowDigest(importName, row.type, row.id)
    const verdict = row.type === 'transfer' ? seen.add(digest) : 'new'
    if (verdict === 'full') throw tooLong()
    if (verdict === 'new') yield { line, row, digest }
    else
      yield {
        line,
        fault: `id: "${printable(row.id)}" stands on an earlier line as well`,
        linked: isLinked(entry),
      }
  }
}

async function prepareChunk(chunk: Chunk, context: PrepareContext): Promise<PreparedLines> {
  const bad = chunk.filter((entry) => 'fault' in entry)
  const lines = chunk.length
  const isSent = bad.length < lines && (bad.length === 0 || context.skipsFaults)
  if (!isSent) return { lines, items: [], bad, reused: [], known: [] }
  const groups = intoItems(chunk, context)
  if (!context.times.mayKnowRows) return { lines, items: groups.flat(), bad, reused: [], known: [] }
  const looked = await context.times.known(groups.flat().map(({ digest }) => digest.toString('hex', 0, 10)))
  return { lines, ...settle(groups, looked, bad, context.maker) }
}

/** The good rows, those that are linked in one group. */
function intoItems(chunk: Chunk, { partitions, maker }: PrepareContext): Item[][] {
  const groups: Item[][] = []
  let goesOn = false
  for (const entry of chunk) {
    if ('fault' in entry) continue
    const { line, row, digest } = entry
    const item = { line, row, digest: digest!, partition: maker.partitionOf(row, partitions), timeIndex: 0 }
    if (goesOn) groups.at(-1)!.push(item)
    else groups.push([item])
    goesOn = isLinked(entry)
  }
  return groups
}

/** Takes out what is known. A group is known as a whole, or it is not the one that it was. */
function settle(
  groups: readonly Item[][],
  looked: Known,
  badBefore: readonly BadLine[],
  maker: CommandMaker,
): Omit<PreparedLines, 'lines'> {
  const items: Item[] = []
  const bad = [...badBefore]
  const reused: BadLine[] = []
  const known: KnownRow[] = []
  let index = 0
  for (const group of groups) {
    const found = group.map(() => looked.rows.get(index++))
    if (found.every((row) => row === undefined)) {
      // The newest base time may still bring rows to effect, none before it can.
      for (const item of group) item.timeIndex = Math.max(0, looked.looked(item.partition) - 1)
      items.push(...group)
      continue
    }
    group.forEach((item, at) => {
      const row = found[at]
      if (row === undefined) bad.push({ line: item.line, fault: CHANGED_GROUP })
      else if (row.fingerprint === maker.fingerprintOf(item.row, row.scale)) known.push(row)
      else reused.push({ line: item.line, fault: reusedFault(item.row) })
    })
  }
  return { items, bad: bad.sort((left, right) => left.line - right.line), reused, known }
}

const CHANGED_GROUP = 'linked with a row that was imported before without this one'

/** What is said of a row whose id was loaded with another body before. */
export function reusedFault({ id }: ImportRow): string {
  return `id: "${printable(id)}" was imported before with other contents`
}

function tooLong(): CommandFailure {
  return new CommandFailure(
    'file_unreadable',
    `The file has more than ${TRANSFERS_MAX} transfers. Split it, and import the parts under names of their own.`,
  )
}
