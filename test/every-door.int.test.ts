/** One rule at every door: what GraphQL, JSON and the lane are told of the same command, and one scale for a currency. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { startPlatform, type Platform } from '../platform/embedded-platform.ts'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { startGateway, type Gateway } from '../gateway/gateway.ts'
import { createFileImportRegistry } from '../gateway/imports/import-registry.ts'
import { readTime } from '../gateway/positions/times.ts'
import type { Command } from '../schemas/commands.ts'
import { newId } from '../client/new-id.ts'
import { formatId, NIL_ID, parseId } from '../schemas/ids.ts'
import { TIME_NS_MIN } from '../schemas/limits.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { partitionOf } from '../schemas/partitions.ts'

const PARTITIONS = 2
const NIL = formatId(NIL_ID)

let dir: string
let platform: Platform
let second: Gateway
let client: BulkClient
let cash: string
let alice: string

const uuid = (): string => formatId(newId())

/** An id of an account that lives in this partition. */
function accountIn(partition: number): string {
  for (;;) {
    const id = newId()
    if (partitionOf(id, PARTITIONS) === partition) return formatId(id)
  }
}

type Told = Readonly<Record<string, unknown>>

async function post(url: string, where: string, body: unknown): Promise<Told> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url + where, { method: 'POST', headers, body: JSON.stringify(body) })
  return (await response.json()) as Told
}

interface Answer {
  readonly data?: Readonly<Record<string, Told>> | null
  readonly errors?: readonly { readonly message: string; readonly extensions: Told }[]
}

async function graphql(query: string, variables: object = {}, url = platform.url): Promise<Answer> {
  return await post(url, '/graphql', { query, variables })
}

/** What a mutation is told: its result, or the error's code, field and message. */
async function mutate(kind: string, input: object, url = platform.url): Promise<Told> {
  const type = `${kind[0]!.toUpperCase()}${kind.slice(1)}Input`
  const { data, errors } = await graphql(
    `mutation($input: ${type}!) { result: ${kind}(input: $input) { __typename ... on Refused { code } } }`,
    { input },
    url,
  )
  const [error] = errors ?? []
  return error === undefined ? data!['result']! : { ...error.extensions, message: error.message }
}

async function commands(list: readonly object[], url = platform.url): Promise<readonly Told[]> {
  return (await post(url, '/commands', { commands: list }))['results'] as readonly Told[]
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'every-door-'))
  const currencies = new Map([...ISO_CURRENCIES, ['COINX', { code: 'COINX', scale: 2 }]])
  platform = await startPlatform({
    dataDir: dir, host: '127.0.0.1', port: 0, currencies, graphiql: false, engineMemoryBytes: 1024 ** 3,
    partitions: PARTITIONS, log: () => undefined,
  }) // prettier-ignore
  second = await startGateway({
    writers: platform.writers, store: platform.store, views: platform.views, projections: platform.projections,
    // Another setting than the first one's, for the same currency.
    currencies: new Map([...ISO_CURRENCIES, ['COINX', { code: 'COINX', scale: 6 }]]),
    host: '127.0.0.1', port: 0, graphiql: false, imports: createFileImportRegistry(path.join(dir, 'more')),
    log: () => undefined,
  }) // prettier-ignore
  client = await connectBulk({ url: platform.url })
  cash = accountIn(0)
  alice = accountIn(0)
  await commands([
    { kind: 'openAccount', accountId: cash, currency: 'EUR', system: true },
    { kind: 'openAccount', accountId: alice, currency: 'EUR' },
  ])
}, 120_000)

afterAll(async () => {
  await client.close()
  await second.stop()
  await platform.stop()
  await rm(dir, { recursive: true, force: true })
}, 60_000)

const transfer = (more: object = {}): Told => ({
  id: uuid(), debitAccountId: cash, creditAccountId: alice, amount: '5', currency: 'EUR', ...more,
}) // prettier-ignore
const onLane = (more: Partial<Command> = {}): Command => ({
  kind: 'Transfer', id: newId(), debit: parseId(cash)!, credit: parseId(alice)!, amount: 5n, currency: 'EUR', ...more,
}) // prettier-ignore

