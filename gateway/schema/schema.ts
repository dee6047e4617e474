/** The schema: the ledger's own part, the parts of the views, and its text. */
import { lexicographicSortSchema, printSchema, type GraphQLSchema } from 'graphql'
import { createKit } from './kit.ts'
import { addMutations } from './mutations.ts'
import { addAdding } from './operators/adding.ts'
import { addComparison } from './operators/comparison.ts'
import { addOperations } from './operators/operations.ts'
import { addOutcome } from './operators/outcome.ts'
import { addProjections } from './operators/projections.ts'
import { addVersions } from './operators/versions.ts'
import { withTokenFields } from './token-fields.ts'
import { addQueries } from './queries.ts'
import { addSubscriptions } from './subscriptions.ts'
import type { View } from '../view.ts'

/**
 * Builds a schema. Build it once per process, because parsed and validated queries are remembered by it.
 * @throws if a view adds a type or field that exists already, or one that is wrong
 */
export function buildSchema(views: readonly View[]): GraphQLSchema {
  const kit = createKit()
  addQueries(kit)
  addMutations(kit)
  addSubscriptions(kit)
  addVersions(kit, addProjections(kit))
  const outcome = addOutcome(kit, addComparison(kit))
  addOperations(kit, outcome)
  addAdding(kit, outcome)
  for (const { addToSchema } of views) addToSchema?.(kit)
  return withTokenFields(kit.builder.toSchema())
}

/** The schema definition. That of the built-in views is committed in `gateway/schema.graphql`. */
export function schemaText(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}
`
}
