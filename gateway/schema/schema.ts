/** The schema, from its parts, and its text. */
import { lexicographicSortSchema, printSchema, type GraphQLSchema } from 'graphql'
import { builder } from './builder.ts'
import { withTokenFields } from './token-fields.ts'
import './account.ts'
import './audit.ts'
import './mutations.ts'
import './queries.ts'
import './subscriptions.ts'

/** Made once: parsed and validated queries are remembered by it. */
export const schema: GraphQLSchema = withTokenFields(builder.toSchema())

/** The schema definition as it is committed in `gateway/schema.graphql`. */
export function schemaText(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`
}
