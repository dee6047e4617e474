/** Load over the binary bulk lane, as its own client sends it, and what that client knows of it. */
import { randomBytes, randomInt } from 'node:crypto'
import { connectBulk, type BulkClient } from '../../client/client.ts'
import { BulkError } from '../../client/errors.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { formatId, makeUuidV7, parseId } from '../../schemas/ids.ts'
import { CASH, CUSTOMER, pause } from './load.ts'

const COMMANDS_MIN = 2_048
const COMMANDS_MAX = 8_192
const IN_FLIGHT = 4
/** Between two requests of one of those in flight, in ms: the views have to follow. */
const PAUSE_MS = 300
/** How long it may take until what was sent again is told of, in ms. */
const RESEND_MS_MAX = 40_000
/** A client that finds nobody does not wait for the next life. */
const TIMES = { connectMs: 5_000, answerMs: 20_000, patienceMs: 100 }

interface Batch {
  readonly slots: Uint8Array
  readonly ids: readonly string[]
}

export class BulkLoad {
  /** Ids whose outcome was told. */
  readonly acknowledged: string[] = []
  /** Sent, and not told of as a whole. */
  #open: Batch[] = []

  /** Sends until the platform is gone. */
  async run(url: string): Promise<void> {
    await withClient(url, (client) =>
      Promise.all(
        Array.from({ length: IN_FLIGHT }, async () => {
          for (;;) {
            const batch = newBatch()
            this.#open.push(batch)
            if (!(await this.#send(client, batch))) return
            await pause(PAUSE_MS)
          }
        }),
      ),
    )
  }

  /**
   * Sends again what nobody heard of, byte for byte, as a client does after a restart: until the platform tells, which it may
   * not while it is busy or its views are behind. Throws if some of it is refused, or not told of within a bound.
   */
  async resend(url: string): Promise<void> {
    const deadlineMs = performance.now() + RESEND_MS_MAX
    await withClient(url, async (client) => {
      for (const batch of [...this.#open])
        while (!(await this.#send(client, batch))) {
          if (performance.now() > deadlineMs) throw new Error('the platform does not tell what became of it')
          await pause(PAUSE_MS)
        }
    })
  }

  /** False if the platform is gone. */
  async #send(client: BulkClient, batch: Batch): Promise<boolean> {
    const { slots, ids } = batch
    try {
      const { decided, refused } = (await client.submitSlots(slots, ids.length)).tally()
      if (refused > 0) throw new Error(`${refused} of ${ids.length} transfers were refused`)
      if (decided < ids.length) return false
    } catch (error) {
      if (error instanceof BulkError) return false
      throw error
    }
    this.#open = this.#open.filter((other) => other !== batch)
    for (const id of ids) this.acknowledged.push(id)
    return true
  }
}

async function withClient(url: string, work: (client: BulkClient) => Promise<unknown>): Promise<void> {
  const client = await connectBulk({ url, ...TIMES })
  try {
    await work(client)
  } finally {
    await client.close()
  }
}

function newBatch(): Batch {
  const [debit, credit] = [parseId(CASH)!, parseId(CUSTOMER)!]
  const nowMs = Date.now()
  const commands = Array.from({ length: randomInt(COMMANDS_MIN, COMMANDS_MAX + 1) }, (): Command => ({
    kind: 'Transfer', id: makeUuidV7(nowMs, randomBytes(10)), debit, credit, amount: 1n, currency: 'EUR',
  })) // prettier-ignore
  return { slots: encodeCommands(commands), ids: commands.map(({ id }) => formatId(id)) }
}
