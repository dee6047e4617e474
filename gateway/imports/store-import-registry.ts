/**
 * Keeps base times of imports in the view store, for gateways that store nothing themselves. An import may begin a base
 * time at one gateway and find it at any other. There is one row per base time; a repeated insert is the same row.
 *
 * The store cannot tell which of two gateways came first. If rows took effect under different base times, they would
 * happen twice. So the gateways agree on each base time by Disk Paxos (Gafni and Lamport, 2003), with this table as the
 * disk. It assumes only that an insert that was answered is seen by every later read. It assumes nothing about how long
 * anything takes.
 *
 *   promise   a ballot, higher than all that were seen
 *   accepted  a value under a ballot: that of the highest ballot under which one was accepted before, else one's own
 *   decided   what was accepted when no higher ballot was to be seen; all decided rows of an ordinal are alike
 */
import { randomUUID } from 'node:crypto'
import { IMPORTS_TABLE } from '../../projectors/clickhouse/imports-table.ts'
import { OutageError, type ViewStore } from '../../projectors/clickhouse/view-store.ts'
import {
  checkRoom,
  ImportRegistryFullError,
  IMPORTS_MAX,
  newestOf,
  type BaseTime,
  type Beginning,
  type ImportRegistry,
  type ImportTimes,
} from './import-registry.ts'

/** In the column `chunk`: lower numbers are chunks of an earlier version; from here on they are partitions. */
const PARTITIONS_FROM = 1_000_000
/** Values of the column `has_anchor` in rows of partitions. */
const KINDS = { promise: 1, accepted: 2, decided: 3 } as const
type Kind = keyof typeof KINDS
const ROUNDS_MAX = 50
const BACK_OFF_MS_MAX = 200

/** The value to agree on: the base time, and the sequence behind which it begins. */
interface Value {
  readonly base_ms: string
  readonly anchor: string
}

interface Row extends Value {
  readonly chunk: number
  readonly ordinal: number
  /** The ballot, which sorts as text, and the kind. There is one row for each. */
  readonly token: string
  readonly kind: number
}

/** @param store holds the table of projectors/clickhouse/imports-table.ts and may write it */
export function createStoreImportRegistry(store: ViewStore): ImportRegistry {
  const rowsOf = (importName: string, condition: string): Promise<Row[]> =>
    store.query<Row>(
      `SELECT chunk, ordinal, token, toString(base_ms) AS base_ms, has_anchor AS kind, anchor FROM ${IMPORTS_TABLE}
       WHERE import_name = {import:String} AND ${condition} ORDER BY chunk, ordinal, token`,
      { import: importName },
    )

  const insert = (importName: string, { chunk, ordinal, token, base_ms, kind, anchor }: Row): Promise<void> =>
    store.command(
      `INSERT INTO ${IMPORTS_TABLE} (partition, import_name, chunk, ordinal, token, base_ms, has_anchor, anchor)
       SELECT 0, {import:String}, {chunk:UInt32}, {ordinal:UInt16}, {token:String}, {base:Int64}, {kind:UInt8}, {anchor:String}`,
      { import: importName, chunk, ordinal, token, base: base_ms, kind, anchor },
    )

  async function times(importName: string): Promise<ImportTimes> {
    const byPartition = new Map<number, BaseTime[]>()
    const ofChunks = new Set<number>()
    const isKept = `(chunk < ${PARTITIONS_FROM} OR has_anchor = ${KINDS.decided})`
    for (const { chunk, ordinal, base_ms, anchor } of await rowsOf(importName, isKept)) {
      if (chunk < PARTITIONS_FROM) {
        ofChunks.add(Number(base_ms))
        continue
      }
      const known = byPartition.get(chunk - PARTITIONS_FROM) ?? []
      // Repeated decisions are equal.
      known[ordinal] = { baseMs: Number(base_ms), after: BigInt(anchor) }
      byPartition.set(chunk - PARTITIONS_FROM, known)
    }
    return { byPartition, ofChunks: [...ofChunks] }
  }

  async function refuseFull(importName: string): Promise<void> {
    const [row] = await store.query<{ others: string; known: number }>(
      `SELECT toString(uniqExact(import_name)) AS others, countIf(import_name = {import:String}) > 0 AS known
       FROM ${IMPORTS_TABLE}`,
      { import: importName },
    )
    if (row!.known === 0 && Number(row!.others) >= IMPORTS_MAX)
      throw new ImportRegistryFullError(`there are ${IMPORTS_MAX} imports already`)
  }

  /**
   * Runs one ballot.
   * @returns false if a higher ballot came in between
   */
  async function tryBallot(importName: string, chunk: number, ordinal: number, own: Value): Promise<boolean> {
    const look = (): Promise<Row[]> => rowsOf(importName, `chunk = ${chunk} AND ordinal = ${ordinal}`)
    const before = await look()
    if (before.some(isDecided)) return true
    const round = Number(before.at(-1)?.token.slice(0, ROUND_DIGITS) ?? 0) + 1
    const ballot = `${String(round).padStart(ROUND_DIGITS, '0')}-${randomUUID()}`
    const write = (kind: Kind, { base_ms, anchor }: Value): Promise<void> =>
      insert(importName, { chunk, ordinal, token: `${ballot}/${kind}`, kind: KINDS[kind], base_ms, anchor })

    await write('promise', own)
    const promised = await look()
    if (isPassed(promised, ballot)) return false
    const value = promised.findLast(({ kind }) => kind !== KINDS.promise) ?? own
    await write('accepted', value)
    if (isPassed(await look(), ballot)) return false
    await write('decided', value)
    return true
  }

  async function begin(importName: string, beginning: Beginning): Promise<ImportTimes> {
    const { partition, beyond, nowMs, after } = beginning
    const kept = await times(importName)
    if (newestOf(kept, partition) !== beyond) return kept
    checkRoom(kept, partition)
    if (kept.byPartition.size === 0) await refuseFull(importName)
    const ordinal = kept.byPartition.get(partition)?.length ?? 0
    const own = { base_ms: String(nowMs), anchor: String(after) }
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (await tryBallot(importName, PARTITIONS_FROM + partition, ordinal, own)) return times(importName)
      const backOffMs = Math.random() * BACK_OFF_MS_MAX * Math.min(round + 1, 10)
      await new Promise((resolve) => setTimeout(resolve, backOffMs))
    }
    throw new OutageError('Gateways do not come to agree on a base time: too many ask at once.')
  }

  return { times, begin }
}

const ROUND_DIGITS = 6

function isDecided({ kind }: Row): boolean {
  return kind === KINDS.decided
}

/** True if there is a higher ballot. Rows are in the order of their ballots. */
function isPassed(rows: readonly Row[], ballot: string): boolean {
  return !rows.at(-1)!.token.startsWith(ballot)
}
