/**
 * A real bank's transactions through Purser: `npm run example:czech-bank -- FILE.csv.gz`.
 *
 * Reads the bank's file, loads it through the same bulk lane that is open to everyone, reads it back through GraphQL, and
 * compares with the balances that the bank itself recorded. Exit code 0 only if every one of them is right, the trial
 * balance is zero, and a replay of the log from zero gives the same views.
 *
 *   bank-file.ts  the bank's format          survey.ts   first pass: check, and note what must come out
 *   convert.ts    second pass: neutral rows  compare.ts  read back and compare
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { isDebugging } from '../../platform/configuration/config.ts'
import { CommandFailure } from '../../cli/output/failure.ts'
import { graphql } from '../../cli/graphql-client.ts'
import { importLines } from '../../cli/import/import-lines.ts'
import { findSource } from '../../cli/import/source.ts'
import { createOutput, type Output } from '../../cli/output/output.ts'
import { proveTarget } from '../../cli/audit/prove-target.ts'
import { reportFailure } from '../../cli/output/report-failure.ts'
import { openTarget } from '../../cli/target.ts'
import { compare } from './compare.ts'
import { convert } from './convert.ts'
import { survey } from './survey.ts'

interface Options {
  readonly json?: boolean
  readonly data?: string
  readonly keep?: boolean
}

/** Runs the example and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const program = new Command('example:czech-bank')
    .argument('<FILE>', "transactions in the bank's format, plain or .gz")
    .option('--json', 'print one JSON object on standard output and nothing else there')
    .option('--data <DIR>', 'data folder; default: a temporary one')
    .option('--keep', 'keep the temporary data folder')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .action(async (file: string, options: Options) => {
      const output = createOutput(options.json === true, process)
      const dataDir = options.data ?? (await mkdtemp(path.join(os.tmpdir(), 'purser-czech-bank-')))
      try {
        await run(file, dataDir, output)
      } finally {
        if (options.data !== undefined || options.keep === true) output.log(`The data are in ${dataDir}.`)
        else await rm(dataDir, { recursive: true, force: true })
      }
    })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (error instanceof Error && 'exitCode' in error && error.exitCode === 0) return
    process.exitCode = reportFailure(error, createOutput(args.includes('--json'), process), isDebugging())
  }
}

async function run(file: string, dataDir: string, output: Output): Promise<void> {
  const startedAtMs = performance.now()
  if (!(await findSource(file)).isFile)
    throw new CommandFailure('file_unreadable', `${file} is read more than once, which a pipe cannot be. Name a file.`)
  const expected = await survey(file)
  output.log(`${expected.transactions} transactions on ${expected.customers.size} accounts`)

  const target = await openTarget({ data: dataDir }, output)
  try {
    const loaded = await importLines({
      url: target.url,
      name: `czech-bank-${await digestOf(file)}`,
      lines: convert(file, expected),
      onError: 'stop',
    })
    output.log(`Loaded: ${loaded.accepted} accepted, ${loaded.replayed} loaded before (${loaded.seconds} s)`)

    const { mismatches, examples } = await compare(target.url, expected, loaded.position)
    for (const example of examples) output.log(example)
    output.log(`Compared every balance with the bank's: ${mismatches} mismatches`)

    const trialBalance = await readTrialBalance(target.url, loaded.position)
    const proof = await proveTarget(target, dataDir)
    for (const check of proof.checks) output.log(`${check.holds ? 'holds' : 'FAILS'} ${check.name}: ${check.finding}`)

    const result = {
      transactions: expected.transactions,
      accounts: expected.customers.size,
      mismatches,
      refused: loaded.refused,
      trialBalance,
      replayEqual: proof.holds,
      seconds: Math.round(performance.now() - startedAtMs) / 1_000,
    }
    const isBalanced = Object.values(trialBalance).every((sum) => sum === '0')
    const holds = mismatches === 0 && isBalanced && proof.holds && Object.keys(loaded.refused).length === 0
    output.answer(result, `${holds ? 'Every balance is the one that the bank recorded.' : 'Not everything is as the bank recorded it.'} (${result.seconds} s)`)
    if (!holds) process.exitCode = 1
  } finally {
    await target.close()
  }
} // prettier-ignore

async function readTrialBalance(url: string, after: string | undefined): Promise<Record<string, string>> {
  type Answer = { trialBalance: { currency: string; sum: { minor: string } }[] }
  const query = 'query TrialBalance($after: Position) { trialBalance(after: $after) { currency sum { minor } } }'
  const { trialBalance } = await graphql<Answer>(url, query, { after })
  return Object.fromEntries(trialBalance.map(({ currency, sum }) => [currency, sum.minor]))
} // prettier-ignore

/** The same file is the same import, wherever it lies. */
async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex').slice(0, 16)
}
