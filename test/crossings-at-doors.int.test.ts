/**
 * A transfer from one partition to another, at every door and in every phase: two gateways, and coordinators that are not
 * there for a while.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, subscribe } from '../cli/demo/subscriber.ts'
import { graphql } from '../cli/graphql-client.ts'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { startGateway, type Gateway } from '../gateway/gateway.ts'
import { createFileImportRegistry } from '../gateway/imports/import-registry.ts'
import { decodePosition } from '../gateway/positions/tokens.ts'
import { startPlatform, type Platform } from '../platform/embedded-platform.ts'
import type { Command } from '../schemas/commands.ts'
import { parseId, type Id } from '../schemas/ids.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { startCoordinators } from '../writer/coordinator/embedded-coordinators.ts'
import type { Coordinator } from '../writer/coordinator/coordinator.ts'
import { accountIn } from './support/account-in.ts'
import { newId } from './support/load.ts'

const PARTITIONS = 2
const WAIT_MS = 20_000

let dir: string
let platform: Platform
/** Gives up early what is under way. */
let hasty: Gateway
let client: BulkClient
let resumed: readonly Coordinator[] = []
const cash = accountIn(0, PARTITIONS)
const anna = accountIn(0, PARTITIONS)
const emil = accountIn(1, PARTITIONS)

const uuid = (): string => newId()
const id = (text: string): Id => parseId(text)!
type Told = Readonly<Record<string, unknown>>

const FIELDS = `__typename
  ... on TransferApplied { position replayed transfer { state phase debitAccountId creditAccountId creditBalance { accountId balance { minor } } } }
  ... on Refused { code position replayed debitBalance { accountId balance { minor } } creditBalance { accountId balance { minor } } }`
const TRANSFER = `mutation($input: TransferInput!) { transfer(input: $input) { ${FIELDS} } }`
const STATUS = `subscription($id: UUID!, $after: Position) { transferStatus(id: $id, after: $after) {
  state phase terminal refusal { code } position transfer { debitAccountId creditAccountId } } }`
const STATE = `query($id: UUID!) { transfer(id: $id) { state phase debitAccountId creditAccountId timeline { events { phase } } } }`
const BALANCE = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } held { minor } } }`
const ACTIVITY = `subscription($id: UUID!) { accountActivity(accountId: $id) { kind amount { minor } memo counterpartyAccountId direction } }`
const HISTORY = `query($id: UUID!, $after: Position) { history(accountId: $id, last: 5, afterPosition: $after) {
  nodes { kind direction memo counterpartyAccountId } } }`

interface Status {
  readonly state: string
  readonly phase: string
  readonly terminal: boolean
  readonly position: string
}

async function transfer(input: Told, url = platform.url): Promise<Told> {
  const { data, errors } = (await (await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: TRANSFER, variables: { input } }),
  })).json()) as { data?: { transfer: Told }; errors?: readonly { extensions: Told }[] } // prettier-ignore
  return errors === undefined ? data!.transfer : errors[0]!.extensions
}

async function inJson(input: Told, url = platform.url): Promise<Told> {
  const response = await fetch(`${url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ commands: [{ kind: 'transfer', ...input }] }),
  })
  return ((await response.json()) as { results: readonly Told[] }).results[0]!
}

const across = (more: Told = {}): Told & { readonly id: string } => ({
  id: uuid(), debitAccountId: anna, creditAccountId: emil, amount: '1', currency: 'EUR', memo: 'lunch', ...more,
}) // prettier-ignore

function onLane({ id: text, debitAccountId, creditAccountId }: Told): Command {
  return { kind: 'Transfer', id: id(text as string), debit: id(debitAccountId as string), credit: id(creditAccountId as string), amount: 1n, currency: 'EUR', memo: 'lunch' } // prettier-ignore
}

async function balance(account: string, after?: string): Promise<Told> {
  return (await graphql<{ balance: Told }>(platform.url, BALANCE, { id: account, after })).balance
}

