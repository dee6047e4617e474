/** The channels of all sources as their durable events give them out: the lowest free one first, its turns one by one. */
import type { CrossingText } from '../../../schemas/crossing.ts'
import { insist } from '../insist.ts'

export class Channels {
  readonly #open = new Set<string>()
  readonly #turns = new Map<string, number>()
  readonly #cover: (mark: string) => void

  constructor(cover: (mark: string) => void) {
    this.#cover = cover
  }

  begin({ source, channel: number, turn: found }: CrossingText): void {
    const channel = `${source}:${number}`
    for (let lower = 1; lower <= number; lower++)
      insist(this.#open.has(`${source}:${lower}`) === lower < number, 'the lowest free channel', number)
    const turn = (this.#turns.get(channel) ?? 0) + 1
    insist(found === turn, `turn ${turn} of channel ${channel}`, found)
    if (turn > 1) this.#cover('channel given on')
    this.#turns.set(channel, turn)
    this.#open.add(channel)
  }

  end({ source, channel }: CrossingText): void {
    this.#open.delete(`${source}:${channel}`)
  }
}

/** Which crossing an event is of, whatever its id. */
export function turnOf({ source, channel, turn }: CrossingText): string {
  return `${source}:${channel}:${turn}`
}
