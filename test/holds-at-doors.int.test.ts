/** A hold from one partition to another, at every door: placed, posted in parts, voided, left to expire, told and shown. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, subscribe } from '../cli/demo/subscriber.ts'
import { graphql } from '../cli/graphql-client.ts'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { startPlatform, type Platform } from '../platform/embedded-platform.ts'
import type { Command } from '../schemas/commands.ts'
import { parseId, type Id } from '../schemas/ids.ts'
import { accountIn } from './support/account-in.ts'
import { newId } from './support/load.ts'

const PARTITIONS = 2
const WAIT_MS = 20_000

let dir: string
let platform: Platform
let client: BulkClient
const cash = accountIn(0, PARTITIONS)
const anna = accountIn(0, PARTITIONS)
const emil = accountIn(1, PARTITIONS)

const id = (text: string): Id => parseId(text)!
type Told = Readonly<Record<string, unknown>>

const APPLIED = `__typename
  ... on TransferApplied { position replayed transfer { kind state phase amount { minor } heldAmount { minor } debitAccountId creditAccountId
    creditBalance { accountId creditsPending { minor } } } }
  ... on Refused { code position creditBalance { accountId } }`
const MUTATIONS = {
  placeHold: `mutation($input: PlaceHoldInput!) { told: placeHold(input: $input) { ${APPLIED} } }`,
  postHold: `mutation($input: PostHoldInput!) { told: postHold(input: $input) { ${APPLIED} } }`,
  voidHold: `mutation($input: VoidHoldInput!) { told: voidHold(input: $input) { ${APPLIED} } }`,
}
const HOLD = `query($id: UUID!, $after: Position) { transfer(id: $id, after: $after) { kind state phase amount { minor } postedAmount { minor }
  heldAmount { minor } debitAccountId creditAccountId expiresAt postedById voidedById posts { id amount { minor } } timeline { events { phase } } } }`
const BALANCE = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } held { minor } creditsPending { minor } } }`
const OPEN = '{ openCrossings { count crossings { transferId phase waitsFor deadline } } }'
const STATUS = `subscription($id: UUID!, $after: Position) { transferStatus(id: $id, after: $after) { state phase terminal position } }`
const HISTORY = `query($id: UUID!, $after: Position) { history(accountId: $id, last: 3, afterPosition: $after) { nodes { kind counterpartyAccountId } } }`

async function ask(mutation: keyof typeof MUTATIONS, input: Told): Promise<Told> {
  const response = await fetch(`${platform.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: MUTATIONS[mutation], variables: { input } }),
  })
  const { data, errors } = (await response.json()) as { data?: { told: Told }; errors?: readonly { extensions: Told }[] } // prettier-ignore
  return errors === undefined ? data!.told : errors[0]!.extensions
}

async function inJson(...commands: Told[]): Promise<readonly Told[]> {
  const response = await fetch(`${platform.url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ commands }),
  })
  return ((await response.json()) as { results: readonly Told[] }).results
}

const hold = (more: Told = {}): Told & { readonly id: string } => ({
  id: newId(), debitAccountId: anna, creditAccountId: emil, amount: '100', currency: 'EUR', ...more,
}) // prettier-ignore

/** Balance, held and expected of both accounts. */
async function money(after?: unknown): Promise<readonly (readonly number[])[]> {
  return Promise.all(
    [anna, emil].map(async (account) => {
      const { balance } = await graphql<{ balance: Readonly<Record<string, { minor: string }>> }>(platform.url, BALANCE, { id: account, after }) // prettier-ignore
      return ['balance', 'held', 'creditsPending'].map((total) => Number(balance[total]!.minor))
    }),
  )
}

const shown = async (text: string, after?: unknown): Promise<Told> =>
  (await graphql<{ transfer: Told }>(platform.url, HOLD, { id: text, after })).transfer

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'holds-'))
  platform = await startPlatform({ dataDir: dir, engineMemoryBytes: 1024 ** 3, partitions: PARTITIONS })
  client = await connectBulk({ url: platform.url })
  const results = await inJson(
    { kind: 'openAccount', accountId: cash, currency: 'EUR', system: true },
    { kind: 'openAccount', accountId: anna, currency: 'EUR' },
    { kind: 'openAccount', accountId: emil, currency: 'EUR' },
    {
      kind: 'transfer',
      id: newId(),
      debitAccountId: cash,
      creditAccountId: anna,
      amount: '1000',
      currency: 'EUR',
    },
  )
  expect(results).toMatchObject(results.map(() => ({ status: 'accepted' })))
}, 120_000)

