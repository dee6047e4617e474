/** The schema: the ledger's own part of it, what the views bring, and its text. */
import { lexicographicSortSchema, printSchema, type GraphQLSchema } from 'graphql'
import { createKit } from './kit.ts'
import { addMutations } from './mutations.ts'
import { withTokenFields } from './token-fields.ts'
import { addQueries } from './queries.ts'
import { addSubscriptions } from './subscriptions.ts'
import type { View } from '../view.ts'

/**
 * A schema of its own. To be made once for as long as it serves: parsed and validated queries are remembered by it.
 * @throws what is wrong with what a view brings, as a type or a field that is there already
 */
export function buildSchema(views: readonly View[]): GraphQLSchema {
  const kit = createKit()
  addQueries(kit)
  addMutations(kit)
  addSubscriptions(kit)
  for (const { addToSchema } of views) addToSchema?.(kit)
  return withTokenFields(kit.builder.toSchema())
}

/** The schema definition; that of the built-in views is committed in `gateway/schema.graphql`. */
export function schemaText(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}
`
}
