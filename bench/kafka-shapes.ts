/** The shapes of load that `kafka` measures, as data. */
import type { LoadShape } from './load-series.ts'
import type { BenchOptions } from './options.ts'

export interface KafkaShape extends LoadShape {
  readonly name: string
  /** True: at half of the throughput that the full load reached, each message when it is due. */
  readonly isHalf: boolean
}

const BATCH_DEFAULT = 8_192
/** Transfers in a frame where one message is sent when the last one is answered. */
const FRAMES_OF = [1, 64, BATCH_DEFAULT]

/** In the order in which they are measured. The first one is the main one. */
export function kafkaShapesOf(options: BenchOptions): readonly KafkaShape[] {
  const { quick } = options
  const batch = options.batch ?? (quick ? 256 : BATCH_DEFAULT)
  const seconds = options.seconds ?? (quick ? 0.2 : 5)
  const warmUpSeconds = quick ? 0.1 : 2
  const common = { seconds, warmUpSeconds, commandsMin: 0, isHalf: false }
  const full = { ...common, name: 'full load', batch, inFlight: options.inFlight ?? 4 }
  return [
    { ...full, commandsMin: options.events ?? 0 },
    // As in `commit`: a quarter of a batch, and as many under way as come due in a while of standing still.
    { ...common, name: 'half load', batch: Math.max(1, batch >> 2), inFlight: 32, isHalf: true },
    ...FRAMES_OF.map((events) => ({
      ...common,
      name: `frames of ${events}`,
      batch: events,
      inFlight: 1,
      seconds: seconds / 2,
      warmUpSeconds: warmUpSeconds / 2,
    })),
  ]
}
