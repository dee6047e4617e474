/**
 * A view of a deployment: the projection that fills its tables, and what it adds to the schema. Whoever starts a
 * process chooses the views; all other code takes them as a parameter.
 */
import type { SqlProjection } from '../projectors/projection.ts'
import type { SchemaKit } from './schema/kit.ts'

export interface View {
  readonly projection: SqlProjection
  /**
   * Adds the view's types and fields to a schema that is being built. Its resolvers read at the point that they are
   * given (`context.point`), so that all fields of a request are answered at one position.
   */
  readonly addToSchema?: (kit: SchemaKit) => void
}

export function projectionsOf(views: readonly View[]): readonly SqlProjection[] {
  return views.map(({ projection }) => projection)
}
