/**
 * Movements of money into a table of PostgreSQL, which the usual variables name (PGHOST, PGPORT, PGUSER, PGPASSWORD,
 * PGDATABASE). Messages come at least once and in order; the primary key makes a repeat harmless.
 */
import { Client } from 'pg'
import { SinkOutageError, sinkProjection, type Sink, type View } from 'purser/projections'
import { movementsOf, type Movement } from './message.ts'

const TABLE = `CREATE TABLE IF NOT EXISTS purser_movements (
  idempotency_key text PRIMARY KEY,
  transfer uuid NOT NULL,
  kind text NOT NULL,
  debit bigint NOT NULL,
  credit bigint NOT NULL,
  amount bigint NOT NULL,
  currency text NOT NULL,
  recorded_at_ns bigint NOT NULL
)`
/** A delivery in one statement: all of it is stored, or nothing. */
const INSERT = `INSERT INTO purser_movements
  SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[])
  ON CONFLICT (idempotency_key) DO NOTHING`
const CONNECT_MS_MAX = 10_000

async function open(): Promise<Sink<Movement>> {
  const client = new Client({ connectionTimeoutMillis: CONNECT_MS_MAX })
  // A connection that breaks while nothing is asked: the next delivery finds out.
  client.on('error', () => undefined)
  await passing(() => client.connect())
  await passing(() => client.query(TABLE))
  return {
    deliver: async ({ messages }) => {
      const column = (of: (movement: Movement) => unknown): string[] =>
        messages.map(({ message }) => String(of(message)))
      await passing(() =>
        client.query(INSERT, [
          messages.map(({ idempotencyKey }) => idempotencyKey),
          column(({ transfer }) => transfer),
          column(({ kind }) => kind),
          column(({ debit }) => debit),
          column(({ credit }) => credit),
          column(({ amount }) => amount),
          column(({ currency }) => currency),
          column(({ recordedAtNs }) => recordedAtNs),
        ]),
      )
    },
    close: () => client.end(),
  }
}

/** Classes of SQLSTATE that pass by themselves: connections, resources, an operator who restarts it, serialization. */
const PASSING = /^(08|53|57|40)/

/** Says of what fails whether it is worth trying again: without a SQLSTATE, the server was not reached. */
async function passing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string }
    const isState = code !== undefined && /^[0-9A-Z]{5}$/.test(code)
    if (isState && !PASSING.test(code)) throw error
    throw new SinkOutageError(`PostgreSQL does not take it now: ${message}`, { cause: error })
  }
}

const projection = sinkProjection<Movement>({
  name: 'movements_to_postgres',
  version: 1,
  project: movementsOf,
  open,
})

export default { projection } satisfies View
