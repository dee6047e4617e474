/** Money's verbs at every door: what each may carry, what it comes to, and what the views then say. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { newId } from '../client/new-id.ts'
import { startPlatform, type Platform } from '../platform/embedded-platform.ts'
import type { Command } from '../schemas/commands.ts'
import { formatId, parseId, type Id } from '../schemas/ids.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'

let dir: string
let platform: Platform
let client: BulkClient
let cash: string

const uuid = (): string => formatId(newId())
const idOf = (text: string): Id => parseId(text)!

type Told = Readonly<Record<string, unknown>>

async function post(where: string, body: unknown): Promise<Told> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(platform.url + where, { method: 'POST', headers, body: JSON.stringify(body) })
  return (await response.json()) as Told
}

/** What a query or mutation answers in its only field; a fault as its code, field and message. */
async function ask(query: string, variables: object = {}): Promise<Told> {
  const { data, errors } = (await post('/graphql', { query, variables })) as {
    data?: Readonly<Record<string, Told>> | null
    errors?: readonly { readonly message: string; readonly extensions: Told }[]
  }
  if (errors !== undefined) return { ...errors[0]!.extensions, message: errors[0]!.message }
  return Object.values(data!)[0]!
}

const REFUSED =
  '... on Refused { code position debitBalance { version available { minor } } creditBalance { version } }'
const MOVED = `__typename ... on TransferApplied { replayed position transfer { id kind state amount { minor } } } ${REFUSED}`

function mutate(kind: string, input: object, fields = MOVED): Promise<Told> {
  const type = `${kind[0]!.toUpperCase()}${kind.slice(1)}Input`
  return ask(`mutation($input: ${type}!) { result: ${kind}(input: $input) { ${fields} } }`, { input })
}

async function inJson(...commands: readonly object[]): Promise<readonly Told[]> {
  return (await post('/commands', { commands }))['results'] as readonly Told[]
}

async function opened(more: object = {}, funds = '100'): Promise<string> {
  const accountId = uuid()
  expect(
    await inJson(
      { kind: 'openAccount', accountId, currency: 'EUR', owner: 'alice', ...more },
      { kind: 'transfer', id: uuid(), debitAccountId: cash, creditAccountId: accountId, amount: funds, currency: 'EUR' },
    ),
  ).toMatchObject([{ status: 'accepted' }, { status: 'accepted' }])
  return accountId
} // prettier-ignore

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'verbs-'))
  platform = await startPlatform({
    dataDir: dir, host: '127.0.0.1', port: 0, currencies: ISO_CURRENCIES, graphiql: false,
    engineMemoryBytes: 1024 ** 3, log: () => undefined,
  }) // prettier-ignore
  client = await connectBulk({ url: platform.url })
  cash = uuid()
  await inJson({ kind: 'openAccount', accountId: cash, currency: 'EUR', system: true })
}, 120_000)

afterAll(async () => {
  await client.close()
  await platform.stop()
  await rm(dir, { recursive: true, force: true })
}, 60_000)

