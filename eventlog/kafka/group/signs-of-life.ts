/**
 * Signs by which members of a group show that they live, and when a member counts as silent. Pure.
 *
 * Silence is counted in own signs, not in time: a member is silent when this one has stored so many signs in a row and found
 * no new sign of the other in between. Both members' signs go to the same broker, often from the same machine. So what slows
 * down all of them (a broker being replaced, a disk, a busy machine, this process standing still) makes nobody silent.
 */

/** Own signs stored since the other's last one, from which on it counts as silent. */
export const SILENT_SIGNS = 6
/** The same for a process that is no member yet, in looks: it has no signs of its own. */
export const SILENT_LOOKS = 12

/** A sign of life, as it was read. */
export interface Sign {
  readonly memberId: string
  readonly count: bigint
}

const FORM = /^purser\.1 (\d{1,19}) ([\x21-\x7e]{1,400})$/

/** Text of a sign. Each has another count; only the difference matters, not the order. */
export function encodeSign({ memberId, count }: Sign): string {
  return `purser.1 ${count} ${memberId}`
}

/** Undefined: it is no sign of life. */
export function decodeSign(text: string): Sign | undefined {
  const [, count, memberId] = FORM.exec(text) ?? []
  return count === undefined || memberId === undefined ? undefined : { memberId, count: BigInt(count) }
}

/**
 * What one look counts for.
 * - `stored`: an own sign was stored just before.
 * - `outside`: this process is no member.
 * - `nothing`: it is a member and could not store its sign, so others may not have been able to either.
 */
export type Sighting = 'stored' | 'outside' | 'nothing'

interface Watched {
  /** All signs of the member that were found. When it moves, an old one stays where it was. */
  readonly seen: string
  readonly stored: number
  readonly looks: number
}

export class SilenceJudge {
  private watched: ReadonlyMap<string, Watched> = new Map()
  /** Members that the group was told to forget, and whose last sign is still there. */
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

  /** The group has forgotten this member: ignore its old signs. */
  forgotten(memberId: string): void {
    this.gone = new Set([...this.gone, memberId])
  }

  /** Restarts all counts, after a time without a look. */
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