afterAll(async () => {
  await client.close()
  await platform.stop()
  await rm(dir, { recursive: true, force: true })
}, 60_000)

test('is placed, posted in two parts and closed, and every reader sees both sides and the real accounts', async () => {
  const [[annas], [emils]] = (await money()) as [number[], number[]]
  const input = hold({ timeoutSeconds: 3_600 })
  const placed = await ask('placeHold', input)
  expect(placed).toMatchObject({
    __typename: 'TransferApplied', replayed: false,
    transfer: { kind: 'HOLD', state: 'PENDING', phase: 'HELD', debitAccountId: anna, creditAccountId: emil, heldAmount: { minor: '100' }, creditBalance: { accountId: emil, creditsPending: { minor: '100' } } },
  })
  expect(await money(placed['position'])).toEqual([[annas, 100, 0], [emils, 0, 100]])
  expect(await ask('placeHold', input)).toMatchObject({ replayed: true, transfer: { kind: 'HOLD', state: 'PENDING' } })
  expect(await ask('placeHold', { ...input, amount: '99' })).toMatchObject({ code: 'id_reused' })
  const listed = await graphql<{ openCrossings: Told }>(platform.url, OPEN, {})
  expect(listed.openCrossings).toEqual({ count: '1', crossings: [
    { transferId: input.id, phase: 'HoldConfirmed', waitsFor: 'its client, to post or void it, or for it to expire', deadline: null },
  ] })

  const part = { id: newId(), holdId: input.id, amount: '30', keepOpen: true }
  const posted = await ask('postHold', part)
  expect(posted).toMatchObject({ transfer: { kind: 'HOLD_POST', state: 'POSTED', phase: 'COMPLETED', amount: { minor: '30' }, creditAccountId: emil } })
  expect(await money(posted['position'])).toEqual([[annas! - 30, 70, 0], [emils! + 30, 0, 70]])
  expect(await inJson({ kind: 'postHold', ...part })).toMatchObject([{ status: 'accepted', replayed: true }])
  expect(await shown(input.id, posted['position'])).toMatchObject({ state: 'PENDING', postedAmount: { minor: '30' }, heldAmount: { minor: '70' }, posts: [{ amount: { minor: '30' } }] })
  expect(await ask('postHold', { id: newId(), holdId: input.id, amount: '71' })).toMatchObject({ code: 'amount_exceeds_hold', creditBalance: null })

  const last = newId()
  expect(await inJson({ kind: 'postHold', id: last, holdId: input.id, amount: '20' })).toMatchObject([{ status: 'accepted' }])
  await expect.poll(() => money(), { timeout: WAIT_MS }).toEqual([[annas! - 50, 0, 0], [emils! + 50, 0, 0]])
  await expect.poll(() => shown(input.id), { timeout: WAIT_MS })
    .toMatchObject({ state: 'POSTED', postedAmount: { minor: '50' }, heldAmount: null, postedById: last, voidedById: null })
  const { history } = await graphql<{ history: { nodes: Told[] } }>(platform.url, HISTORY, { id: emil })
  expect(history.nodes.map(({ counterpartyAccountId }) => counterpartyAccountId)).toEqual([anna, anna, anna])
  expect(await ask('postHold', { id: newId(), holdId: input.id })).toMatchObject({ code: 'hold_not_open' })
  await expect.poll(async () => (await graphql<{ openCrossings: Told }>(platform.url, OPEN, {})).openCrossings['count'], { timeout: WAIT_MS }).toBe('0')
}, 120_000) // prettier-ignore

