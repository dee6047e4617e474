/** Which views an audit replays: SQL alone can be, by ClickHouse; of whatever else is read, it says that and why. */
import type { SqlProjection } from '../../projectors/projection.ts'
import { definitionOf, isSameDefinition, type Version } from '../../projectors/registry/versions.ts'

export interface Replayable {
  /** Each under the version that is read. */
  readonly projections: readonly SqlProjection[]
  /** A phrase for each that is not replayed, or not as the program has it. */
  readonly notes: readonly string[]
}

const NOT_REPLAYED = {
  code: 'it is code, which runs in projectors alone',
  sink: 'it is a sink, whose rows stand elsewhere',
} as const

/**
 * What is replayed of a deployment: everything that is read, also what operators added while it ran.
 * @param given those that the program was given
 * @param versions all that the registry knows; what it does not know is replayed as declared
 */
export function replayable(given: readonly SqlProjection[], versions: readonly Version[]): Replayable {
  const serving = versions.filter(({ role }) => role === 'serving')
  const notes: string[] = []
  const known = serving.flatMap((one): SqlProjection[] => {
    const { name, version, definition } = one
    const own = given.find((projection) => projection.name === name)
    if (definition.kind !== 'sql') {
      notes.push(`not replayed: ${name}, because ${NOT_REPLAYED[definition.kind]}`)
      return []
    }
    if (own !== undefined && isSameDefinition(definitionOf(own), definition)) return [{ ...own, version }]
    if (own !== undefined) notes.push(`${name} is replayed as its version ${version} was defined, which is not how the program defines it`)
    return [{ kind: 'sql', name, version, partitioning: definition.partitioning, tables: definition.tables! }]
  })
  const unknown = given.filter(({ name }) => !serving.some((one) => one.name === name))
  const order = (name: string): number => (given.findIndex((one) => one.name === name) + 1) || given.length + 1
  const projections = [...known, ...unknown].sort((left, right) => order(left.name) - order(right.name))
  return { projections, notes }
} // prettier-ignore
