/** What the writer's tests share: commands with ids that differ, and a look at what the log says of them. */
import { createHash } from 'node:crypto'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { makeUuidV7, type Id } from '../../schemas/ids.ts'
import type { Offer, OfferOffsets } from '../../eventlog/ports.ts'
import type { Writer } from '../../writer/writer.ts'

let made = 0

/** A new id, of now. */
export function newId(): Id {
  const bits = createHash('sha256').update(`${process.pid} ${process.hrtime.bigint()} ${made++}`).digest()
  return makeUuidV7(Date.now(), bits)
}

/** The id of the account with this name. */
export function accountId(name: string | number): Id {
  return makeUuidV7(1, createHash('sha256').update(`account ${name}`).digest())
}

/** Opens an account in EUR; with an overdraft limit of −1 it is one of the system's own. */
export function openAccount(name: string | number, overdraftLimit = 0n): Command {
  return {
    kind: 'OpenAccount',
    id: newId(),
    debit: accountId(name),
    ...(overdraftLimit === -1n ? { system: true } : { amount: overdraftLimit }),
    currency: 'EUR',
    scale: 2,
  }
}

export function transfer(from: string | number, to: string | number, amount: bigint): Command {
  return {
    kind: 'Transfer',
    id: newId(),
    debit: accountId(from),
    credit: accountId(to),
    amount,
    currency: 'EUR',
  }
}

/** Offers commands as one. */
export function offer(
  writer: Writer,
  commands: readonly Command[],
  stored: (place: OfferOffsets) => void = () => undefined,
): Offer {
  return writer.queue.offer(encodeCommands(commands), commands.length, (place) => stored(place!))
}

/** Offers commands and waits until what came of them is durable: the events of the frames that consumed them. */
export async function perform(writer: Writer, commands: readonly Command[]): Promise<WalletEvent[]> {
  const before = writer.log.head().sequence
  let stands: OfferOffsets | undefined
  const { kind } = offer(writer, commands, (place) => (stands = place))
  if (kind !== 'taken') throw new Error(`the offer was answered ${kind}`)
  const events: WalletEvent[] = []
  const seen = new AbortController()
  for await (const frame of writer.log.tail(before + 1n, seen.signal)) {
    events.push(...decodeEvents(frame.payload))
    if (stands!.before(frame.nextCommandOffset, frame.nextCommandIndex) === commands.length) seen.abort()
  }
  return events
}

/** All frames of a log, checked for gaps. */
export async function readAll(writer: Writer): Promise<Frame[]> {
  const frames: Frame[] = []
  let sequence = 0n
  for await (const frame of writer.log.read(1n)) {
    if (frame.firstSequence !== sequence + 1n) throw new Error(`a gap behind sequence ${sequence}`)
    sequence = lastSequence(frame)
    frames.push(frame)
  }
  return frames
}
