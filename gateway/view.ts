/**
 * A view of a deployment: the projection that fills its tables, and what it adds to the schema. Whoever starts a
 * process chooses the views; all other code takes them as a parameter.
 */
import type { Projection, SqlProjection } from '../projectors/projection.ts'
import type { SchemaKit } from './schema/kit.ts'

export interface View {
  readonly projection: Projection
  /**
   * True for what the ledger's own fields are read from. Reads wait for these together; a field of any other view waits for
   * that view alone (`context.point.of`), so that one which has stopped holds up nobody else.
   */
  readonly required?: boolean
  /**
   * Adds the view's types and fields to a schema that is being built. Its resolvers read at the point that they are
   * given (`context.point.of`), so that all fields of a request are answered at one position; their queries name tables as
   * the projection does: `FROM {history:Identifier}`.
   */
  readonly addToSchema?: (kit: SchemaKit) => void
  /** URL of the module whose default export this is, for the threads that load it again. The loader fills it in. */
  readonly module?: string
}

/** Names of those that reads wait for and go by. */
export function requiredOf(views: readonly View[]): readonly string[] {
  return views.filter(({ required }) => required === true).map(({ projection }) => projection.name)
}

export function projectionsOf(views: readonly View[]): readonly Projection[] {
  return views.map(({ projection }) => projection)
}

/** Those of them that are SQL: what a replay in ClickHouse alone can prove. */
export function sqlProjectionsOf(views: readonly View[]): readonly SqlProjection[] {
  return views.map(({ projection }) => projection).filter((one) => one.kind === 'sql')
}
