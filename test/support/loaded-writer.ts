/**
 * A writer under load in a process of its own, for tests that kill it: `loaded-writer.js <data folder>`. It says each
 * durable frame on standard output, `<last sequence> <hash>`, before it goes on; and why it failed, on standard error.
 */
import { writeSync } from 'node:fs'
import { lastSequence } from '../../schemas/frames.ts'
import { startEmbeddedWriter } from '../../writer/embedded.ts'
import { accountId, newId, offer, openAccount, transfer } from './commands.ts'
import type { Command } from '../../schemas/commands.ts'

const ACCOUNTS = 50

async function run(dataDir: string): Promise<void> {
  const writer = await startEmbeddedWriter({ dataDir, snapshots: { everyEvents: 5_000, logRatio: 0 } })
  writer.onFailure((reason) => {
    writeSync(2, `${reason}\n`)
    process.exit(1)
  })
  offer(writer, [
    openAccount('cash', -1n),
    ...Array.from({ length: ACCOUNTS }, (_, index) => openAccount(index)),
  ])
  void load()
  for await (const frame of writer.log.tail(writer.recovery.head.sequence + 1n, new AbortController().signal))
    writeSync(1, `${lastSequence(frame)} ${Buffer.from(frame.hash).toString('hex')}\n`)

  async function load(): Promise<void> {
    for (let round = 0; ; round++) {
      const commands = Array.from({ length: 1 + (round % 100) }, (_, index) => command(round + index))
      while (offer(writer, commands).kind === 'busy') await new Promise((resolve) => setTimeout(resolve, 1))
      if (round % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
}

function command(number: number): Command {
  const from = number % 3 === 0 ? 'cash' : number % ACCOUNTS
  if (number % 7 !== 0) return transfer(from, (number * 13) % ACCOUNTS, BigInt(number % 100) + 1n)
  return {
    kind: 'PlaceHold',
    id: newId(),
    debit: accountId(from),
    credit: accountId((number * 17) % ACCOUNTS),
    amount: 5n,
    currency: 'EUR',
    timeoutNs: 20_000_000n,
  }
}

await run(process.argv[2]!)
