/**
 * The same movements as lines of JSON in a file beside this one; it needs nothing else. A file knows no primary key, so a line
 * may stand there twice: whoever reads it keeps the first line of each key.
 */
import { open as openFile } from 'node:fs/promises'
import path from 'node:path'
import { SinkOutageError, sinkProjection, type Sink, type View } from 'purser/projections'
import { movementsOf, type Movement } from './message.ts'

const FILE = path.join(import.meta.dirname, 'movements.ndjson')

async function open(): Promise<Sink<Movement>> {
  const file = await openFile(FILE, 'a')
  return {
    deliver: async ({ messages }) => {
      const lines = messages.map(({ idempotencyKey, message }) =>
        JSON.stringify({ idempotencyKey, ...message }, (_name, value: unknown) =>
          typeof value === 'bigint' ? value.toString() : value,
        ),
      )
      try {
        await file.appendFile(`${lines.join('\n')}\n`)
        // What a sink has taken has to survive a power cut: the runtime never sends it again.
        await file.sync()
      } catch (error) {
        throw new SinkOutageError(`The file cannot be written now: ${(error as Error).message}`, { cause: error })
      }
    },
    close: () => file.close(),
  }
} // prettier-ignore

const projection = sinkProjection<Movement>({
  name: 'movements_to_file',
  version: 1,
  project: movementsOf,
  open,
})

export default { projection } satisfies View
