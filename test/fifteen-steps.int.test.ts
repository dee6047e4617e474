/** One transfer from a partition to another, through the fifteen steps of docs/coordination.md, one by one. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { graphql } from '../cli/graphql-client.ts'
import { decodePosition } from '../gateway/positions/tokens.ts'
import { startPlatform, type Platform } from '../platform/embedded-platform.ts'
import { isTransitAccountId, parseCrossing } from '../schemas/crossing.ts'
import { decodeEvents, type EventKind, type WalletEvent } from '../schemas/events.ts'
import { formatId, parseId } from '../schemas/ids.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { nextStepOf } from '../writer/coordinator/next-step.ts'
import { newId } from './support/load.ts'

const [SOURCE, DESTINATION] = [0, 1]
const OPEN = `mutation($input: OpenAccountInput!) { openAccount(input: $input) { __typename } }`
const TRANSFER = `mutation($input: TransferInput!) { transfer(input: $input) { __typename ... on TransferApplied { position transfer { state } } } }`
const BALANCE = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } held { minor } } }`
const PHASES = `query($id: UUID!, $after: Position) { transfer(id: $id, after: $after) { state timeline { events { phase } } } }`
const AMOUNT = 70n

let dir: string
let platform: Platform

function accountIn(partition: number): string {
  for (;;) {
    const id = newId()
    if (partitionOf(parseId(id)!, 2) === partition) return id
  }
}

/** Every event in a partition's log, as its files have it. */
async function eventsIn(partition: number): Promise<WalletEvent[]> {
  const events: WalletEvent[] = []
  for await (const frame of platform.writers[partition]!.log.read(1n))
    events.push(...decodeEvents(frame.payload))
  return events
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'fifteen-'))
  platform = await startPlatform({ dataDir: dir, engineMemoryBytes: 1024 ** 3, partitions: 2 })
}, 120_000)

afterAll(async () => {
  await platform.stop()
  await rm(dir, { recursive: true, force: true })
}, 60_000)

test('a transfer goes through all fifteen steps, each with its event', async () => {
  const [payer, payee] = [accountIn(SOURCE), accountIn(DESTINATION)]
  for (const [accountId, more] of [[payer, { system: true }], [payee, {}]] as const)
    await graphql(platform.url, OPEN, { input: { id: newId(), accountId, currency: 'EUR', ...more } }) // prettier-ignore

  // 1. The client sends the transfer to a door, and it is submitted to the source.
  const id = newId()
  const input = { id, debitAccountId: payer, creditAccountId: payee, amount: String(AMOUNT), currency: 'EUR' }
  const { transfer } = await graphql<{
    transfer: { __typename: string; position: string; transfer: object }
  }>(platform.url, TRANSFER, { input })
  const logs = await Promise.all([SOURCE, DESTINATION].map(eventsIn))
  const of = (partition: number, kind: EventKind): WalletEvent => {
    const found = logs[partition]!.filter((event) => event.kind === kind && formatId(event.transferId) === id)
    expect(found, kind).toHaveLength(1)
    return found[0]!
  }

  // 2. The source notes it in its log: a channel is its line in the table of phases.
  const reserved = of(SOURCE, 'TransferReserved')
  const place = parseCrossing(reserved.namedAccounts)!
  expect(place).toMatchObject({ source: SOURCE, channel: 1, turn: 1, answers: 0n })
  expect([formatId(place.debit), formatId(place.credit)]).toEqual([payer, payee])
  // 3. The first operation is that very command.
  expect(reserved.command).toBe('Transfer')
  // 4. Validated, made an event, durable, applied: the amount is held on the payer's side, expected on the transit account's.
  expect([reserved.debit.debitsPending, reserved.credit.creditsPending]).toEqual([AMOUNT, AMOUNT])
  const opened = logs[SOURCE]!.find(({ sequence }) => sequence === reserved.sequence - 1n)!
  expect([opened.kind, opened.owner, isTransitAccountId(opened.relatedId)]).toEqual([
    'AccountOpened',
    'in transit',
    true,
  ])
  // 5. The read side follows the log.
  const { position } = transfer
  const { transfer: seen } = await graphql<{
    transfer: { timeline: { events: { phase: string | null }[] } }
  }>(platform.url, PHASES, { id, after: position })
  expect(seen.timeline.events[0]!.phase).toBe('RESERVED')
  // 6 and 7. The coordinator follows the log too, and finds what comes next in its table.
  expect(platform.coordinators[SOURCE]!.status().sequence).toBeGreaterThanOrEqual(reserved.sequence)
  expect(nextStepOf('TransferReserved', reserved.command)).toMatchObject({
    to: 'destination',
    step: 'TryCredit',
  })
  // 8. There is nothing to note: the answer of the destination and the decision of the source are the notes.
  const answered = of(DESTINATION, 'CreditReserved')
  expect([answered.command, answersOf(answered)]).toEqual(['TryCredit', reserved.sequence])
  const confirmed = of(SOURCE, 'TransferConfirmed')
  expect([confirmed.command, answersOf(confirmed)]).toEqual(['ConfirmTransfer', answered.sequence])
  expect([confirmed.debit.debitsPending, confirmed.debit.debitsPosted]).toEqual([0n, AMOUNT])
  // 9. The second operation goes to the destination.
  const credited = of(DESTINATION, 'TransferCredited')
  expect([credited.command, answersOf(credited)]).toEqual(['CreditTransfer', confirmed.sequence])
  // 10. Made an event there, durable, applied: in transit is nothing any more.
  expect([credited.credit.creditsPending, credited.credit.creditsPosted]).toEqual([0n, AMOUNT])
  const inTransit = confirmed.credit.creditsPosted - confirmed.credit.debitsPosted + credited.debit.creditsPosted - credited.debit.debitsPosted // prettier-ignore
  expect(inTransit).toBe(0n)
  // 11. Its read side follows.
  const { balance } = await graphql<{ balance: object }>(platform.url, BALANCE, {
    id: payee,
    after: position,
  })
  expect(balance).toEqual({ balance: { minor: String(AMOUNT) }, held: { minor: '0' } })
  // 12 and 13. The coordinator of that partition follows its log, and finds what comes next.
  expect(platform.coordinators[DESTINATION]!.status().sequence).toBeGreaterThanOrEqual(credited.sequence)
  expect(nextStepOf('TransferCredited', credited.command)).toMatchObject({
    to: 'source',
    step: 'CompleteTransfer',
  })
  // 14. The source notes the end, and its channel is free.
  const completed = of(SOURCE, 'TransferCompleted')
  expect([completed.command, answersOf(completed)]).toEqual(['CompleteTransfer', credited.sequence])
  // 15. The client is told, with a position that covers both sides.
  expect(transfer).toMatchObject({ __typename: 'TransferApplied', transfer: { state: 'POSTED' } })
  const covered = decodePosition(position)!
  expect(covered.get(SOURCE)).toBeGreaterThanOrEqual(completed.sequence)
  expect(covered.get(DESTINATION)).toBeGreaterThanOrEqual(credited.sequence)
}, 60_000)

function answersOf({ namedAccounts }: WalletEvent): bigint {
  return parseCrossing(namedAccounts)!.answers
}