test('is voided: who voids it is told when both sides have let go, at any door', async () => {
  const before = await money()
  const doors = [
    (input: Told) => ask('voidHold', input),
    async (input: Told) => (await inJson({ kind: 'voidHold', ...input }))[0]!,
    async (input: Told): Promise<Told> => await client.submit({ kind: 'VoidHold', id: id(input['id'] as string), related: id(input['holdId'] as string) }),
  ]
  for (const door of doors) {
    const input = hold()
    const command: Command = { kind: 'PlaceHold', id: id(input.id), debit: id(anna), credit: id(emil), amount: 100n, currency: 'EUR' }
    expect(await client.submit(command)).toMatchObject({ status: 'accepted', replayed: false, other: { partition: 1 } })
    const voiding = { id: newId(), holdId: input.id }
    const told = await door(voiding)
    expect(told['__typename'] ?? told['status']).toMatch(/TransferApplied|accepted/)
    expect(await ask('voidHold', voiding)).toMatchObject({ replayed: true, transfer: { kind: 'HOLD_VOID', state: 'VOIDED', phase: 'COMPLETED', amount: { minor: '100' } } })
    expect(await money((await ask('voidHold', voiding))['position'])).toEqual(before)
    expect(await shown(input.id)).toMatchObject({ state: 'VOIDED', voidedById: voiding.id, postedAmount: null, heldAmount: null })
  }
}, 120_000) // prettier-ignore

test('is told to subscribers from its reservation to its end, and so are its posts and its void', async () => {
  const apps = connect(platform.url)
  type Status = { readonly phase: string; readonly state: string; readonly terminal: boolean; readonly position: string }
  const watch = (text: string, after?: string) => subscribe<Status>(apps, STATUS, { id: text, after }, 'transferStatus')
  const [input, post, voiding, short] = [hold(), newId(), newId(), hold({ timeoutSeconds: 1 })] as const
  const [onHold, onPost, onVoid, onShort] = [watch(input.id), watch(post), watch(voiding), watch(short.id)]
  await new Promise((resolve) => setTimeout(resolve, 500))
  await ask('placeHold', input)
  await ask('postHold', { id: post, holdId: input.id, amount: '1', keepOpen: true })
  await ask('voidHold', { id: voiding, holdId: input.id })
  await ask('placeHold', short)
  const lines = async (of: typeof onHold, count: number) => (await of.arrived(count)).map(({ phase, state, terminal }) => [phase, state, terminal])
  expect(await lines(onHold, 3)).toEqual([['RESERVED', 'PENDING', false], ['HELD', 'PENDING', false], ['RELEASED', 'VOIDED', true]])
  expect(await lines(onPost, 3)).toEqual([['DRAWN', 'PENDING', false], ['CREDITED', 'PENDING', false], ['COMPLETED', 'POSTED', true]])
  expect(await lines(onVoid, 2)).toEqual([['RELEASED', 'PENDING', false], ['COMPLETED', 'VOIDED', true]])
  expect(await lines(onShort, 3)).toEqual([['RESERVED', 'PENDING', false], ['HELD', 'PENDING', false], ['RELEASED', 'EXPIRED', true]])
  const [, held] = await onHold.arrived(2)
  expect(await lines(watch(input.id, held!.position), 1)).toEqual([['RELEASED', 'VOIDED', true]])
  expect(await lines(watch(input.id), 1)).toEqual([['RELEASED', 'VOIDED', true]])
  await expect.poll(async () => (await shown(short.id))['state'], { timeout: WAIT_MS }).toBe('EXPIRED')
  await apps.dispose()
}, 120_000) // prettier-ignore

test('is refused like a transfer, and what cannot be across is refused with its reason', async () => {
  const before = await money()
  expect(await ask('placeHold', hold({ creditAccountId: accountIn(1, PARTITIONS) }))).toMatchObject({ __typename: 'Refused', code: 'credit_account_not_found' })
  expect(await ask('placeHold', hold({ amount: '100000' }))).toMatchObject({ __typename: 'Refused', code: 'insufficient_funds' })
  expect(await ask('placeHold', hold({ ifCreditVersion: '1' }))).toMatchObject({ code: 'CROSS_PARTITION', field: 'input.ifCreditVersion' })
  expect(await money()).toEqual(before)
  const input = hold({ amount: '10' })
  await ask('placeHold', input)
  expect(await ask('voidHold', { id: newId(), holdId: input.id, ifCreditVersion: '1' })).toMatchObject({ code: 'hold_across' })
  const group = await inJson(
    { kind: 'voidHold', id: newId(), holdId: input.id, linked: true },
    { kind: 'transfer', id: newId(), debitAccountId: anna, creditAccountId: cash, amount: '1', currency: 'EUR' },
  )
  expect(group).toMatchObject([{ status: 'refused', code: 'hold_across' }, { status: 'refused', code: 'linked_failed' }])
  await ask('voidHold', { id: newId(), holdId: input.id })
  await expect.poll(() => money(), { timeout: WAIT_MS }).toEqual(before)
}, 120_000) // prettier-ignore
