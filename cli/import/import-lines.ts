/**
 * The import itself: request after request through the public bulk lane. Nothing is kept here between runs: what a second
 * run needs (base times) is kept by the platform, and what has happened is in its log.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { rowCommandId } from '../external-ids.ts'
import { CommandFailure } from '../output/failure.ts'
import { BaseTimes } from './base-times.ts'
import { CommandMaker } from './commands-of.ts'
import { ImportLane, type LaneResult } from './lane.ts'
import { prepare, reusedFault, type Item, type PreparedLines } from './prepare.ts'
import { describeReport, Tally, type BadLine, type ImportReport } from './report.ts'
import type { ImportLine } from './file/rows.ts'

export interface ImportOptions {
  /** Where the platform answers. */
  readonly url: string
  /** Under which the platform keeps what a second run needs: the same rows, the same name. At most 128 bytes. */
  readonly name: string
  readonly lines: AsyncIterable<ImportLine>
  /** Lets go of what the lines are read from: a pipe that is waited for may never say more. */
  readonly leave?: () => void
  /** Looks over all lines, before anything is loaded, for one that ends the import. */
  readonly findFault?: () => Promise<BadLine | undefined>
  /** What a bad line does: ends the import before anything of its request is sent, or is skipped and counted. */
  readonly onError: 'stop' | 'skip'
  /** Told after each request. */
  readonly onProgress?: (linesDone: number) => void
  /** Gets sentences for people: what is waited for. */
  readonly log?: (line: string) => void
}

/** Base times that rows may need in one go: each one after the first had expired before they were sent. */
const ATTEMPTS_MAX = 16
/** Between base times that expire as they are begun, doubled: ids may lie ahead of the clock by a minute. */
const EXPIRED_PAUSE_MS = 250
const EXPIRED_PAUSE_MS_MAX = 15_000

/** What one run works with. */
interface Run {
  readonly options: ImportOptions
  readonly lane: ImportLane
  readonly times: BaseTimes
  readonly maker: CommandMaker
  readonly tally: Tally
}

/**
 * Loads lines in their order and returns once each has an outcome that is durable. While a request is under way, the next one
 * is read and made ready; it is sent when the one before has all its outcomes.
 * @throws CommandFailure `bad_line`, `id_reused` (both with the report so far), `platform_unavailable`
 */
export async function importLines(options: ImportOptions): Promise<ImportReport> {
  const { url, name, lines, onError, log = () => undefined } = options
  const lane = new ImportLane(url, log)
  try {
    const partitions = await lane.open()
    const times = await BaseTimes.open(url, name, log)
    const maker = new CommandMaker()
    const run: Run = { options, lane, times, maker, tally: new Tally(name) }
    const found = await options.findFault?.()
    if (found !== undefined) throw badLine(found, run.tally)
    await loadAll(run, prepare(lines, { name, partitions, times, maker, skipsFaults: onError === 'skip' }))
    if (run.tally.reusedCount > 0) throw idReused(run)
    return run.tally.report()
  } finally {
    await lane.close()
  }
}

async function loadAll(run: Run, chunks: AsyncGenerator<PreparedLines, undefined>): Promise<void> {
  let linesDone = 0
  let next = chunks.next()
  try {
    for (;;) {
      const { value, done } = await next
      if (done === true) return
      next = chunks.next()
      // Heard when its turn comes.
      next.catch(() => undefined)
      countFaults(value, run)
      for (const row of value.known) run.tally.known(row)
      await load(run, value.items)
      linesDone += value.lines
      run.options.onProgress?.(linesDone)
    }
  } finally {
    run.options.leave?.()
    await chunks.return(undefined)
  }
}

/** Lines that cannot be loaded are counted, or end the import. */
function countFaults({ bad, reused, lines }: PreparedLines, run: Run): void {
  const { options, tally } = run
  for (const { line, fault } of reused) tally.reused(line, fault)
  if (options.onError === 'stop') {
    if (bad[0] !== undefined) throw badLine(bad[0], tally)
    if (reused.length > 0) throw idReused(run)
  }
  for (const { line, fault } of bad) tally.bad(line, fault)
  tally.read(lines)
}

/**
 * Sends rows under the newest base time. Rows whose ids have expired never happened under that time (the platform looks
 * into its views before it says so), and are sent again under the next one, until each has an outcome.
 */
async function load(run: Run, items: readonly Item[]): Promise<void> {
  const { lane, times, maker, tally } = run
  /** By partition, where its newest base time was seen to have expired. */
  const expiredAt = new Map<number, bigint>()
  let left = items
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt === ATTEMPTS_MAX) throw clockFailure(run)
    if (attempt > 1) await delay(Math.min(EXPIRED_PAUSE_MS_MAX, EXPIRED_PAUSE_MS * 2 ** attempt))
    for (const { partition, timeIndex } of left)
      if (timeIndex >= times.count(partition)) await times.begin(partition, expiredAt.get(partition) ?? 0n)
    const commands = left.map(({ row, digest, partition, timeIndex }) =>
      maker.commandOf(row, rowCommandId(digest, times.at(partition, timeIndex))),
    )
    const results = await lane.send(commands, (partition, sequence) => tally.reached(partition, sequence))
    left = left.filter((item, place) => {
      const result = results[place]!
      if (result.kind !== 'expired') return !count(item, result, run)
      const { partition } = item
      if (result.at > (expiredAt.get(partition) ?? 0n)) expiredAt.set(partition, result.at)
      item.timeIndex++
      return true
    })
  }
}

/** Counts a result. Returns true: it is one. */
function count(item: Item, result: Exclude<LaneResult, { kind: 'expired' }>, run: Run): true {
  const { tally, options } = run
  switch (result.kind) {
    case 'accepted':
      tally.accepted(result.replayed)
      break
    case 'refused':
      if (result.code === 'id_reused') tally.reused(item.line, reusedFault(item.row))
      else tally.refused(result.code, result.replayed)
      break
    case 'ahead':
      // The platform's clock gave the time: then two of its clocks differ, and the row was not decided.
      throw clockFailure(run)
    case 'wrong':
      if (options.onError === 'stop') throw badLine({ line: item.line, fault: result.message }, tally)
      tally.bad(item.line, result.message)
  }
  return true
}

/** A line ends the import. */
function badLine({ line, fault }: BadLine, tally: Tally): CommandFailure {
  tally.bad(line, fault)
  const report = tally.report()
  return new CommandFailure(
    'bad_line',
    `Line ${line} is wrong: ${fault.replace(/\.$/, '')}.\nCorrect it and run the import again (what was loaded is not loaded twice), or skip bad lines with --on-error skip.\n${describeReport(report)}`,
    { report },
  )
}

function idReused({ tally, options }: Run): CommandFailure {
  const report = tally.report()
  const [first] = report.reusedLines
  return new CommandFailure(
    'id_reused',
    `Rows have the id of a row that was imported as "${options.name}" before with other contents, and were not loaded: ` +
      `${tally.reusedCount} so far, the first on line ${first!.line}. A row's id stands for one row for ever. ` +
      `Give rows that are new ids of their own, or import another file under another --name.\n${describeReport(report)}`,
    { report },
  )
}

function clockFailure({ options }: Run): CommandFailure {
  return new CommandFailure(
    'platform_unavailable',
    `The platform at ${options.url} calls new ids expired, or of the future, again and again. Check the clocks of its machines, then run the import again.`,
  )
}