describe('a value that may not be is refused alike by GraphQL, JSON and the lane, with its field', () => {
  const edge = TIME_NS_MIN - 14n * 3_600_000_000_000n
  test.each<[string, string, object, Partial<Command> | undefined]>([
    ['an instant before 1900 whose year is 1900', 'effectiveAt', { effectiveAt: '1900-01-01T00:00:00+14:00' }, { effectiveAtNs: edge }],
    ['an instant behind 2261 whose year is 2261', 'effectiveAt', { effectiveAt: '2261-12-31T23:59:59-01:00' }, { effectiveAtNs: 2n ** 63n - 1n }],
    ['a year that is too early', 'effectiveAt', { effectiveAt: '0001-01-01T00:00:00Z' }, { effectiveAtNs: -(2n ** 63n) }],
    ['a year that is too late', 'effectiveAt', { effectiveAt: '2262-01-01T00:00:00Z' }, { effectiveAtNs: 2n ** 63n - 2n }],
    ['an empty time', 'effectiveAt', { effectiveAt: '' }, undefined],
    ['the nil UUID as reference', 'reference', { reference: NIL }, { reference: NIL_ID }],
    ['an empty reference', 'reference', { reference: '' }, undefined],
    ['the nil UUID as debit account', 'debit', { debitAccountId: NIL }, { debit: NIL_ID }],
    ['the nil UUID as credit account', 'credit', { creditAccountId: NIL }, { credit: NIL_ID }],
    ['the nil UUID as id', 'id', { id: NIL }, { id: NIL_ID }],
    ['an amount of 0', 'amount', { amount: '0' }, { amount: 0n }],
    ['an amount of −1', 'amount', { amount: '-1' }, { amount: -1n }],
    ['no currency', 'currency', { currency: '' }, { currency: undefined }],
  ])('%s', async (_, field, wrong, onLaneWrong) => {
    const told = await mutate('transfer', transfer(wrong))
    expect(told).toMatchObject({ code: 'BAD_USER_INPUT', field: expect.stringContaining(`input.${field}`) as string })
    const [inJson] = await commands([{ kind: 'transfer', ...transfer(wrong) }])
    expect(inJson).toMatchObject({ status: 'error', code: 'BAD_USER_INPUT', field: expect.stringContaining(`commands[0].${field}`) as string })
    expect(inJson!['message']).toBe(told['message'])
    if (onLaneWrong === undefined) return
    await expect(client.submit(onLane(onLaneWrong))).rejects.toMatchObject({ code: 'malformed', message: expect.stringContaining(`${field} `) as string })
  }) // prettier-ignore

  test('all of a hold, no limit, no end: only where it is said so, never by a value', async () => {
    const hold = newId()
    await client.submit({ ...onLane(), kind: 'PlaceHold', id: hold, amount: 9n })
    const end: Command = { kind: 'PostHold', id: newId(), related: hold }
    await expect(client.submit({ ...end, amount: 0n })).rejects.toMatchObject({ code: 'malformed' })
    expect(await mutate('postHold', { id: uuid(), holdId: formatId(hold), amount: '0' })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.amount' }) // prettier-ignore
    expect(await client.submit(end)).toMatchObject({ status: 'accepted' })
    const opening: Command = { kind: 'OpenAccount', id: newId(), debit: newId(), currency: 'EUR' }
    await expect(client.submit({ ...opening, amount: -1n })).rejects.toMatchObject({ code: 'malformed' })
    expect(await mutate('openAccount', { accountId: uuid(), currency: 'EUR', overdraftLimit: '-1' })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.overdraftLimit' }) // prettier-ignore
    await expect(client.submit({ ...onLane(), kind: 'PlaceHold', timeoutNs: 0n })).rejects.toMatchObject({ code: 'malformed' }) // prettier-ignore
    expect(await mutate('placeHold', transfer({ timeoutSeconds: 0 }))).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.timeoutSeconds' }) // prettier-ignore
  })
})

test.each(['1970-01-01T00:00:00Z', '1969-12-31T23:59:59.999999999Z', '1970-01-01T01:00:00+01:00', '1900-01-01t00:00:00z'])(
  'a time means that moment, whatever number it is, at every door and in every view: %s',
  async (text) => {
    const { ns } = readTime(text) as { ns: bigint }
    const [viaGraphql, viaJson, viaLane] = [uuid(), uuid(), newId()]
    expect(await mutate('transfer', transfer({ id: viaGraphql, effectiveAt: text }))).toEqual({ __typename: 'TransferApplied' })
    expect(await commands([{ kind: 'transfer', ...transfer({ id: viaJson, effectiveAt: text }) }])).toMatchObject([{ status: 'accepted' }])
    const result = await client.submit(onLane({ id: viaLane, effectiveAtNs: ns }))
    expect(result.status).toBe('accepted')
    const query = 'query($id: UUID!) { transfer(id: $id) { timeline { effective } } }'
    for (const id of [viaGraphql, viaJson, formatId(viaLane)])
      await expect
        .poll(async () => {
          const { data, errors } = await graphql(query, { id })
          const at = (data?.['transfer']?.['timeline'] as Told | undefined)?.['effective']
          return at === undefined ? (errors ?? data) : readTime(at as string)
        })
        .toEqual({ ns })
    const balance = await graphql('query($id: UUID!, $at: AsOf!) { balance(accountId: $id, at: $at) { balance { minor } } }', { id: alice, at: { effectiveTime: text } })
    expect(BigInt((balance.data!['balance']!['balance'] as { minor: string }).minor)).toBeGreaterThanOrEqual(15n)
  },
) // prettier-ignore

test('a currency that no account here has is refused by an event, alike at every door, and the id stays refused', async () => {
  const refused = { code: 'currency_mismatch' }
  for (const currency of ['QQQ', 'USD']) {
    const id = newId()
    const asked = transfer({ id: formatId(id), currency })
    expect(await mutate('transfer', asked)).toEqual({ __typename: 'Refused', ...refused })
    expect(await commands([{ kind: 'transfer', ...asked }])).toMatchObject([{ status: 'refused', replayed: true, ...refused }]) // prettier-ignore
    expect(await client.submit(onLane({ id, currency }))).toMatchObject({ status: 'refused', replayed: true, ...refused }) // prettier-ignore
  }
})

test('null is as good as left out, and nothing else is', async () => {
  const nothing = { effectiveAt: null, reference: null, memo: null, code: null }
  expect(await mutate('transfer', transfer(nothing))).toEqual({ __typename: 'TransferApplied' })
  expect(await commands([{ kind: 'transfer', ...transfer(nothing) }])).toMatchObject([{ status: 'accepted' }])
  expect(await mutate('transfer', transfer({ memo: '' }))).toEqual({ __typename: 'TransferApplied' })
})

test.each<[string, string]>([
  ['5.0', 'got 5.0.'],
  ['-3', 'got -3.'],
  ['1e3', 'got 1e3.'],
  ['99999999999999999999', 'got 99999999999999999999.'],
  ['EUR', 'got EUR.'],
  ['["5"]', 'got a list.'],
  ['{a: 1}', 'got an object.'],
  ['true', 'got true.'],
  ['"5.0"', 'got "5.0".'],
])('a literal amount that is none is told what it is: %s', async (literal, told) => {
  const { errors } = await graphql(
    `mutation { transfer(input: { id: "${uuid()}", debitAccountId: "${cash}", creditAccountId: "${alice}", amount: ${literal}, currency: "EUR" }) { __typename } }`,
  )
  expect(errors?.[0]?.message).toContain(told)
  expect(errors?.[0]?.message).not.toContain('nothing')
})

test('a linked command never happens without the other, and an account’s never falls with it', async () => {
  const lone = { kind: 'transfer', ...transfer(), linked: true }
  const opened = { kind: 'openAccount', accountId: accountIn(0), currency: 'EUR' }
  expect(await commands([lone, opened, { kind: 'transfer', ...transfer() }])).toMatchObject([
    { status: 'error', code: 'BAD_USER_INPUT', field: 'commands[0].linked' },
    { status: 'accepted' },
    { status: 'accepted' },
  ])
  // The second cannot be read, and says that it belongs together with the third.
  const unreadable = { kind: 'transfer', ...transfer({ amount: 5 }), linked: true }
  expect(
    await commands([{ kind: 'transfer', ...transfer(), linked: true }, unreadable, { kind: 'transfer', ...transfer() }]),
  ).toMatchObject([{ status: 'error' }, { status: 'error', field: 'commands[1].amount' }, { status: 'error' }])
  expect(await commands([{ kind: 'transfer', ...transfer(), linked: true }])).toMatchObject([
    { status: 'error', field: 'commands[0].linked' },
  ])
}) // prettier-ignore

test('a hold is placed and ended within a linked group, wherever the id of the hold would lie', async () => {
  const sides = { debitAccountId: cash, creditAccountId: alice, amount: '5', currency: 'EUR' }
  for (let group = 0; group < 4; group++) {
    const id = uuid()
    const placed = { id, ...sides }
    const posted = { id: uuid(), holdId: id }
    if (group % 2 === 0)
      expect(await commands([{ kind: 'placeHold', ...placed, linked: true }, { kind: 'postHold', ...posted }])).toMatchObject([{ status: 'accepted' }, { status: 'accepted' }])
    else {
      const { data } = await graphql('mutation($input: LinkedCommandsInput!) { linkedCommands(input: $input) { __typename } }', { input: { commands: [{ placeHold: placed }, { postHold: posted }] } })
      expect(data).toEqual({ linkedCommands: { __typename: 'LinkedTransfersApplied' } })
    }
  }
}) // prettier-ignore

describe('a currency has one scale in the deployment', () => {
  const open = (partition: number, more: object): Told => ({ accountId: accountIn(partition), ...more })

  test('whatever its settings, a gateway opens no account with another scale than the first one got, in another partition', async () => {
    expect(await mutate('openAccount', open(0, { currency: 'COINX' }))).toEqual({
      __typename: 'AccountApplied',
    })
    const told = await mutate('openAccount', open(1, { currency: 'COINX' }), second.url)
    expect(told).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.scale', message: expect.stringContaining('2 decimal places in this deployment, not 6') as string }) // prettier-ignore
    expect(await commands([{ kind: 'openAccount', ...open(1, { currency: 'COINX' }) }], second.url)).toMatchObject([{ status: 'error', field: 'commands[0].scale' }]) // prettier-ignore
    const lane = await connectBulk({ url: second.url })
    const opening: Command = { kind: 'OpenAccount', id: newId(), debit: parseId(accountIn(1))!, currency: 'COINX', scale: 6 } // prettier-ignore
    expect(await lane.submit(opening)).toEqual({ status: 'fault', code: 'scale_differs' })
    await lane.close()
    expect(await mutate('openAccount', open(1, { currency: 'COINX' }))).toEqual({
      __typename: 'AccountApplied',
    })
  })

  test('that of an unknown one is fixed by whoever comes first, through whichever door and gateway', async () => {
    const told = await Promise.all([
      mutate('openAccount', open(0, { currency: 'NEWCOIN', scale: 0 })),
      mutate('openAccount', open(1, { currency: 'NEWCOIN', scale: 3 }), second.url),
      client.submit({ kind: 'OpenAccount', id: newId(), debit: parseId(accountIn(1))!, currency: 'NEWCOIN', scale: 7 }), // prettier-ignore
    ])
    const opened = told.filter((one) => ('__typename' in one ? one['__typename'] === 'AccountApplied' : 'status' in one && one.status === 'accepted')) // prettier-ignore
    expect(opened).toHaveLength(1)
    const query = '{ trialBalance(currency: "NEWCOIN") { accounts sum { scale } } }'
    await expect.poll(async () => ((await graphql(query)).data?.['trialBalance'] as unknown as readonly Told[]).length).toBe(1) // prettier-ignore
  })

  test('that of ISO 4217 is its own, whatever is asked', async () => {
    expect(await mutate('openAccount', open(0, { currency: 'XCG', scale: 0 }))).toMatchObject({ field: 'input.scale' }) // prettier-ignore
    expect(await client.submit({ kind: 'OpenAccount', id: newId(), debit: parseId(accountIn(1))!, currency: 'XAD', scale: 3 })).toEqual({ status: 'fault', code: 'scale_differs' }) // prettier-ignore
    expect(await mutate('openAccount', open(1, { currency: 'ZWG' }))).toEqual({
      __typename: 'AccountApplied',
    })
  })
})
