/** Deliveries that no log should make: what the views' own proof of the chain is there for. */
import type { Frame } from '../../../schemas/frames.ts'
import { seal } from '../../../eventlog/handoff/seal.ts'
import { EVENT_ROW_BYTES } from '../../../schemas/limits.ts'
import type { World } from '../world.ts'
import type { Delivery } from './process.ts'
import { contentOf } from './small-log.ts'

/** Harmless ones have to be passed over, the others have to stop the views before anything of them is written. */
const HARMLESS = ['a repeat', 'a void frame'] as const
const HARMFUL = ['a gap', 'a foreign hash'] as const
export type Lie = (typeof HARMLESS)[number] | (typeof HARMFUL)[number]

/**
 * Bends some frames.
 * @param told called with each harmful lie; there is at most one
 */
export function lying(world: World, told: (lie: Lie) => void): Delivery {
  const { random } = world
  return async function* bent(frames) {
    let frameBefore: Frame | undefined
    let isSpent = false
    for await (const frame of frames) {
      const lie = random.chance(0.7) ? undefined : random.pick<Lie>([...HARMLESS, ...HARMLESS, ...HARMFUL])
      const isHarmful = lie === 'a gap' || lie === 'a foreign hash'
      // A harmful lie needs a frame before it that the views have joined, and tells of events.
      if (lie === undefined || (isHarmful && (isSpent || frameBefore === undefined || frame.count === 0))) {
        frameBefore = frame
        yield frame
        continue
      }
      world.fault(`views are given ${lie}`)
      if (isHarmful) {
        isSpent = true
        told(lie)
      }
      if (lie === 'a foreign hash') yield forged(frame, new Uint8Array(32).fill(9))
      if (lie === 'a gap') continue
      yield frame
      if (lie === 'a repeat') yield random.chance(0.5) ? frame : (frameBefore ?? frame)
      if (lie === 'a void frame') yield forged(frame, frame.previousHash)
      frameBefore = frame
    }
  }
}

/** The frame as a writer that was replaced might have sealed it: other amounts, another epoch. */
function forged(frame: Frame, previousHash: Uint8Array): Frame {
  const payload = frame.payload.slice()
  if (payload.length >= EVENT_ROW_BYTES) payload[AMOUNT_BYTE]! ^= 0xff
  const { partition, epoch, nextCommandOffset, nextCommandIndex, timeNs, firstSequence } = frame
  const head = { partition, epoch, nextCommandOffset, nextCommandIndex, timeNs, sequence: firstSequence - 1n, hash: previousHash } // prettier-ignore
  return seal({ ...contentOf(frame), payload }, head, firstSequence - 1n)
}

const AMOUNT_BYTE = 88
