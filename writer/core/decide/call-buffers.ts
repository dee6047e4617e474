/**
 * Memory of one call into the core: the commands read, the rows written, the time. Everything as 64-bit words of
 * the caller's memory, because a big integer that stays between typed arrays is never allocated.
 */
import { CoreBrokenError } from '../broken.ts'
import type { RowWords } from '../apply/apply.ts'

export interface CallBuffers {
  readonly slots8: Uint8Array
  readonly slots32: Int32Array
  readonly slots: BigInt64Array
  readonly out8: Uint8Array
  readonly rows: RowWords
  readonly partition: number
  /** Latest time that a new id may carry, milliseconds since 1970. */
  readonly idTimeMaxMs: number
}

const nothing = new Uint8Array(0)

/** @param out rows go in here. It and `slots` begin at a multiple of 8 bytes. */
export function createCallBuffers(
  slots: Uint8Array | undefined,
  out: Uint8Array,
  partition: number,
  idTimeMaxMs: number,
): CallBuffers {
  const slots8 = slots ?? nothing
  return {
    slots8,
    slots32: words32Of(slots8),
    slots: wordsOf(slots8),
    out8: out,
    rows: { bytes: out, words: wordsOf(out), words32: words32Of(out) },
    partition,
    idTimeMaxMs,
  }
}

function wordsOf(bytes: Uint8Array): BigInt64Array {
  if (bytes.byteOffset % 8 !== 0) throw new CoreBrokenError('memory is not aligned to 8 bytes')
  return new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 3)
}

function words32Of(bytes: Uint8Array): Int32Array {
  if (bytes.byteOffset % 8 !== 0) throw new CoreBrokenError('memory is not aligned to 8 bytes')
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2)
}
