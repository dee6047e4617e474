/**
 * Which inserts a table holds still. ClickHouse numbers the blocks that a table takes, names each part by the first and the
 * last that it is made of, and merges neighbours only: so the numbers that the parts of a table cover grow, whatever is
 * merged and whichever repeats are dropped by it, and shrink only where somebody takes rows away.
 */

/** Numbers of blocks, both ends within. */
export type Stretch = readonly [first: number, last: number]

/** Stretches in their order, no two of which touch. */
export type Blocks = readonly Stretch[]

/** In their order, those that touch as one. */
export function blocksOf(stretches: readonly Stretch[]): Blocks {
  const joined: [number, number][] = []
  for (const [first, last] of [...stretches].sort(([one], [other]) => one - other)) {
    const before = joined.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else joined.push([first, last])
  }
  return joined
}

/** How many blocks of `before` are not there now. */
export function blocksLost(before: Blocks, now: Blocks): number {
  let kept = 0
  let at = 0
  for (const [first, last] of before) {
    while (at < now.length && now[at]![1] < first) at++
    for (let next = at; next < now.length && now[next]![0] <= last; next++)
      kept += Math.min(last, now[next]![1]) - Math.max(first, now[next]![0]) + 1
  }
  return count(before) - kept
}

function count(blocks: Blocks): number {
  return blocks.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}

/** At most so many stretches: the longest, and of equal ones the first. It says less, and nothing that is wrong. */
export function longest(blocks: Blocks, most: number): Blocks {
  if (blocks.length <= most) return blocks
  return [...blocks]
    .sort(([first, last], [otherFirst, otherLast]) => otherLast - otherFirst - (last - first))
    .slice(0, most)
    .sort(([one], [other]) => one - other)
}

/** `1-50,52` */
export function blocksText(blocks: Blocks): string {
  return blocks.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join()
}

/** The blocks in a text, in any order and with repeats. */
export function blocksIn(text: string): Blocks {
  if (text === '') return []
  return blocksOf(
    text.split(',').map((stretch): Stretch => {
      const [first, last = first] = stretch.split('-').map(Number)
      return [first!, last!]
    }),
  )
}
