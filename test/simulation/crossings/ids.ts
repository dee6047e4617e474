/**
 * Which id counts where, as the durable events of all partitions say: once in the deployment, whatever doors do and whoever
 * dies. Written apart from the core, from docs/decisions/0032.
 */
import type { WalletEvent } from '../../../schemas/events.ts'
import type { Id } from '../../../schemas/ids.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import { keyOf } from '../../model/wallet.ts'
import { insist } from '../insist.ts'

export class CountedIds {
  readonly #partitions: number
  /** What an id has made first in a partition: a claim, or the first event of its command. */
  readonly #first = new Map<string, WalletEvent>()
  /** The partition in which a command of an id has an outcome. */
  readonly #counts = new Map<string, number>()
  readonly #claimed = new Map<string, number>()
  /** Ids of which somebody was told that they are in use elsewhere, by partition. */
  readonly #refused = new Set<string>()

  constructor(partitions: number) {
    this.#partitions = partitions
  }

  /** The event by which a partition uses an id: a claim, or the first of a command. */
  take(partition: number, event: WalletEvent): void {
    const id = keyOf(event.transferId)
    const place = `${partition}:${id}`
    insist(!this.#first.has(place), 'an id once in its partition', place)
    this.#first.set(place, event)
    if (event.kind === 'IdClaimed') {
      const home = partitionOf(event.transferId, this.#partitions)
      insist(partition === home && event.code !== home, 'a claim at the home of its id, for another', place)
      this.#claimed.set(id, event.code)
    } else {
      insist(!this.#counts.has(id), 'an id once in the deployment', `${place} and ${this.#counts.get(id)}`)
      this.#counts.set(id, partition)
    }
    const [claimed, counts] = [this.#claimed.get(id), this.#counts.get(id)]
    const isWhereClaimed = claimed === undefined || counts === undefined || claimed === counts
    insist(isWhereClaimed, `an id to count where it is claimed for, in ${claimed}`, counts)
    insist(!this.#refused.has(`${counts}:${id}`), 'no outcome of what was told id_reused', place)
  }

  /** What an id has made first in a partition. */
  at(partition: number, id: Id): WalletEvent | undefined {
    return this.#first.get(`${partition}:${keyOf(id)}`)
  }

  /** Somebody is told that an id counts elsewhere than in the partition that he asked. */
  refuse(partition: number, id: Id): void {
    insist(this.#counts.get(keyOf(id)) !== partition, 'id_reused of what does not count there', partition)
    this.#refused.add(`${partition}:${keyOf(id)}`)
  }
}
