/** Who asks for transfers: over accounts of all partitions, again where the answer never came, and now and then again anyway. */
import type { Command } from '../../../schemas/commands.ts'
import type { Frame } from '../../../schemas/frames.ts'
import { makeUuidV7, type Id } from '../../../schemas/ids.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import type { World } from '../world.ts'
import { Doors, type Request } from './doors.ts'
import type { Ledger } from './ledger.ts'
import type { PartitionNode } from './node.ts'
import type { CrossingOptions } from './options.ts'

/** What the accounts of a partition begin with, moved there from its own system account. */
const CURRENCY = 'EUR'
const FUNDS = 200n

export class CrossingClients {
  offers = 0
  readonly #world: World
  readonly #options: CrossingOptions
  readonly #ledger: Ledger
  readonly #nodes: readonly PartitionNode[]
  readonly #doors: Doors
  /** Accounts by partition; the first is the system's. */
  readonly #accounts: readonly (readonly Id[])[]
  /** What is yet to be asked for before all else. */
  readonly #opening: Request[]
  readonly #sent: Request[] = []

  constructor(world: World, options: CrossingOptions, ledger: Ledger, nodes: readonly PartitionNode[]) {
    this.#world = world
    this.#options = options
    this.#ledger = ledger
    this.#nodes = nodes
    this.#doors = new Doors(world, options, ledger.ids, nodes)
    this.#accounts = Array.from({ length: options.partitions }, (_, partition) =>
      Array.from({ length: options.accounts + 1 }, () => this.#idIn(partition)),
    )
    this.#opening = this.#accounts.flatMap((ids, partition) => this.#openingOf(ids, partition))
  }

