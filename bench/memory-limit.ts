/**
 * What the memory of this machine allows: for each transfer the same loads and stores as the core's, and no decisions.
 * A command is read and a row written, one behind the other; two index entries and two remembered-id slots are read, two
 * accounts' lines changed and one id slot written at random places, in blocks so that the misses overlap.
 */
import { SLOT_WORDS } from '../schemas/commands.ts'
import { ROW_WORDS } from '../schemas/events.ts'
import { Random } from './random.ts'
import { threadClock } from './thread-cpu.ts'

const BLOCK = 64
const LINE_WORDS = 8
const ID_WORDS32 = 4
/** Slots of one generation of remembered ids of the usual size. */
const ID_SLOTS = 2 ** 21
const BATCH = 8_192

export interface MemoryLimit {
  /** Transfers a second of wall time. */
  readonly perSecond: number
  /** Transfers a second of the thread's CPU time: what others do on the machine hardly shows in it. */
  readonly perCpuSecond: number
}

/** How quick the memory traffic alone is. Blocks for about `seconds`. */
export function measureMemoryLimit(accounts: number, seconds: number): MemoryLimit {
  const lines = new BigInt64Array(accounts * LINE_WORDS)
  const index = new Int32Array(2 ** Math.ceil(Math.log2(accounts + 1)) * 2).fill(1)
  const ids = [new Int32Array(ID_SLOTS * ID_WORDS32).fill(1), new Int32Array(ID_SLOTS * ID_WORDS32).fill(1)]
  const slots = new BigInt64Array(BATCH * SLOT_WORDS)
  const rows = new BigInt64Array(BATCH * ROW_WORDS)
  const random = new Random(7)
  const places = Int32Array.from({ length: BATCH * 3 }, () => random.next())
  let touched = 0
  let transfers = 0
  const cpuNs = threadClock()
  const cpuBefore = cpuNs()
  const startMs = performance.now()
  let elapsedMs = 0
  for (let salt = 1; elapsedMs < seconds * 1_000; salt = (salt + 0x9e3779b1) | 0) {
    for (let from = 0; from < BATCH; from += BLOCK)
      touched ^= moveBlock(from, salt, places, lines, index, ids[0]!, ids[1]!, slots, rows, accounts)
    transfers += BATCH
    elapsedMs = performance.now() - startMs
  }
  // So that nothing of it is optimised away.
  if (touched === 0x7fffffff) throw new Error('the memory answered with a number that it cannot hold')
  return { perSecond: (transfers / elapsedMs) * 1e3, perCpuSecond: (transfers / (cpuNs() - cpuBefore)) * 1e9 }
}

function moveBlock(
  from: number,
  salt: number,
  places: Int32Array,
  lines: BigInt64Array,
  index: Int32Array,
  younger: Int32Array,
  older: Int32Array,
  slots: BigInt64Array,
  rows: BigInt64Array,
  accounts: number,
): number {
  let touched = 0
  for (let at = from; at < from + BLOCK; at++) {
    const id = ((places[at]! ^ salt) & (ID_SLOTS - 1)) * ID_WORDS32
    touched ^= younger[id]! ^ older[id]!
    touched ^= index[(places[BATCH + at]! ^ salt) & (index.length - 1)]!
    touched ^= index[(places[BATCH * 2 + at]! ^ salt) & (index.length - 1)]!
  }
  for (let at = from; at < from + BLOCK; at++) {
    const slot = at * SLOT_WORDS
    const row = at * ROW_WORDS
    for (let word = 0; word < SLOT_WORDS; word++) rows[row + word] = slots[slot + word]!
    const debit = (((places[BATCH + at]! ^ salt) >>> 0) % accounts) * LINE_WORDS
    const credit = (((places[BATCH * 2 + at]! ^ salt) >>> 0) % accounts) * LINE_WORDS
    lines[debit] = BigInt.asIntN(64, lines[debit]! + 1n)
    lines[credit] = BigInt.asIntN(64, lines[credit]! + 1n)
    for (let word = SLOT_WORDS; word < ROW_WORDS; word++)
      rows[row + word] = lines[(word & 1) === 0 ? debit : credit]!
    younger[((places[at]! ^ salt) & (ID_SLOTS - 1)) * ID_WORDS32] = salt
  }
  return touched
}
