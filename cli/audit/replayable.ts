/** Which views an audit replays: SQL by ClickHouse, code by the program that has it; of whatever else is read, it says that and why. */
import type { CodeProjection } from '../../projectors/code-projection.ts'
import type { Projection, SqlProjection } from '../../projectors/projection.ts'
import { definitionOf, isSameDefinition, type Version } from '../../projectors/registry/versions.ts'

export interface Replayable {
  /** Each under the version that is read. */
  readonly projections: readonly SqlProjection[]
  /** Whose functions are run anew. */
  readonly code: readonly { readonly projection: CodeProjection; readonly version: Version }[]
  /** A phrase for each that is not replayed, or not as the program has it. */
  readonly notes: readonly string[]
}

/**
 * What is replayed of a deployment: everything that is read, also what operators added while it ran.
 * @param given those that the program was given
 * @param versions all that the registry knows; what it does not know is replayed as declared
 */
export function replayable(given: readonly Projection[], versions: readonly Version[]): Replayable {
  const serving = versions.filter(({ role }) => role === 'serving')
  const notes: string[] = []
  const code: { projection: CodeProjection; version: Version }[] = []
  const known = serving.flatMap((one): SqlProjection[] => {
    const { name, version, definition } = one
    const own = given.find((projection) => projection.name === name)
    const isSame = own !== undefined && isSameDefinition(definitionOf(own), definition)
    if (definition.kind !== 'sql') {
      if (isSame && own.kind === 'code') code.push({ projection: own, version: one })
      else notes.push(`not replayed: ${name}, because ${whyNot(one, own)}`)
      return []
    }
    if (isSame && own.kind === 'sql') return [{ ...own, version }]
    if (own !== undefined) notes.push(`${name} is replayed as its version ${version} was defined, which is not how the program defines it`)
    return [{ kind: 'sql', name, version, partitioning: definition.partitioning, tables: definition.tables! }]
  })
  const unknown = given.filter(isSql).filter(({ name }) => !serving.some((one) => one.name === name))
  const order = (name: string): number => (given.findIndex((one) => one.name === name) + 1) || given.length + 1
  const projections = [...known, ...unknown].sort((left, right) => order(left.name) - order(right.name))
  return { projections, code, notes }
} // prettier-ignore

function isSql(projection: Projection): projection is SqlProjection {
  return projection.kind === 'sql'
}

function whyNot({ version, definition }: Version, own: Projection | undefined): string {
  if (definition.kind === 'sink') return 'it is a sink, whose rows stand elsewhere'
  return own === undefined
    ? 'its code is not given: name its file with --projection or in purser.config.ts'
    : `its version ${version} is not what the given code declares`
}
