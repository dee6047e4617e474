/** The same movements as lines of JSON in a file beside this one, `[idempotencyKey, movement]`; it needs nothing else. */
import path from 'node:path'
import { openFileSink, sinkProjection, type View } from 'purser/projections'
import { movementsOf, type Movement } from './message.ts'

const FILE = path.join(import.meta.dirname, 'movements.ndjson')

const projection = sinkProjection<Movement>({
  name: 'movements_to_file',
  version: 1,
  project: movementsOf,
  open: () => openFileSink(FILE),
})

export default { projection } satisfies View