describe('an account changes its owner, its overdraft limit, or both', () => {
  const CHANGED = `__typename ... on AccountApplied { position account { owner status overdraftLimit { minor } balance { available { minor } } } } ${REFUSED}`
  const change = (input: object): Promise<Told> => mutate('changeAccount', input, CHANGED)
  const available = async (accountId: string, at?: object, after?: unknown): Promise<unknown> =>
    (await ask('query($id: UUID!, $at: AsOf, $after: Position) { balance(accountId: $id, at: $at, after: $after) { available { minor } } }', { id: accountId, at, after }))['available'] // prettier-ignore
  const owned = async (owner: string, after: unknown): Promise<unknown> =>
    (await ask('query($owner: String!, $after: Position) { accounts(owner: $owner, afterPosition: $after) { nodes { id } } }', { owner, after }))['nodes'] // prettier-ignore

  test('and every read says what held at its moment, from memory and from the views', async () => {
    const accountId = await opened()
    expect(await available(accountId)).toEqual({ minor: '100' })
    const limited = await change({ accountId, overdraftLimit: '50' })
    expect(limited).toMatchObject({ account: { owner: 'alice', status: 'OPEN', overdraftLimit: { minor: '50' }, balance: { available: { minor: '150' } } } }) // prettier-ignore
    // Asked for lately: out of memory, which the feed moves on.
    for (let read = 0; read < 3; read++) expect(await available(accountId, undefined, limited['position'])).toEqual({ minor: '150' }) // prettier-ignore
    const owner = `bob ${uuid()}`
    const owning = await change({ accountId, owner })
    expect(owning).toMatchObject({ account: { owner, overdraftLimit: { minor: '50' } } })
    const raised = await client.submit({ kind: 'ChangeAccount', id: newId(), debit: idOf(accountId), amount: 70n }) // prettier-ignore
    expect(raised).toMatchObject({ status: 'accepted' })
    await expect.poll(() => available(accountId)).toEqual({ minor: '170' })
    expect(await available(accountId, { position: limited['position'] })).toEqual({ minor: '150' })
    expect(await owned(owner, owning['position'])).toEqual([{ id: accountId }])
    const alice = (await owned('alice', owning['position'])) as readonly { id: string }[]
    expect(alice.map(({ id }) => id)).not.toContain(accountId)
    const entries = (await ask('query($id: UUID!, $after: Position) { history(accountId: $id, filter: { kinds: [AccountChanged] }, afterPosition: $after) { nodes { amount { minor } balance { available { minor } } } } }', { id: accountId, after: owning['position'] }))['nodes'] // prettier-ignore
    expect((entries as readonly Told[]).slice(0, 2)).toEqual([
      { amount: { minor: '50' }, balance: { available: { minor: '150' } } },
      { amount: { minor: '50' }, balance: { available: { minor: '150' } } },
    ])
  })

  test('a frozen one stays frozen; a limit below what is drawn, and one of a system account, are refused at every door', async () => {
    const accountId = await opened({ overdraftLimit: '80' }, '10')
    await mutate('transfer', { id: uuid(), debitAccountId: accountId, creditAccountId: cash, amount: '60', currency: 'EUR' }) // prettier-ignore
    await inJson({ kind: 'freezeAccount', accountId })
    expect(await change({ accountId, overdraftLimit: '50' })).toMatchObject({ account: { status: 'FROZEN' } })
    expect(await change({ accountId, overdraftLimit: '49' })).toMatchObject({ code: 'overdraft_in_use', debitBalance: { available: { minor: '0' } } }) // prettier-ignore
    expect(await inJson({ kind: 'changeAccount', accountId: cash, overdraftLimit: '49' })).toMatchObject([{ code: 'account_is_system' }]) // prettier-ignore
    const onLane: Command = { kind: 'ChangeAccount', id: newId(), debit: idOf(accountId), amount: 49n }
    expect(await client.submit(onLane)).toMatchObject({ status: 'refused', code: 'overdraft_in_use' })
    // The same again has the same outcome; another limit under the id is told apart.
    expect(await client.submit(onLane)).toMatchObject({ status: 'refused', code: 'overdraft_in_use', replayed: true }) // prettier-ignore
    expect(await client.submit({ ...onLane, amount: 80n })).toMatchObject({ status: 'refused', code: 'id_reused' }) // prettier-ignore
    expect(await client.submit({ ...onLane, amount: undefined, owner: 'x' })).toMatchObject({ status: 'refused', code: 'id_reused' }) // prettier-ignore
  })

  test('of nothing, of an empty owner or to a limit below zero is wrong input, with its field', async () => {
    const accountId = await opened()
    for (const [wrong, field] of [[{}, 'overdraftLimit'], [{ owner: '' }, 'owner'], [{ overdraftLimit: '-1' }, 'overdraftLimit']] as const)
      expect(await change({ accountId, ...wrong })).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.${field}` })
    await expect(client.submit({ kind: 'ChangeAccount', id: newId(), debit: idOf(accountId) })).rejects.toMatchObject({ code: 'malformed' })
  }) // prettier-ignore
})

describe('a command may carry a condition on each of its accounts', () => {
  test('and happens if they hold, or is refused alike at every door, with what was seen', async () => {
    const from = await opened()
    const to = await opened()
    const move = (more: object): object => ({ id: uuid(), debitAccountId: from, creditAccountId: to, amount: '10', currency: 'EUR', ...more }) // prettier-ignore
    const moving: Command = { kind: 'Transfer', id: newId(), debit: idOf(from), credit: idOf(to), amount: 10n, currency: 'EUR' } // prettier-ignore
    expect(await mutate('transfer', move({ ifDebitVersion: '2', ifCreditAvailableAtLeast: '100' }))).toMatchObject({ transfer: { state: 'POSTED' } }) // prettier-ignore
    const refused = { code: 'condition_failed', debitBalance: { version: '3', available: { minor: '90' } }, creditBalance: { version: '3' } } // prettier-ignore
    expect(await mutate('transfer', move({ ifDebitVersion: '2' }))).toMatchObject(refused)
    expect(await mutate('placeHold', move({ ifDebitAvailableAtLeast: '91' }))).toMatchObject(refused)
    expect(await inJson({ kind: 'transfer', ...move({ ifCreditVersion: '2' }) })).toMatchObject([{ status: 'refused', code: 'condition_failed' }]) // prettier-ignore
    const onLane: Command = { ...moving, ifCredit: { version: 2n } }
    expect(await client.submit(onLane)).toMatchObject({ status: 'refused', code: 'condition_failed' })
    expect(await client.submit(onLane)).toMatchObject({ code: 'condition_failed', replayed: true })
    expect(await client.submit({ ...onLane, ifCredit: { version: 3n } })).toMatchObject({ code: 'id_reused' })
    expect(await client.submit({ ...moving, ifCredit: { version: 3n }, id: newId() })).toMatchObject({ status: 'accepted' }) // prettier-ignore
    const hold = { ...moving, kind: 'PlaceHold', id: newId() } as const
    await client.submit(hold)
    const holdId = formatId(hold.id)
    expect(await mutate('postHold', { id: uuid(), holdId, ifDebitAvailableAtLeast: '71' })).toMatchObject({ code: 'condition_failed' }) // prettier-ignore
    expect(await mutate('voidHold', { id: uuid(), holdId, ifDebitAvailableAtLeast: '70' })).toMatchObject({ transfer: { state: 'VOIDED' } }) // prettier-ignore
  })

  test('that is none is wrong input, with its field', async () => {
    for (const [wrong, field] of [[{ ifDebitVersion: '0' }, 'ifDebitVersion'], [{ ifCreditAvailableAtLeast: '-1' }, 'ifCreditAvailableAtLeast'], [{ ifDebitVersion: '1', ifDebitAvailableAtLeast: '1' }, 'ifDebitAvailableAtLeast']] as const)
      expect(await mutate('transfer', { id: uuid(), debitAccountId: cash, creditAccountId: cash, amount: '1', currency: 'EUR', ...wrong })).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.${field}` })
  }) // prettier-ignore
})

