/**
 * The import itself: chunk after chunk through the public bulk lane. Nothing is kept here between runs: what a second run
 * needs (the base time of each chunk) is kept by the platform, and what has happened is in its log.
 */
import { CommandFailure } from '../failure.ts'
import { rowDigest } from '../external-ids.ts'
import { intoChunks, type Chunk } from './chunks.ts'
import { chunkBaseTimes, type KeptChunk } from './base-times.ts'
import { CommandMaker } from './commands-of.ts'
import { ImportLane, type LaneResult } from './lane.ts'
import { describeReport, Tally, type BadLine, type ImportReport } from './report.ts'
import type { ImportLine, ImportRow } from './rows.ts'
import { SeenIds, TRANSFERS_MAX } from './seen-ids.ts'

export interface ImportOptions {
  /** Where the platform answers. */
  readonly url: string
  /** Under which the platform keeps what a second run needs: the same file, the same name. At most 128 bytes. */
  readonly name: string
  readonly lines: AsyncIterable<ImportLine>
  /** What a bad line does: ends the import before its chunk is sent, or is skipped and counted. */
  readonly onError: 'stop' | 'skip'
  /** Told after each chunk. */
  readonly onProgress?: (linesDone: number) => void
}

/** A line that is to be sent. */
interface Item {
  /** Place within the chunk, bad lines counted. */
  readonly place: number
  readonly line: number
  readonly row: ImportRow
  readonly digest: Buffer
}

/** Base times that a chunk may get: each one after the first was a run that was cut off before the chunk was applied. */
const BASE_TIMES_MAX = 16

/** A chunk that is ready to be sent. */
interface Prepared {
  readonly index: number
  readonly lines: number
  readonly items: readonly Item[]
  readonly bad: readonly BadLine[]
  /** Undefined where nothing of the chunk is to be sent. */
  readonly kept: KeptChunk | undefined
}

/**
 * Loads lines in their order and returns once each has an outcome that is durable. While a chunk is under way, the next one
 * is read and made ready; it is sent when the one before has all its outcomes.
 * @throws CommandFailure `bad_line` (with the report so far), `platform_unavailable`
 */
export async function importLines(options: ImportOptions): Promise<ImportReport> {
  const tally = new Tally(options.name)
  const lane = new ImportLane(options.url)
  const maker = new CommandMaker()
  const chunks = prepared(options)
  let linesDone = 0
  let next = chunks.next()
  try {
    for (;;) {
      const { value, done } = await next
      if (done === true) return tally.report()
      next = chunks.next()
      // Heard when its turn comes.
      next.catch(() => undefined)
      countBad(value, options, tally)
      await load(options, value, lane, maker, tally)
      linesDone += value.lines
      options.onProgress?.(linesDone)
    }
  } finally {
    await chunks.return(undefined)
    await lane.close()
  }
}

/** Reads chunks, and asks for the base times of each. */
async function* prepared(options: ImportOptions): AsyncGenerator<Prepared, undefined> {
  const seen = new SeenIds()
  for await (const chunk of intoChunks(options.lines)) {
    const { items, bad } = sorted(chunk, options.name, seen)
    const isSent = items.length > 0 && (bad.length === 0 || options.onError === 'skip')
    const kept = isSent ? await baseTimes(options, chunk.index, items, false) : undefined
    yield { index: chunk.index, lines: chunk.lines.length, items, bad, kept }
  }
  return undefined
}

/** The lines of a chunk that can be sent, and the bad ones. */
function sorted(
  chunk: Chunk,
  name: string,
  seen: SeenIds,
): { readonly items: readonly Item[]; readonly bad: readonly BadLine[] } {
  const items: Item[] = []
  const bad: BadLine[] = []
  for (const [place, entry] of chunk.lines.entries()) {
    if ('fault' in entry) {
      bad.push(entry)
      continue
    }
    const { line, row } = entry
    const digest = rowDigest(name, row.type, row.id)
    const verdict = row.type === 'transfer' ? seen.add(digest) : 'new'
    if (verdict === 'new') items.push({ place, line, row, digest })
    else if (verdict === 'seen')
      bad.push({ line, fault: `id: ${JSON.stringify(row.id)} stands on an earlier line as well` })
    else throw tooLong()
  }
  return { items, bad }
}

