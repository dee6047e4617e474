/**
 * What a program brings, and what the registry knows: a projection that is new gets its first version, which serves at once;
 * one that is made of something else than what serves gets a further version, which is built beside it.
 */
import type { Projection } from '../projection.ts'
import type { Checkpoints } from './checkpoints.ts'
import { definitionOf, isSameDefinition, nextNumber, servingOf, type Version } from '../registry/versions.ts'

/** Share of the time that a version which nobody asked for may spend on filling while it is behind. */
const SHARE_UNASKED = 0.5

/** Where the registry was lost, numbers that were given are known from the checkpoints: none is given twice. */
function beyondKnown(checkpoints: Checkpoints, name: string, declared: number): number {
  const known = [...checkpoints.keys()]
    .filter((key) => key.startsWith(`${name} `))
    .map((key) => Number(key.slice(name.length + 1)))
  const highest = Math.max(0, ...known)
  return highest > declared ? highest + 1 : declared
}

/**
 * What is to be written to the registry before these projections run.
 */
export function adopted(
  projections: readonly Projection[],
  versions: readonly Version[],
  checkpoints: Checkpoints = new Map(),
): readonly Version[] {
  return projections.flatMap((projection): readonly Version[] => {
    const { name, version: declared } = projection
    const definition = definitionOf(projection)
    const serving = servingOf(versions, name)
    const fresh = {
      name,
      declared,
      version: Math.max(nextNumber(versions, name, declared), beyondKnown(checkpoints, name, declared)),
      isPaused: false,
      until: undefined,
      definition,
      revision: 0n,
    }
    if (serving === undefined)
      return [{ ...fresh, role: 'serving', share: 1, reason: 'it is new to this deployment' }]
    const isKnown = versions.some(
      (one) =>
        one.name === name &&
        one.role !== 'dropped' &&
        one.declared === declared &&
        isSameDefinition(one.definition, definition),
    )
    if (isKnown) return []
    const reason = `the program brings another definition (declared version ${declared})`
    return [{ ...fresh, role: 'building', share: SHARE_UNASKED, reason }]
  })
}
