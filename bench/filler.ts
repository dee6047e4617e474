/** Fills a data folder quickly: commands in full batches through a writer's own queue, outcomes counted from its log. */
import { setTimeout as delay } from 'node:timers/promises'
import { EVENT_KINDS, ROW_BYTE } from '../schemas/events.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES, EVENT_ROW_BYTES } from '../schemas/limits.ts'
import type { Frame } from '../schemas/frames.ts'
import type { Writer } from '../writer/writer.ts'
import type { CommandGenerator } from './generator.ts'

/** Events of a log by what they say of their commands. */
export interface Outcomes {
  events: number
  refused: number
}

/** Counts a frame's events. Throws Error at a text, which no command of a benchmark has. */
export function countOutcomes(frame: Pick<Frame, 'count' | 'payload'>, outcomes: Outcomes): void {
  const { count, payload } = frame
  if (payload.length !== count * EVENT_ROW_BYTES) throw new Error('a row has a text, which no command has')
  let refused = 0
  for (let row = ROW_BYTE.kind; row < payload.length; row += EVENT_ROW_BYTES) {
    const kind = payload[row]!
    if (kind === EVENT_KINDS.TransferRefused || kind === EVENT_KINDS.AccountRefused) refused += 1
  }
  outcomes.events += count
  outcomes.refused += refused
}

/**
 * Opens accounts 1 to `accounts` and has `commands` further commands decided; returns when all of it is durable.
 * @returns what came of all of them
 */
export async function fillLog(
  writer: Pick<Writer, 'queue' | 'log'>,
  generator: CommandGenerator,
  accounts: number,
  commands: number,
): Promise<Outcomes> {
  const outcomes: Outcomes = { events: 0, refused: 0 }
  const over = new AbortController()
  const counting = (async () => {
    for await (const frame of writer.log.tail(writer.log.head().sequence + 1n, over.signal))
      countOutcomes(frame, outcomes)
  })()
  const slots = new Uint8Array(BATCH_COMMANDS_MAX * COMMAND_SLOT_BYTES)
  const offer = async (count: number): Promise<void> => {
    const batch = slots.subarray(0, count * COMMAND_SLOT_BYTES)
    for (;;) {
      const { kind } = writer.queue.offer(batch, count, () => undefined)
      if (kind === 'taken') return
      if (kind === 'stopped') throw new Error('the writer stopped while the log was filled')
      await delay(1)
    }
  }
  for (let first = 1; first <= accounts; first += BATCH_COMMANDS_MAX) {
    const count = Math.min(BATCH_COMMANDS_MAX, accounts - first + 1)
    generator.fillOpenings(slots, first, count, Date.now())
    await offer(count)
  }
  for (let done = 0; done < commands; done += BATCH_COMMANDS_MAX) {
    const count = Math.min(BATCH_COMMANDS_MAX, commands - done)
    generator.fill(slots, count, Date.now())
    await offer(count)
  }
  while (writer.queue.waiting() > 0) await delay(1)
  over.abort()
  await counting
  return outcomes
}