/** Bad lines are counted, or end the import. */
function countBad({ bad, lines }: Prepared, { onError }: ImportOptions, tally: Tally): void {
  for (const { line, fault } of bad) {
    tally.bad(line, fault)
    if (onError === 'stop') throw badLine(line, fault, tally)
  }
  tally.read(lines)
}

/**
 * Sends a chunk under its first base time. Rows whose ids have expired never happened under that time (the platform looks
 * into its views before it says so), and are sent again under the next one, until each has an outcome.
 */
async function load(
  options: ImportOptions,
  { index, items, kept }: Prepared,
  lane: ImportLane,
  maker: CommandMaker,
  tally: Tally,
): Promise<void> {
  let left = items
  let times = kept?.baseTimesMs ?? []
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt >= times.length) {
      if (attempt >= BASE_TIMES_MAX) throw clockFailure(options.url)
      times = (await baseTimes(options, index, items, true)).baseTimesMs
    }
    const baseTimeMs = times[attempt]!
    const commands = left.map(({ row, digest }) => maker.commandOf(row, digest, baseTimeMs))
    const results = await lane.send(commands, (partition, sequence) => tally.reached(partition, sequence))
    left = left.filter((item, place) => !count(item, results[place]!, options, tally))
  }
}

/** What the platform keeps of a chunk. @param further begins another base time */
async function baseTimes(
  { url, name }: ImportOptions,
  chunk: number,
  items: readonly Item[],
  further: boolean,
): Promise<KeptChunk> {
  const anchor = anchorOf(items[0]!)
  const kept = await chunkBaseTimes(url, name, chunk, { further, anchor })
  if (!isStillThere(kept.anchor ?? anchor, items)) throw differs(name, items[0]!.line)
  return kept
}

/** By which row a chunk is known again: where its first good row stood, and the fingerprint of that row's id. */
function anchorOf({ place, digest }: Item): string {
  return `${place}:${digest.toString('hex', 0, 8)}`
}

/** Other bad lines may be good by now; what stood in the anchor's place may not have moved. */
function isStillThere(anchor: string, items: readonly Item[]): boolean {
  return items.some((item) => anchorOf(item) === anchor)
}

/** Counts a result. Returns false for a row that has to be sent again under a younger id. */
function count(item: Item, result: LaneResult, options: ImportOptions, tally: Tally): boolean {
  if (result.kind === 'refused' && result.code === 'id_expired') return false
  switch (result.kind) {
    case 'accepted':
      tally.accepted(result.replayed)
      break
    case 'refused':
      tally.refused(result.code)
      break
    case 'wrong':
      tally.bad(item.line, result.message)
      if (options.onError === 'stop') throw badLine(item.line, result.message, tally)
  }
  return true
}

function badLine(line: number, fault: string, tally: Tally): CommandFailure {
  const report = tally.report()
  return new CommandFailure(
    'bad_line',
    `Line ${line} is wrong: ${fault.replace(/\.$/, '')}.\nCorrect it and run the import again (what was loaded is not loaded twice), or skip bad lines with --on-error skip.\n${describeReport(report)}`,
    { report },
  )
}

function differs(name: string, line: number): CommandFailure {
  return new CommandFailure(
    'import_differs',
    `From line ${line} on, the file is not the one that was imported as "${name}" before: its rows have moved. ` +
      'Loading them from their new places could make some happen twice, so nothing more was loaded. ' +
      'Put the lines back in their places (new ones go to the end), or import another file under another --name.',
  )
}

function tooLong(): CommandFailure {
  return new CommandFailure(
    'file_unreadable',
    `The file has more than ${TRANSFERS_MAX} transfers. Split it, and import the parts under names of their own.`,
  )
}

function clockFailure(url: string): CommandFailure {
  return new CommandFailure(
    'platform_unavailable',
    `The platform at ${url} calls new ids expired again and again. Check its clock, then run the import again.`,
  )
}
