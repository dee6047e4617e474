/**
 * A simulated coordinator: it is told of durable frames, and sends the steps that follow by the real table. It is killed and
 * begins anew at the end of the logs; what it had read and not sent is gone. Several run at a time.
 */
import type { Command } from '../../../schemas/commands.ts'
import { parseCrossing } from '../../../schemas/crossing.ts'
import { EVENT_KIND_NAMES, decodeEvents, type WalletEvent } from '../../../schemas/events.ts'
import type { Frame } from '../../../schemas/frames.ts'
import { isNilId } from '../../../schemas/ids.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import {
  NEXT_STEP,
  nextStepOf,
  OF_ANOTHER,
  type CrossingEventKind,
} from '../../../writer/coordinator/next-step.ts'
import { Channel, Process } from '../threads.ts'
import type { World } from '../world.ts'
import type { Network } from './network.ts'

/** How long it takes to read a frame. */
const LATENCY_NS = 1_000_000
const RESTART_NS_MAX = 400_000_000

/** Reads an event of a partition's log again; undefined if it is not there. */
export type Reread = (partition: number, sequence: bigint) => WalletEvent | undefined

export class SimulatedCoordinator {
  readonly #world: World
  readonly #partitions: number
  readonly #network: Network
  readonly #reread: Reread
  readonly #fail: (error: unknown) => void
  #process!: Process
  #logs: readonly Channel<Frame>[] = []

  constructor(
    world: World,
    partitions: number,
    network: Network,
    reread: Reread,
    fail: (error: unknown) => void,
  ) {
    this.#world = world
    this.#partitions = partitions
    this.#network = network
    this.#reread = reread
    this.#fail = fail
    this.#start()
  }

  /** A frame is durable. It reads each log in order, and every log by itself. */
  accepted(partition: number, frame: Frame): void {
    if (this.#process.isAlive() && frame.count > 0) this.#logs[partition]!.post(frame)
  }

  kill(): void {
    if (!this.#process.isAlive()) return
    this.#world.fault('coordinator killed')
    this.#process.end()
    this.#world.schedule(BigInt(this.#world.random.below(RESTART_NS_MAX)), 'a coordinator starts', () => {
      this.#start()
    })
  }

  pause(): void {
    this.#world.fault('coordinator paused')
    this.#process.pause(BigInt(this.#world.random.below(RESTART_NS_MAX)))
  }

  #start(): void {
    const process = new Process(this.#world, LATENCY_NS, this.#fail)
    this.#process = process
    this.#logs = Array.from(
      { length: this.#partitions },
      (_, partition) =>
        new Channel<Frame>(process, 'a coordinator reads', (frame) => {
          this.#read(partition, frame)
        }),
    )
  }

  #read(partition: number, frame: Frame): void {
    const batches = new Map<number, Command[]>()
    for (const event of decodeEvents(frame.payload)) {
      const isReminder = event.kind === 'TransferReminded'
      const of = isReminder ? this.#reread(partition, event.fingerprint) : event
      const found = of && stepOf(of, this.#partitions, isReminder ? event.linkIndex : 0)
      if (found === undefined) continue
      const batch = batches.get(found.to) ?? []
      batches.set(found.to, [...batch, found.step])
    }
    for (const [to, steps] of batches) this.#network.send(to, steps)
  }
}

/** The step that follows from an event, and the partition that it is for. */
function stepOf(
  event: WalletEvent,
  partitions: number,
  attempt: number,
): { to: number; step: Command } | undefined {
  const said = event.kind === 'StepAnswered' ? EVENT_KIND_NAMES.get(Number(event.fingerprint))! : event.kind
  if (!(said in NEXT_STEP)) return undefined
  const next = nextStepOf(said as CrossingEventKind, event.command)
  if (next === undefined || next === OF_ANOTHER) return undefined
  const { debit, credit, source, channel, turn } = parseCrossing(event.namedAccounts)!
  const step: Command = {
    kind: next.step,
    id: event.transferId,
    debit,
    credit,
    amount: event.amount,
    effectiveAtNs: event.effectiveAtNs,
    receivedAtNs: event.receivedAtNs,
    currency: event.currency,
    code: event.code,
    reference: isNilId(event.reference) ? undefined : event.reference,
    memo: event.memo,
    coordination: next.by,
    step: {
      source,
      channel,
      turn,
      attempt,
      answers: event.sequence,
      scale: event.scale,
      refusal: next.step === 'CancelTransfer' ? event.refusal : undefined,
    },
  }
  return { to: next.to === 'source' ? source : partitionOf(credit, partitions), step }
}
