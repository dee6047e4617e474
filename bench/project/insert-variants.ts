/**
 * What settings of an insert, and of the views' tables, change in what a range costs: `node bin/run.js
 * bench/project/insert-variants.ts [EVENTS_A_RANGE]`. Each variant has tables of its own in one engine, and all of them get the
 * same ranges in turn, so that whatever else the machine does falls on all alike. Nothing is merged meanwhile.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import path from 'node:path'
import { createSharedFeed, createVersion, sharedFeedName } from '../../projectors/clickhouse/view-tables.ts'
import { insertRange, type Range } from '../../projectors/runtime/lanes/range.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { EVENT_ROW_BYTES } from '../../schemas/limits.ts'
import { inNewFolder } from '../data-folder.ts'
import { parseOptions } from '../options.ts'
import { BenchEngine } from './engine.ts'
import { makeLog } from './log.ts'

type Replacements = readonly (readonly [from: string, to: string])[]

interface Variant {
  readonly name: string
  /** Of the insert. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Of the tables: replaced in the statements that make them, or put before all others. */
  readonly table?: Replacements
}

const before = (settings: string): Replacements => [['SETTINGS ', `SETTINGS ${settings}, `]]

const VARIANTS: readonly Variant[] = [
  { name: 'as it is' },
  { name: 'as it is, again' },
  { name: 'no views side by side', settings: { parallel_view_processing: 0 } },
  { name: 'one thread', settings: { max_threads: 1 } },
  { name: 'two insert threads', settings: { max_insert_threads: 2 } },
  { name: 'parallel parsing', settings: { input_format_parallel_parsing: 1 } },
  { name: 'no syncs', table: [['fsync_after_insert = 1, fsync_part_directory = 1', 'fsync_after_insert = 0']] },
  { name: 'no tokens', table: [['deduplication_window = 1000', 'deduplication_window = 0']] },
  { name: 'no sparse columns', table: before('ratio_of_defaults_for_sparse_serialization = 1.0') },
  { name: 'plain marks and keys', table: before('compress_marks = 0, compress_primary_key = 0') },
  { name: 'compact parts', table: before('min_bytes_for_wide_part = 536870912') },
  { name: 'texts in one stream', table: before("string_serialization_version = 'single_stream'") },
  { name: 'ids not compressed', table: [['transfer_id UUID', 'transfer_id UUID CODEC(NONE)'], [' id UUID', ' id UUID CODEC(NONE)']] },
  { name: 'nothing compressed', table: before("default_compression_codec = 'NONE'") },
] // prettier-ignore

const ROUNDS_MAX = 40
const WARM_UP_ROUNDS = 3
const NEVER = 'min_parts_to_merge_at_once = 10000'

const say = (line: string): void => void process.stderr.write(`${line}\n`)

export async function main([size = '2000', ...args]: readonly string[]): Promise<void> {
  const { options } = parseOptions(args)
  const events = Number(size)
  await inNewFolder(options, async (folder) => {
    const log = await makeLog(folder, options, say)
    const engine = await BenchEngine.start(path.join(folder, 'views'))
    const file = openSync(log.sizes.rowsFile, 'r')
    for (const [index, variant] of VARIANTS.entries()) await make(engine.store, `v${index}`, variant)
    const cost = VARIANTS.map(() => 0)
    // Behind the openings of accounts: only transfers.
    const rounds = Math.min(ROUNDS_MAX, Math.floor((log.outcomes.events - log.sizes.accounts) / events))
    for (let round = 0; round < rounds; round++) {
      const range = rangeOf(file, log.sizes.accounts + round * events, events)
      for (const step of VARIANTS.keys()) {
        const index = (step + round) % VARIANTS.length
        const cpuBefore = engine.cpuSeconds()
        await insert(engine.store, `v${index}`, VARIANTS[index]!, range)
        if (round >= WARM_UP_ROUNDS) cost[index]! += engine.cpuSeconds() - cpuBefore
      }
    }
    closeSync(file)
    await engine.stop()
    for (const [index, { name }] of VARIANTS.entries()) {
      const ms = (cost[index]! / (rounds - WARM_UP_ROUNDS)) * 1_000
      process.stdout.write(`${name.padEnd(24)} ${ms.toFixed(1).padStart(8)} ms of CPU ${(cost[index]! / cost[0]!).toFixed(3)}\n`)
    }
  })
} // prettier-ignore

async function make(store: ViewStore, database: string, { table = [] }: Variant): Promise<void> {
  await store.command(`CREATE DATABASE ${database} ENGINE = Atomic`)
  const layout = { database }
  for (const statement of [
    ...BUILT_IN_PROJECTIONS.flatMap((one) => (one.kind === 'sql' ? createVersion(one, layout) : [])),
    ...createSharedFeed(BUILT_IN_PROJECTIONS, layout),
  ]) {
    const changed = table.reduce((text, [from, to]) => text.replaceAll(from, to), statement)
    await store.command(changed.replace(/min_parts_to_merge_at_once = \d+/, NEVER))
  }
}

/** As the runtime does, with the variant's settings in the place of its own. */
async function insert(store: ViewStore, database: string, { settings = {} }: Variant, range: Range): Promise<void> {
  const bent: ViewStore = {
    ...store,
    insertPayload: (sql, payloads, given) => store.insertPayload(sql, payloads, { ...given, ...settings }),
  }
  await insertRange(bent, sharedFeedName(BUILT_IN_PROJECTIONS, database), range)
} // prettier-ignore

function rangeOf(file: number, first: number, events: number): Range {
  const bytes = Buffer.allocUnsafe(events * EVENT_ROW_BYTES)
  readSync(file, bytes, 0, bytes.length, first * EVENT_ROW_BYTES)
  const [from, last] = [BigInt(first + 1), BigInt(first + events)]
  const checkpoint = { partition: 0, sequence: last, hash: new Uint8Array(32), recordedAtNs: 0n, logOffset: 0n }
  return { first: from, last, payloads: [bytes], checkpoint }
} // prettier-ignore