describe('a hold is posted in several parts', () => {
  const HOLD =
    'query($id: UUID!, $after: Position) { transfer(id: $id, after: $after) { state expiresAt postedAmount { minor } heldAmount { minor } posts { id state amount { minor } expiresAt } postedById } }'

  test('and says at every door, while it is open and behind its end, what has moved and what is held', async () => {
    const from = await opened()
    const to = await opened()
    const holdId = uuid()
    await inJson({ kind: 'placeHold', id: holdId, debitAccountId: from, creditAccountId: to, amount: '50', currency: 'EUR' })
    const [first, third, last] = [uuid(), newId(), uuid()]
    const part = await mutate('postHold', { id: first, holdId, amount: '20', keepOpen: true })
    expect(part).toMatchObject({ transfer: { kind: 'HOLD_POST', state: 'POSTED', amount: { minor: '20' } } })
    expect(await ask(HOLD, { id: holdId, after: part['position'] })).toMatchObject({ state: 'PENDING', postedAmount: { minor: '20' }, heldAmount: { minor: '30' }, postedById: null, posts: [{ id: first, expiresAt: null }] })
    expect(await inJson({ kind: 'postHold', id: uuid(), holdId, amount: '31', keepOpen: true })).toMatchObject([{ code: 'amount_exceeds_hold' }])
    expect(await client.submit({ kind: 'PostHold', id: third, related: idOf(holdId), amount: 5n, keepOpen: true })).toMatchObject({ status: 'accepted' })
    expect(await client.submit({ kind: 'PostHold', id: third, related: idOf(holdId), amount: 5n })).toMatchObject({ code: 'id_reused' })
    const end = await mutate('postHold', { id: last, holdId, amount: '7' })
    expect(await ask(HOLD, { id: holdId, after: end['position'] })).toMatchObject({ state: 'POSTED', postedAmount: { minor: '32' }, heldAmount: null, postedById: last, posts: [{ amount: { minor: '20' } }, { amount: { minor: '5' } }, { amount: { minor: '7' } }] })
    // A part is reversed like any transfer, and the others are not.
    expect(await mutate('reverseTransfer', { id: uuid(), transferId: first })).toMatchObject({ transfer: { amount: { minor: '20' } } })
    expect(await mutate('reverseTransfer', { id: uuid(), transferId: holdId })).toMatchObject({ code: 'transfer_not_reversible' })
  }) // prettier-ignore

  test('of which the rest is released by its voiding', async () => {
    const from = await opened()
    const holdId = uuid()
    const told = await inJson(
      { kind: 'placeHold', id: holdId, debitAccountId: from, creditAccountId: cash, amount: '50', currency: 'EUR' },
      { kind: 'postHold', id: uuid(), holdId, amount: '20', keepOpen: true },
      { kind: 'voidHold', id: uuid(), holdId },
    )
    expect(await ask(HOLD, { id: holdId, after: told[2]!['position'] })).toMatchObject({ state: 'VOIDED', postedAmount: { minor: '20' }, heldAmount: null })
    expect(await mutate('postHold', { id: uuid(), holdId, keepOpen: true })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.keepOpen' })
  }) // prettier-ignore
})

describe('a transfer is reversed in several parts, or by force', () => {
  const SEEN =
    'query($id: UUID!, $after: Position) { transfer(id: $id, after: $after) { state reversedAmount { minor } reversals { id amount { minor } forced expiresAt } reversedById } }'
  const reverse = (input: object): Promise<Told> => mutate('reverseTransfer', { id: uuid(), ...input })
  const paid = async (from: string, to: string, amount: string): Promise<string> => {
    const id = uuid()
    await inJson({ kind: 'transfer', id, debitAccountId: from, creditAccountId: to, amount, currency: 'EUR' })
    return id
  }

  test('together at most the transfer, whichever doors they come by, and each read says how much it is', async () => {
    const [from, to] = [await opened(), await opened()]
    const transferId = await paid(from, to, '60')
    const first = await reverse({ transferId, amount: '20' })
    expect(first).toMatchObject({ transfer: { kind: 'REVERSAL', state: 'POSTED', amount: { minor: '20' } } })
    expect(await ask(SEEN, { id: transferId, after: first['position'] })).toMatchObject({ state: 'POSTED', reversedAmount: { minor: '20' }, reversedById: null, reversals: [{ forced: false, expiresAt: null }] })
    expect(await reverse({ transferId, amount: '41' })).toMatchObject({ code: 'amount_exceeds_transfer' })
    expect(await inJson({ kind: 'reverseTransfer', id: uuid(), transferId, amount: '15' })).toMatchObject([{ status: 'accepted' }])
    const onLane: Command = { kind: 'ReverseTransfer', id: newId(), related: idOf(transferId), amount: 5n, part: true }
    expect(await client.submit(onLane)).toMatchObject({ status: 'accepted', replayed: false })
    expect(await client.submit(onLane)).toMatchObject({ status: 'accepted', replayed: true })
    expect(await client.submit({ ...onLane, amount: 6n })).toMatchObject({ status: 'refused', code: 'id_reused' })
    const last = await reverse({ transferId })
    expect(last).toMatchObject({ transfer: { amount: { minor: '20' } } })
    expect(await ask(SEEN, { id: transferId, after: last['position'] })).toMatchObject({ state: 'REVERSED', reversedAmount: { minor: '60' }, reversedById: (last['transfer'] as Told)['id'] })
    for (const amount of [{}, { amount: '1' }]) expect(await reverse({ transferId, ...amount })).toMatchObject({ code: 'already_reversed' })
  }) // prettier-ignore

  test('at once from every door: what they take back together is never more than the transfer', async () => {
    const [from, to] = [await opened(), await opened()]
    const transferId = await paid(from, to, '60')
    const told = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        index % 2 === 0
          ? reverse({ transferId, amount: '25' })
          : client.submit({ kind: 'ReverseTransfer', id: newId(), related: idOf(transferId), amount: 25n, part: true }),
      ),
    )
    const taken = told.filter((one) => ('status' in one ? one.status === 'accepted' : one['__typename'] === 'TransferApplied'))
    expect(taken.length === 1 || taken.length === 2).toBe(true)
    const end = await reverse({ transferId })
    expect((end['transfer'] as Told)['amount']).toEqual({ minor: String(60 - taken.length * 25) })
  }) // prettier-ignore

  test('by force beyond the overdraft limit of who was paid, and recorded as such only where it was needed', async () => {
    const [from, to] = [await opened(), await opened()]
    const transferId = await paid(from, to, '60')
    await paid(to, cash, '150')
    expect(await reverse({ transferId })).toMatchObject({ code: 'insufficient_funds' })
    await reverse({ transferId, amount: '10', force: true })
    const forced = await reverse({ transferId, force: true })
    const { reversals } = await ask(SEEN, { id: transferId, after: forced['position'] })
    expect(reversals).toMatchObject([{ amount: { minor: '10' }, forced: false }, { amount: { minor: '50' }, forced: true }])
    const balance = await ask('query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { available { minor } } }', { id: to, after: forced['position'] })
    expect(balance).toEqual({ available: { minor: '-50' } })
  }) // prettier-ignore
})

