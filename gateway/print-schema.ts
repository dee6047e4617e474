/** Writes `gateway/schema.graphql`, the schema of the built-in views: `node bin/run.js gateway/print-schema.ts`. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { BUILT_IN_VIEWS } from '../projectors/views/built-in.ts'
import { buildSchema, schemaText } from './schema/schema.ts'

export function main(): void {
  writeFileSync(path.resolve('gateway', 'schema.graphql'), schemaText(buildSchema(BUILT_IN_VIEWS)))
}
