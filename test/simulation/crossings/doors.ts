/**
 * The doors of the deployment, as gateways are to be: they claim an id at its home before they hand a command on, and die in
 * between. A claim is asked of the home's log, where it is durable; whoever hears nothing asks again, by another door.
 */
import { encodeCommands } from '../../../schemas/command-codec.ts'
import type { Command } from '../../../schemas/commands.ts'
import type { Frame } from '../../../schemas/frames.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import { insist } from '../insist.ts'
import type { World } from '../world.ts'
import type { CountedIds } from './ids.ts'
import type { PartitionNode } from './node.ts'
import type { CrossingOptions } from './options.ts'

/** A command, and the partition that is to decide it. */
export interface Request {
  readonly partition: number
  readonly command: Command
}

interface Pending {
  readonly request: Request
  readonly isClaim: boolean
  readonly partition: number
  readonly epoch: bigint
  readonly offset: bigint
}

export class Doors {
  readonly #world: World
  readonly #options: CrossingOptions
  readonly #ids: CountedIds
  readonly #nodes: readonly PartitionNode[]
  #pending: Pending[] = []
  /** Granted, and not handed on yet. */
  #granted = 0
  #isHealed = false
  /** Of these nobody has heard anything. */
  readonly unknown: Request[] = []

  constructor(world: World, options: CrossingOptions, ids: CountedIds, nodes: readonly PartitionNode[]) {
    this.#world = world
    this.#options = options
    this.#ids = ids
    this.#nodes = nodes
  }

  /** @returns false if the first partition that it would have to ask is away: nothing was done */
  send(request: Request): boolean {
    const { partition, command } = request
    const home = partitionOf(command.id, this.#nodes.length)
    if (home === partition) return this.#offer(request, partition, false)
    return this.#offer(request, home, true)
  }

  /** No door dies from here on. */
  heal(): void {
    this.#isHealed = true
  }

  isIdle(): boolean {
    return this.#pending.length === 0 && this.#granted === 0
  }

  accepted(partition: number, frame: Frame): void {
    const isAnswered = (one: Pending): boolean =>
      one.partition === partition && one.epoch === frame.epoch && one.offset < frame.nextCommandOffset
    const answered = this.#pending.filter(isAnswered)
    this.#pending = this.#pending.filter((one) => !isAnswered(one))
    for (const one of answered) this.#answer(one)
  }

  lost(partition: number, epoch: bigint): void {
    const isLost = (one: Pending): boolean => one.partition === partition && one.epoch === epoch
    this.unknown.push(...this.#pending.filter(isLost).map(({ request }) => request))
    this.#pending = this.#pending.filter((one) => !isLost(one))
  }

  #offer(request: Request, partition: number, isClaim: boolean): boolean {
    const node = this.#nodes[partition]!
    if (!node.isReady()) return false
    const { id, receivedAtNs } = request.command
    const command: Command = isClaim
      ? { kind: 'ClaimId', id, code: request.partition, receivedAtNs }
      : request.command
    let offset = -1n
    const { kind } = node.writer.offer(encodeCommands([command]), 1, (place) => {
      offset = place!.offset
    })
    if (kind !== 'taken') return false
    this.#pending.push({ request, isClaim, partition, epoch: node.writer.epoch, offset })
    return true
  }

  /** What was asked is durable, or was in use: it is told by what the id made there first. */
  #answer({ request, isClaim, partition }: Pending): void {
    const first = this.#ids.at(partition, request.command.id)
    insist(first !== undefined, 'an outcome of what was consumed', 'none')
    const isClaimed = first.kind === 'IdClaimed'
    if (isClaim && isClaimed && first.code === request.partition) this.#goOn(request)
    else if (isClaim || isClaimed) {
      this.#world.cover('id_reused')
      this.#ids.refuse(request.partition, request.command.id)
    }
  }

  /** Hands a command on whose id is claimed for it, a little later; dies in between, now and then for good. */
  #goOn(request: Request): void {
    const { random } = this.#world
    this.#granted++
    this.#world.schedule(BigInt(1 + random.below(2 * this.#options.doorNs)), 'a door goes on', () => {
      this.#granted--
      const dies = !this.#isHealed && random.chance(this.#options.faults.doorKilled)
      if (dies) this.#world.fault('door killed')
      if (dies && random.chance(0.3)) this.#world.cover('a claim that nobody used')
      else if (dies || !this.#offer(request, request.partition, false)) this.unknown.push(request)
    })
  }
}