describe('ends of holds are members of linked groups', () => {
  const linked = (...commands: object[]): Promise<Told> =>
    ask(`mutation($input: LinkedCommandsInput!) { linkedCommands(input: $input) { __typename ... on LinkedTransfersApplied { position transfers { kind state linkIndex } } ... on Refused { code index } } }`, { input: { commands } }) // prettier-ignore

  test('all of a group happen, or none, by GraphQL and in JSON', async () => {
    const [from, to] = [await opened(), await opened()]
    const sides = { debitAccountId: from, creditAccountId: to, currency: 'EUR' }
    const [held, other] = [uuid(), uuid()]
    await inJson({ kind: 'placeHold', id: held, ...sides, amount: '90' })
    const release = { voidHold: { id: uuid(), holdId: held } }
    const place = (id: string, amount: string) => ({ placeHold: { id, ...sides, amount } })
    expect(await linked(release, place(uuid(), '101'))).toMatchObject({ code: 'insufficient_funds', index: 1 })
    // What was held is still held, and is released for another hold, a part of which is posted at once.
    const done = await linked({ voidHold: { id: uuid(), holdId: held } }, place(other, '100'), { postHold: { id: uuid(), holdId: other, amount: '60', keepOpen: true } })
    expect(done).toMatchObject({ transfers: [{ kind: 'HOLD_VOID', linkIndex: 1 }, { kind: 'HOLD', linkIndex: 2 }, { kind: 'HOLD_POST', state: 'POSTED', linkIndex: 3 }] })
    const told = await inJson(
      { kind: 'postHold', id: uuid(), holdId: other, amount: '10', keepOpen: true, linked: true },
      { kind: 'voidHold', id: uuid(), holdId: other, linked: true },
      { kind: 'transfer', id: uuid(), ...sides, amount: '31' },
    )
    expect(told).toMatchObject([{ code: 'linked_failed' }, { code: 'linked_failed' }, { code: 'insufficient_funds' }])
    expect(await linked({ voidHold: { id: uuid(), holdId: other } }, { transfer: { id: uuid(), ...sides, amount: '40' } })).toMatchObject({ transfers: [{ kind: 'HOLD_VOID' }, { kind: 'TRANSFER' }] })
    expect(await linked({ voidHold: { id: uuid(), holdId: other } })).toMatchObject({ code: 'hold_not_open' })
  }) // prettier-ignore
})
