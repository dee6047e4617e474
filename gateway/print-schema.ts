/** Writes `gateway/schema.graphql` from the code: `node bin/run.js gateway/print-schema.ts`. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { schemaText } from './schema/schema.ts'

export function main(): void {
  writeFileSync(path.resolve('gateway', 'schema.graphql'), schemaText())
}
