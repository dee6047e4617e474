/**
 * What members of a group tell each other to show that they live, and when one counts as silent. Pure.
 *
 * Silence is not measured by a clock, but by one's own signs: a member is silent when this one has had so many of its own
 * stored, one after the other, and found none of the other's in between. Both go the same way to the same broker, and this
 * process and that one have the same machines under them as often as not. So what slows down all of them (a broker that is
 * being replaced, a disk, a machine with too much to do, this process itself standing still) makes nobody silent.
 */

/** Own signs that were stored since the other's last one was seen, from which on it counts as silent. */
export const SILENT_SIGNS = 6
/** One that is no member yet has no signs of its own: it counts how often it has looked. */
export const SILENT_LOOKS = 12

/** A sign of life, as it was read. */
export interface Sign {
  readonly memberId: string
  readonly count: bigint
}

const FORM = /^purser\.1 (\d{1,19}) ([\x21-\x7e]{1,400})$/

/** As it stands beside the group's offset. Each has a count of its own: which is newer does not matter, only that it is another. */
export function encodeSign({ memberId, count }: Sign): string {
  return `purser.1 ${count} ${memberId}`
}

/** Undefined: it is no sign of life. */
export function decodeSign(text: string): Sign | undefined {
  const [, count, memberId] = FORM.exec(text) ?? []
  return count === undefined || memberId === undefined ? undefined : { memberId, count: BigInt(count) }
}

/**
 * What one look is worth.
 * - `stored`: a sign of one's own was stored just before.
 * - `outside`: this process is no member.
 * - `nothing`: it is one, and could not have its own sign stored: then others may not have been able to either.
 */
export type Sighting = 'stored' | 'outside' | 'nothing'

interface Watched {
  /** All signs of the member that were there: when it moves, an old one stays where it was. */
  readonly seen: string
  readonly stored: number
  readonly looks: number
}

export class SilenceJudge {
  private watched: ReadonlyMap<string, Watched> = new Map()
  /** Members that the group was told to forget, and whose last sign stands there still. */
  private gone: ReadonlySet<string> = new Set()

  /**
   * Takes what a look found.
   * @param own this process's member; never silent to itself
   * @returns members that are silent
   */
  look(signs: readonly Sign[], own: string | undefined, look: Sighting): readonly string[] {
    const found = new Map<string, string>()
    for (const { memberId, count } of signs)
      if (memberId !== own) found.set(memberId, `${found.get(memberId) ?? ''} ${count}`)
    this.gone = new Set([...this.gone].filter((memberId) => found.has(memberId)))
    const next = new Map<string, Watched>()
    for (const [memberId, seen] of found) {
      const before = this.watched.get(memberId)
      if (this.gone.has(memberId)) continue
      if (before?.seen === seen) next.set(memberId, counted(before, look))
      else next.set(memberId, { seen, stored: 0, looks: 0 })
    }
    this.watched = next
    return [...next].flatMap(([memberId, { stored, looks }]) =>
      stored >= SILENT_SIGNS || looks >= SILENT_LOOKS ? [memberId] : [],
    )
  }

  /** The group does not know this member any more: its signs say nothing from now on. */
  forgotten(memberId: string): void {
    this.gone = new Set([...this.gone, memberId])
  }

  /** Nothing was seen for a while: counting begins anew. */
  reset(): void {
    this.watched = new Map()
  }
}

function counted({ seen, stored, looks }: Watched, look: Sighting): Watched {
  switch (look) {
    case 'stored':
      return { seen, stored: stored + 1, looks }
    case 'outside':
      return { seen, stored, looks: looks + 1 }
    case 'nothing':
      return { seen, stored, looks }
  }
}
