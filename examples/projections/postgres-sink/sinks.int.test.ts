/** Both sinks: what they are sent, whatever comes twice. PostgreSQL is PGlite here: the real server's code. */
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { scenario, transferId, type Given } from 'purser/projections/kit'

const eur = { currency: 'EUR' }
const GIVEN: readonly Given[] = [
  { kind: 'openAccount', accountId: 'bank', system: true, ...eur },
  { kind: 'openAccount', accountId: 'alice', ...eur },
  { kind: 'transfer', id: 'salary', debitAccountId: 'bank', creditAccountId: 'alice', amount: '2500', ...eur },
  { kind: 'transfer', debitAccountId: 'alice', creditAccountId: 'bank', amount: '999999', ...eur },
  { kind: 'reverseTransfer', id: 'undo', transferId: 'salary' },
] // prettier-ignore
/** Key, transfer, kind, debit, credit, amount. The refusal moved nothing. */
const MOVEMENTS = [
  ['0:3:0', transferId('salary'), 'TransferPosted', '1', '2', '2500'],
  ['0:5:0', transferId('undo'), 'TransferReversed', '2', '1', '2500'],
]

let database: PGlite
let server: PGLiteSocketServer
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'sinks-'))
  database = await PGlite.create()
  server = new PGLiteSocketServer({ db: database, host: '127.0.0.1', port: 0, maxConnections: 8 })
  await server.start()
  const [PGHOST, PGPORT] = server.getServerConn().split(':')
  Object.assign(process.env, { PGHOST, PGPORT, PGUSER: 'postgres', PGPASSWORD: 'none', PGDATABASE: 'postgres', PGSSLMODE: 'disable' }) // prettier-ignore
})
afterAll(async () => {
  await server.stop()
  await database.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => database.exec('DROP TABLE IF EXISTS purser_movements'))

test('PostgreSQL has each movement once, though the runtime ended between any two of its writes', async () => {
  const { runs } = await scenario({
    view: new URL('./postgres-sink.ts', import.meta.url),
    given: GIVEN,
    verify: async () => {
      const { rows } = await database.query<Record<string, unknown>>(
        'SELECT * FROM purser_movements ORDER BY idempotency_key',
      )
      expect(
        rows.map((row) =>
          ['idempotency_key', 'transfer', 'kind', 'debit', 'credit', 'amount'].map((name) =>
            String(row[name]),
          ),
        ),
      ).toEqual(MOVEMENTS)
    },
  })
  expect(runs.filter((run) => run.startsWith('ended'))).not.toEqual([])
})

test('the file has each movement at least once, in order, and the key tells repeats', async () => {
  for (const name of ['file-sink.ts', 'message.ts'])
    await copyFile(path.join(import.meta.dirname, name), path.join(folder, name))
  const file = path.join(folder, 'movements.ndjson')
  await scenario({
    view: path.join(folder, 'file-sink.ts'),
    given: GIVEN,
    verify: async () => {
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
      const movements = new Map(
        lines.map((line) => [
          (JSON.parse(line) as { idempotencyKey: string }).idempotencyKey,
          JSON.parse(line) as Record<string, unknown>,
        ]),
      )
      expect(
        [...movements.values()].map((one) =>
          ['idempotencyKey', 'transfer', 'kind', 'debit', 'credit', 'amount'].map((name) =>
            String(one[name]),
          ),
        ),
      ).toEqual(MOVEMENTS)
      await rm(file)
    },
  })
})
