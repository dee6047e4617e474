/** The shapes of load that `commit` measures, as data. */
import type { BenchOptions } from './options.ts'

export interface Shape {
  readonly name: string
  /** `bulk`: the binary lane, from another process. `queue`: the writer's own queue, from within its process. */
  readonly via: 'bulk' | 'queue'
  readonly batch: number
  readonly connections: number
  /** Messages under way on each connection. */
  readonly inFlight: number
  /** True: at half of the throughput that the full load of the same way reached, each message when it is due. */
  readonly isHalf: boolean
  /** True: the same messages are also sent to a bare server that only answers, and that is the limit. */
  readonly hasEcho: boolean
  readonly seconds: number
  /** Commands sent at least, however long that takes. */
  readonly commandsMin: number
  readonly warmUpSeconds: number
}

const BATCH_DEFAULT = 8_192
const CONNECTIONS = 256

/** In the order in which they are measured. The first one is the main one. */
export function shapesOf(options: BenchOptions): readonly Shape[] {
  const batch = options.batch ?? (options.quick ? 256 : BATCH_DEFAULT)
  const seconds = options.seconds ?? (options.quick ? 0.1 : 4)
  const warmUpSeconds = options.quick ? 0.05 : 1
  const connections = options.quick ? 8 : CONNECTIONS
  const common = { seconds, warmUpSeconds, connections: 1, commandsMin: 0, isHalf: false, hasEcho: false }
  const full = { ...common, batch, inFlight: options.inFlight ?? 4, commandsMin: options.events ?? 0 }
  // A quarter of a batch: 2,048. As many may be under way as an eighth of a second makes due at 500,000 a second.
  const half = { ...common, batch: Math.max(1, batch >> 2), inFlight: 32, isHalf: true }
  const inProcess: readonly Shape[] = [
    { ...full, name: 'full load, in process', via: 'queue' },
    { ...half, name: 'half load, in process', via: 'queue' },
  ]
  if (options.inProcess) return inProcess
  return [
    { ...full, name: 'full load', via: 'bulk' },
    { ...half, name: 'half load', via: 'bulk' },
    { ...common, name: `${connections} × 16`, via: 'bulk', batch: 16, connections, inFlight: 1 },
    { ...common, name: `${connections} × 1`, via: 'bulk', batch: 1, connections, inFlight: 1, hasEcho: true },
    inProcess[0]!,
  ]
}
