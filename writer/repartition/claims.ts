/**
 * What claims of ids are to another number of partitions: homes move with it, and so claims are made anew. A command that
 * stands away from the home of its id has a claim there, whether or not a door had claimed it before (docs/decisions/0032).
 */
import { encodeCommands } from '../../schemas/command-codec.ts'
import { EVENT_KINDS, eventRowBytes, ROW, ROW_BYTE } from '../../schemas/events.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import type { Frame } from '../../schemas/frames.ts'
import { partitionOfWords } from '../../schemas/partitions.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { hasIdOfOwn, type RowWords } from '../core/apply/apply.ts'
import { hashId } from '../core/state/hash-id.ts'

/** Of each of so many partitions, the fingerprint that a door's claim for it has, as a row says it. */
export function claimFingerprints(partitions: number): BigInt64Array {
  const id = { high: 0n, low: 0n }
  return BigInt64Array.from({ length: partitions }, (_, code) =>
    BigInt.asIntN(64, fingerprintOf(encodeCommands([{ kind: 'ClaimId', id, code }]))),
  )
}

/**
 * The proof of claims, in a few numbers: of all commands away from the home of their id, and of all claims, the count and a
 * sum of hashes over id and partition. Both come to the same if each command has its claim, and each claim its command.
 */
export class ClaimsProof {
  private readonly partitions: number
  private readonly needed = { count: 0, sum: 0 }
  private readonly found = { count: 0, sum: 0 }

  constructor(partitions: number) {
    this.partitions = partitions
  }

  /** Hands on the frames of a new log as they are, and looks at their rows. */
  *watch(
    partition: number,
    frames: Generator<Frame, LogHead, undefined>,
  ): Generator<Frame, LogHead, undefined> {
    try {
      for (;;) {
        const step = frames.next()
        if (step.done === true) return step.value
        this.look(partition, step.value.payload)
        yield step.value
      }
    } finally {
      frames.return(undefined as never)
    }
  }

  /** @throws Error if a command has no claim, or a claim no command */
  check(): void {
    const { needed, found } = this
    if (needed.count !== found.count || needed.sum !== found.sum)
      throw new Error(`${needed.count} ids count away from their homes, and ${found.count} are claimed there, or others`)
  } // prettier-ignore

  private look(partition: number, payload: Uint8Array): void {
    const bytes = payload.byteOffset % 8 === 0 ? payload : payload.slice()
    const at = [bytes.buffer, bytes.byteOffset] as const
    const rows: RowWords = {
      bytes,
      words: new BigInt64Array(...at, bytes.length / 8),
      words32: new Int32Array(...at, bytes.length / 4),
    }
    for (let byte = 0; byte < bytes.length; byte += eventRowBytes(bytes, byte)) {
      const word = byte >>> 3
      if (!hasIdOfOwn(rows, word)) continue
      const id = (word + ROW.transferHigh) * 2
      const isAtHome = partitionOfWords(rows.words32, id, this.partitions) === partition
      const isClaim = bytes[byte + ROW_BYTE.kind] === EVENT_KINDS.IdClaimed
      if (isClaim && !isAtHome) throw new Error('an id is claimed elsewhere than at its home')
      if (isClaim) add(this.found, rows.words32, id, rows.words32[(byte + ROW_BYTE.code) >>> 2]!)
      else if (!isAtHome) add(this.needed, rows.words32, id, partition)
    }
  }
}

function add(to: { count: number; sum: number }, words32: Int32Array, id: number, partition: number): void {
  to.count += 1
  to.sum = (to.sum + Math.imul(hashId(words32, id), partition * 2 + 1)) | 0
}