const minor = async (account: string, after?: string): Promise<bigint> =>
  BigInt(((await balance(account, after))['balance'] as { minor: string }).minor)

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'crossings-'))
  platform = await startPlatform({ dataDir: dir, engineMemoryBytes: 1024 ** 3, partitions: PARTITIONS })
  hasty = await startGateway({
    writers: platform.writers, store: platform.store, views: platform.views, projections: platform.projections,
    currencies: ISO_CURRENCIES, host: '127.0.0.1', port: 0, graphiql: false,
    imports: createFileImportRegistry(path.join(dir, 'more')), log: () => undefined, limits: { outcomeWaitMs: 1_500, elsewhereWaitMs: 200 },
  }) // prettier-ignore
  client = await connectBulk({ url: platform.url })
  const commands = [
    { kind: 'openAccount', accountId: cash, currency: 'EUR', system: true },
    { kind: 'openAccount', accountId: anna, currency: 'EUR' },
    { kind: 'openAccount', accountId: emil, currency: 'EUR' },
    {
      kind: 'transfer',
      id: uuid(),
      debitAccountId: cash,
      creditAccountId: anna,
      amount: '1000',
      currency: 'EUR',
    },
  ]
  const response = await fetch(`${platform.url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ commands }),
  })
  expect(((await response.json()) as { results: readonly Told[] }).results).toMatchObject(
    commands.map(() => ({ status: 'accepted' })),
  )
}, 120_000)

afterAll(async () => {
  await client.close()
  await hasty.stop()
  await Promise.all(resumed.map((one) => one.stop()))
  await platform.stop()
  await rm(dir, { recursive: true, force: true })
}, 60_000)

test('has one outcome, whichever door and gateway it comes through first, and whichever tells it again', async () => {
  const doors = [
    (input: Told) => transfer(input),
    (input: Told) => inJson(input),
    async (input: Told): Promise<Told> => await client.submit(onLane(input)),
    (input: Told) => transfer(input, hasty.url),
    (input: Told) => inJson(input, hasty.url),
  ]
  const shapes = (replayed: boolean) => [
    { __typename: 'TransferApplied', replayed, transfer: { state: 'POSTED', phase: 'COMPLETED' } },
    { status: 'accepted', replayed },
    { status: 'accepted', replayed },
    { __typename: 'TransferApplied', replayed, transfer: { state: 'POSTED', phase: 'COMPLETED' } },
    { status: 'accepted', replayed },
  ]
  for (const [first, door] of doors.entries()) {
    const input = across()
    const before = { anna: await minor(anna), emil: await minor(emil) }
    const told = await door(input)
    expect(told).toMatchObject(shapes(false)[first]!)
    for (const [next, other] of doors.entries()) {
      const again = await other(input)
      expect(again).toMatchObject(shapes(true)[next]!)
      const { position } = again as { position?: string }
      if (position === undefined) continue
      expect([...decodePosition(position)!.keys()]).toEqual([0, 1])
      expect(await minor(anna, position)).toBe(before.anna - 1n)
      expect(await minor(emil, position)).toBe(before.emil + 1n)
    }
    expect(await transfer({ ...input, amount: '2' }, hasty.url)).toMatchObject({ code: 'id_reused' })
  }
}, 120_000)

test('happens on a condition on its debit account, and has none on the other one, at any door', async () => {
  const held = await balance(anna)
  const before = await minor(anna)
  const unmet = { version: 10_000_000n }
  const onDebit = { ifDebitVersion: '10000000' }
  expect(await transfer(across(onDebit))).toMatchObject({ __typename: 'Refused', code: 'condition_failed', debitBalance: { accountId: anna }, creditBalance: null })
  expect(await inJson(across(onDebit))).toMatchObject({ status: 'refused', code: 'condition_failed' })
  expect(await client.submit({ ...onLane(across()), ifDebit: unmet })).toMatchObject({ status: 'refused', code: 'condition_failed' })
  const other = { code: 'CROSS_PARTITION' }
  expect(await transfer(across({ ifCreditVersion: '1' }))).toMatchObject({ ...other, field: 'input.ifCreditVersion' })
  expect(await inJson(across({ ifCreditAvailableAtLeast: '0' }))).toMatchObject({ status: 'error', ...other, field: 'commands[0].ifCreditAvailableAtLeast' })
  expect(await client.submit({ ...onLane(across()), ifCredit: { version: 1n } })).toMatchObject({ status: 'fault', code: 'cross_partition' })
  expect(await balance(anna)).toEqual(held)
  const told = await transfer(across({ ifDebitAvailableAtLeast: String(before) }))
  expect(told).toMatchObject({ __typename: 'TransferApplied', transfer: { state: 'POSTED' } })
  expect(await minor(anna, told['position'] as string)).toBe(before - 1n)
}, 60_000) // prettier-ignore

test('that is refused at the other side says why, and what was seen on the side that refused', async () => {
  const closed = accountIn(1, PARTITIONS)
  const dollars = accountIn(1, PARTITIONS)
  const commands = [
    { kind: 'openAccount', accountId: closed, currency: 'EUR' },
    { kind: 'closeAccount', accountId: closed },
    { kind: 'openAccount', accountId: dollars, currency: 'USD' },
  ]
  await fetch(`${platform.url}/commands`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ commands }) }) // prettier-ignore
  const held = await balance(anna)
  for (const coordination of ['TCC', 'SAGA'])
    for (const [creditAccountId, code, seen] of [
      [closed, 'credit_account_closed', { accountId: closed, balance: { minor: '0' } }],
      [dollars, 'currency_mismatch', { accountId: dollars, balance: { minor: '0' } }],
      [accountIn(1, PARTITIONS), 'credit_account_not_found', null],
    ] as const) {
      const input = across({ creditAccountId, coordination })
      expect(await transfer(input)).toMatchObject({
        __typename: 'Refused', code, replayed: false, creditBalance: seen,
        debitBalance: { accountId: anna, balance: (held as { balance: Told }).balance },
      }) // prettier-ignore
      expect(await inJson(input)).toMatchObject({ status: 'refused', code, replayed: true })
    }
  expect(await balance(anna)).toEqual(held)
  expect(await transfer(across({ amount: '1000000' }))).toMatchObject({
    code: 'insufficient_funds',
    creditBalance: null,
  })
}, 120_000)

test('is told to subscribers phase by phase, of both sides, and to who comes back what he has not had', async () => {
  const apps = connect(platform.url)
  for (const [coordination, phases] of [
    ['TCC', ['RESERVED', 'CONFIRMED', 'CREDITED', 'COMPLETED']],
    ['SAGA', ['DEBITED', 'CREDITED', 'COMPLETED']],
  ] as const) {
    const input = across({ coordination })
    const status = subscribe<Status>(apps, STATUS, { id: input.id }, 'transferStatus')
    const paying = subscribe<Told>(apps, ACTIVITY, { id: anna }, 'accountActivity')
    const paid = subscribe<Told>(apps, ACTIVITY, { id: emil }, 'accountActivity')
    await new Promise((resolve) => setTimeout(resolve, 500))
    const done = await transfer(input)
    const told = await status.arrived(phases.length)
    expect(told.map(({ phase }) => phase)).toEqual(phases)
    expect(told.map(({ state, terminal }) => [state, terminal])).toEqual(
      phases.map((phase) => (phase === 'COMPLETED' ? ['POSTED', true] : ['PENDING', false])),
    )
    for (const item of told)
      expect(item).toMatchObject({ transfer: { debitAccountId: anna, creditAccountId: emil } })
    // Whoever comes back behind an item gets the rest.
    for (const [index, { position }] of told.slice(0, -1).entries()) {
      const again = subscribe<Status>(apps, STATUS, { id: input.id, after: position }, 'transferStatus')
      const rest = await again.arrived(phases.length - index - 1)
      expect(rest.map(({ phase }) => phase)).toEqual(phases.slice(index + 1))
    }
    const mine = await paying.arrived(2)
    expect(mine.slice(0, 2)).toMatchObject(
      (coordination === 'TCC' ? ['TransferReserved', 'TransferConfirmed'] : ['TransferDebited', 'TransferCompleted']).map(
        (kind) => ({ kind, memo: 'lunch', counterpartyAccountId: emil, direction: 'DEBIT' }),
      ),
    )
    const theirs = await paid.arrived(coordination === 'TCC' ? 2 : 1)
    expect(theirs.at(-1)).toMatchObject({ kind: 'TransferCredited', memo: 'lunch', counterpartyAccountId: anna, direction: 'CREDIT' })
    const { position } = done as { position: string }
    for (const [account, other] of [[anna, emil], [emil, anna]]) {
      const { history } = await graphql<{ history: { nodes: Told[] } }>(platform.url, HISTORY, { id: account, after: position })
      expect(history.nodes.at(-1)).toMatchObject({ memo: 'lunch', counterpartyAccountId: other })
    }
  }
  const refused = across({ creditAccountId: accountIn(1, PARTITIONS) })
  const status = subscribe<Status>(apps, STATUS, { id: refused.id }, 'transferStatus')
  await new Promise((resolve) => setTimeout(resolve, 300))
  await transfer(refused)
  expect(await status.arrived(2)).toMatchObject([
    { phase: 'RESERVED', state: 'PENDING', refusal: null },
    { phase: 'CANCELLED', state: 'REFUSED', terminal: true, refusal: { code: 'credit_account_not_found' } },
  ])
  await apps.dispose()
}, 120_000) // prettier-ignore

test('that stands still is told as under way, and the same id sent again finds its end, at any door', async () => {
  await Promise.all(platform.coordinators.map((one) => one.stop()))
  const input = across({ coordination: 'SAGA' })
  const before = await minor(anna)
  const emilBefore = await minor(emil)
  const waiting = transfer(input)
  expect(await transfer(input, hasty.url)).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true })
  expect(await inJson(input, hasty.url)).toMatchObject({ status: 'error', code: 'OUTCOME_UNKNOWN' })
  expect(await transfer({ ...input, amount: '2' }, hasty.url)).toMatchObject({ code: 'id_reused' })
  await expect
    .poll(async () => (await graphql<{ transfer: Told | null }>(hasty.url, STATE, { id: input.id })).transfer, { timeout: WAIT_MS })
    .toEqual({ state: 'PENDING', phase: 'DEBITED', debitAccountId: anna, creditAccountId: emil, timeline: { events: [{ phase: 'DEBITED' }] } })
  expect(await minor(anna)).toBe(before - 1n)
  expect(await minor(emil)).toBe(emilBefore)
  const apps = connect(hasty.url)
  const status = subscribe<Status>(apps, STATUS, { id: input.id }, 'transferStatus')
  expect(await status.arrived(1)).toMatchObject([{ phase: 'DEBITED', state: 'PENDING' }])
  resumed = startCoordinators(platform.writers, () => undefined)
  expect(await waiting).toMatchObject({ __typename: 'TransferApplied', replayed: false })
  expect((await status.arrived(3)).map(({ phase }) => phase)).toEqual(['DEBITED', 'CREDITED', 'COMPLETED'])
  expect(await transfer(input, hasty.url)).toMatchObject({ __typename: 'TransferApplied', replayed: true })
  expect(await client.submit(onLane(input))).toMatchObject({ status: 'accepted', replayed: true, other: { partition: 1 } })
  expect(await minor(emil)).toBe(emilBefore + 1n)
  await apps.dispose()
}, 120_000) // prettier-ignore
