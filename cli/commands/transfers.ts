/** `purser transfers --open`: the transfers between partitions that are under way, and what each waits for. */
import { graphql } from '../graphql-client.ts'
import type { GivenOptions } from '../options.ts'
import { CommandFailure } from '../output/failure.ts'
import type { Output } from '../output/output.ts'
import type { AddCommand } from './command.ts'
import { addTarget, withTarget } from './projections/operate.ts'

interface Crossing {
  readonly transferId: string
  readonly phase: string
  readonly waitsFor: string
  readonly begunAt: string
  readonly since: string
  readonly deadline: string | null
  readonly amount: { readonly major: string; readonly currency: string }
  readonly debitAccountId: string
  readonly creditAccountId: string
  readonly debitPartition: number
  readonly creditPartition: number
  readonly channel: number
}

const OPEN = `query Open($first: Int) { openCrossings(first: $first) { count crossings {
  transferId phase waitsFor begunAt since deadline amount { major currency } debitAccountId creditAccountId
  debitPartition creditPartition channel } } }`

const LIMIT_MAX = 1_000

type Flags = GivenOptions & { readonly open?: boolean; readonly limit?: string }

export const addTransfers: AddCommand = (program, run) => {
  const command = program
    .command('transfers')
    .description('transfers between partitions (docs/coordination.md)')
    .option('--open', 'those under way: in which phase, since when, what they wait for')
    .option('--limit <N>', 'how many to list, 1 to 1000', '100')
  addTarget(command).action((options: Flags) => run(options, (output) => transfers(options, output)))
}

async function transfers(options: Flags, output: Output): Promise<void> {
  if (options.open !== true)
    throw new CommandFailure('usage', 'Say which: purser transfers --open. One by its id is the query transfer(id).')
  const first = Number(options.limit)
  if (!Number.isInteger(first) || first < 1 || first > LIMIT_MAX)
    throw new CommandFailure('usage', `--limit: expected a number from 1 to ${LIMIT_MAX}, got "${options.limit!}".`)
  await withTarget(options, output, async ({ url }) => {
    type Answer = { readonly openCrossings: { readonly count: string; readonly crossings: readonly Crossing[] } }
    const { count, crossings } = (await graphql<Answer>(url, OPEN, { first })).openCrossings
    const more = BigInt(count) > crossings.length ? [`… and ${BigInt(count) - BigInt(crossings.length)} more`] : []
    const text = crossings.length === 0 ? 'No transfer between partitions is under way.' : [...crossings.map(line), ...more].join('\n')
    output.answer({ ok: true, count, crossings }, text)
  })
} // prettier-ignore

function line({ transferId, phase, since, amount, debitPartition, creditPartition, waitsFor }: Crossing): string {
  const where = phase === 'HoldConfirmed' ? 'held' : phase
  return `${transferId}  ${amount.major} ${amount.currency}  partition ${debitPartition} → ${creditPartition}  ${where} since ${since}, waits for ${waitsFor}`
} // prettier-ignore
