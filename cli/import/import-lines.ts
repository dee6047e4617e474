/**
 * The import itself: chunk after chunk through the public bulk lane. Nothing is kept here between runs: what a second run
 * needs (the base time of each chunk) is kept by the platform, and what has happened is in its log.
 */
import { CommandFailure } from '../failure.ts'
import { rowDigest } from '../external-ids.ts'
import { intoChunks, type Chunk } from './chunks.ts'
import { commandOf } from './commands-of.ts'
import { chunkBaseTimes, sendCommands, type LaneResult } from './lane.ts'
import { describeReport, Tally, type ImportReport } from './report.ts'
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

/**
 * Loads lines in their order and returns once each has an outcome that is durable.
 * @throws CommandFailure `bad_line` (with the report so far), `platform_unavailable`
 */
export async function importLines(options: ImportOptions): Promise<ImportReport> {
  const tally = new Tally(options.name)
  const seen = new SeenIds()
  let linesDone = 0
  for await (const chunk of intoChunks(options.lines)) {
    const items = prepare(chunk, options, seen, tally)
    await load(options, chunk.index, items, tally)
    linesDone += chunk.lines.length
    options.onProgress?.(linesDone)
  }
  return tally.report()
}

/** The lines of a chunk that can be sent; bad ones are counted or end the import. */
function prepare(chunk: Chunk, { name, onError }: ImportOptions, seen: SeenIds, tally: Tally): Item[] {
  const items: Item[] = []
  const bad = (line: number, fault: string): void => {
    tally.bad(line, fault)
    if (onError === 'stop') throw badLine(line, fault, tally)
  }
  for (const [place, entry] of chunk.lines.entries()) {
    if ('fault' in entry) {
      bad(entry.line, entry.fault)
      continue
    }
    const { line, row } = entry
    const digest = rowDigest(name, row.type, row.id)
    const verdict = row.type === 'transfer' ? seen.add(digest) : 'new'
    if (verdict === 'new') items.push({ place, line, row, digest })
    else if (verdict === 'seen') bad(line, `id: ${JSON.stringify(row.id)} stands on an earlier line as well`)
    else throw tooLong()
  }
  tally.read(chunk.lines.length)
  return items
}

/**
 * Sends a chunk under its first base time. Rows whose ids have expired never happened under that time (the platform looks
 * into its views before it says so), and are sent again under the next one, until each has an outcome.
 */
async function load(
  options: ImportOptions,
  chunk: number,
  items: readonly Item[],
  tally: Tally,
): Promise<void> {
  let left = items
  let times: readonly number[] = []
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt >= times.length) {
      if (attempt >= BASE_TIMES_MAX) throw clockFailure(options.url)
      const anchor = anchorOf(items[0]!)
      const kept = await chunkBaseTimes(options.url, options.name, chunk, { further: attempt > 0, anchor })
      if (!isStillThere(kept.anchor ?? anchor, items)) throw differs(options.name, items[0]!.line)
      times = kept.baseTimesMs
    }
    const baseTimeMs = times[attempt]!
    const commands = left.map(({ row, digest }) => commandOf(row, digest, baseTimeMs))
    const results = await sendCommands(options.url, commands, (position) => tally.reached(position))
    left = left.filter((item, index) => !count(item, results[index]!, options, tally))
  }
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