  offer(): void {
    const { random } = this.#world
    const opening = this.#opening[0]
    if (opening !== undefined) {
      if (this.#send(opening)) this.#opening.shift()
    } else if (this.#doors.unknown.length > 0 && random.chance(0.5)) this.#sendUnknown()
    else if (random.chance(this.#options.holds)) {
      this.offers++
      this.#send(this.#ofHold())
    } else {
      this.offers++
      const again = random.chance(this.#options.repeats) ? random.pick(this.#sent) : undefined
      const request = again ?? (random.chance(this.#options.others) ? this.#other() : this.#crossing())
      this.#send(request)
      if (random.chance(this.#options.reuses)) this.#send(this.#elsewhere(request))
    }
  }

  /** Sends again what is unknown, until nothing is; then lets go of the holds that nobody else ends. */
  finish(): void {
    if (this.#doors.unknown.length > 0) this.#sendUnknown()
    else if (this.#doors.isIdle())
      for (const { first } of this.#ledger.holds.open()) this.#send(this.#end('VoidHold', first.transferId, first.partition)) // prettier-ignore
  }

  isSettled(): boolean {
    return this.#opening.length === 0 && this.#doors.isIdle() && this.#doors.unknown.length === 0
  }

  accepted(partition: number, frame: Frame): void {
    this.#doors.accepted(partition, frame)
  }

  lost(partition: number, epoch: bigint): void {
    this.#doors.lost(partition, epoch)
  }

  heal(): void {
    this.#doors.heal()
  }

  #sendUnknown(): void {
    const { unknown } = this.#doors
    const at = this.#world.random.below(unknown.length)
    const [request] = unknown.splice(at, 1)
    if (!this.#send(request!)) unknown.push(request!)
  }

  #send(request: Request): boolean {
    const isSent = this.#doors.send(request)
    if (isSent) this.#sent.push(request)
    return isSent
  }

  #openingOf([system, ...others]: readonly Id[], partition: number): Request[] {
    const { random } = this.#world
    const open = (debit: Id, more: Partial<Command>): Request => ({
      partition,
      command: {
        kind: 'OpenAccount',
        id: this.#idIn(partition),
        debit,
        currency: CURRENCY,
        scale: 2,
        ...more,
      },
    })
    return [
      open(system!, { system: true }),
      ...others.flatMap((id, at) => {
        // Now and then one in another currency, that nobody can pay to from here.
        const isOdd = at > 0 && random.chance(0.1)
        const opened = open(id, {
          amount: random.pick([0n, 0n, 50n]),
          ...(isOdd && { currency: 'JPY', scale: 0 }),
        })
        const funded = {
          partition,
          command: { ...this.#transfer(system!, id, FUNDS), id: this.#idIn(partition) },
        }
        return isOdd ? [opened] : [opened, funded]
      }),
    ]
  }

  /** The id of a command once more, with a debit account that lives in another partition. */
  #elsewhere({ partition, command: { id } }: Request): Request {
    const { partitions } = this.#options
    const other = this.#crossing((partition + 1 + this.#world.random.below(partitions - 1)) % partitions)
    return { ...other, command: { ...other.command, id } }
  }

  #crossing(source = this.#world.random.below(this.#options.partitions)): Request {
    const { random } = this.#world
    const { partitions } = this.#options
    const destination = (source + 1 + random.below(partitions - 1)) % partitions
    const credit = random.chance(0.05) ? this.#idIn(destination) : random.pick(this.#accounts[destination]!)
    // Only the system's account has so much.
    const isHuge = random.chance(this.#options.hugeAmounts)
    const debit = isHuge ? this.#accounts[source]![0]! : random.pick(this.#accounts[source]!)
    const amount = isHuge ? 2n ** 62n + random.bigBelow(2n ** 61n) : 1n + random.bigBelow(90n)
    const command: Command = {
      ...this.#transfer(debit, credit, amount),
      across: true,
      coordination: random.pick([undefined, undefined, 'tcc', 'saga'] as const),
      memo: random.chance(0.3) ? 'm'.repeat(random.below(200)) : '',
      reference: random.chance(0.3) ? this.#newId() : undefined,
      code: random.below(9),
    }
    return { partition: source, command }
  }

  /** A hold is placed, or an open one posted, in part or whole, or voided. */
  #ofHold(): Request {
    const { random } = this.#world
    const open = this.#ledger.holds.open()
    if (open.length === 0 || random.chance(0.3)) {
      const { partition, command } = this.#crossing()
      const timeoutNs = random.chance(0.4) ? 1n + random.bigBelow(6_000_000_000n) : undefined
      return { partition, command: { ...command, kind: 'PlaceHold', coordination: undefined, timeoutNs } }
    }
    // Now and then one that has ended.
    const { first, held } = random.chance(0.1) ? random.pick([...this.#ledger.holds.holds.values()]) : random.pick(open) // prettier-ignore
    if (random.chance(0.2)) return this.#end('VoidHold', first.transferId, first.partition)
    // Now and then more than there is.
    const amount = random.chance(0.2) ? undefined : 1n + random.bigBelow(held + 2n)
    const keepOpen = amount !== undefined && random.chance(0.7) ? true : undefined
    return this.#end('PostHold', first.transferId, first.partition, { amount, keepOpen })
  }

  #end(kind: 'PostHold' | 'VoidHold', related: Id, partition: number, more: Partial<Command> = {}): Request {
    return { partition, command: { kind, id: this.#newId(), related, receivedAtNs: this.#nowNs(), ...more } }
  }

  /** What happens to accounts meanwhile. */
  #other(): Request {
    const { random } = this.#world
    const partition = random.below(this.#options.partitions)
    const accounts = this.#accounts[partition]!
    const kind = random.pick([
      'Transfer',
      'Transfer',
      'FreezeAccount',
      'UnfreezeAccount',
      'UnfreezeAccount',
      'CloseAccount',
    ] as const)
    if (kind === 'Transfer') {
      const debit = random.pick(accounts)
      const credit = random.pick(accounts.filter((id) => id !== debit))
      return { partition, command: this.#transfer(debit, credit, 1n + random.bigBelow(150n)) }
    }
    return { partition, command: { kind, id: this.#newId(), debit: random.pick(accounts.slice(1)) } }
  }

  #transfer(debit: Id, credit: Id, amount: bigint): Command {
    return { kind: 'Transfer', id: this.#newId(), debit, credit, amount, receivedAtNs: this.#nowNs() }
  }

  /** One that lives in a partition: of an account, or of a command that need not be claimed for it. */
  #idIn(partition: number): Id {
    for (;;) {
      const id = this.#newId()
      if (partitionOf(id, this.#options.partitions) === partition) return id
    }
  }

  #newId(): Id {
    const bits = Uint8Array.from({ length: 10 }, () => this.#world.random.below(256))
    return makeUuidV7(Number(this.#nowNs() / 1_000_000n), bits)
  }

  #nowNs(): bigint {
    return this.#nodes[0]!.clock.trueNs()
  }
}
