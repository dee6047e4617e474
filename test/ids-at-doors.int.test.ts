/** An id counts once in the deployment, whichever door and gateway it comes through, and whichever partition decides with it. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { graphql } from '../cli/graphql-client.ts'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { startGateway, type Gateway } from '../gateway/gateway.ts'
import { createFileImportRegistry } from '../gateway/imports/import-registry.ts'
import { startPlatform, type Platform } from '../platform/embedded-platform.ts'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { parseId, type Id } from '../schemas/ids.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { accountIn, idIn } from './support/account-in.ts'

const PARTITIONS = 3
const ALL = [0, 1, 2] as const

let dir: string
let platform: Platform
/** Another door to the same writers. */
let second: Gateway
let client: BulkClient
/** A payer of each partition, and one who is paid there. */
const payers = ALL.map((partition) => accountIn(partition, PARTITIONS))
const paid = ALL.map((partition) => accountIn(partition, PARTITIONS))

type Told = Readonly<Record<string, unknown>>
const id = (text: string): Id => parseId(text)!

const FIELDS = `__typename ... on Refused { code replayed }`
const TRANSFER = `mutation($input: TransferInput!) { transfer(input: $input) { ${FIELDS} ... on TransferApplied { replayed } } }`
const LINKED = `mutation($transfers: [TransferInput!]!) { linkedTransfers(input: { transfers: $transfers }) { ${FIELDS} } }`
const BALANCES = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } } }`
const STATE = `query($id: UUID!) { transfer(id: $id) { state } }`

const payment = (more: Told = {}, partition = 0): Told & { readonly id: string } => ({
  id: idIn(0, PARTITIONS), debitAccountId: payers[partition]!, creditAccountId: paid[partition]!, amount: '1', currency: 'EUR', ...more,
}) // prettier-ignore

async function post(url: string, body: object): Promise<Told> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return (await response.json()) as Told
}

async function mutation(query: string, variables: Told, url = platform.url): Promise<Told> {
  const { data, errors } = (await post(`${url}/graphql`, { query, variables })) as { data?: Record<string, Told>; errors?: readonly { extensions: Told }[] } // prettier-ignore
  return errors === undefined ? Object.values(data!)[0]! : errors[0]!.extensions
}

async function inJson(inputs: readonly Told[], url = platform.url): Promise<readonly Told[]> {
  const { results } = await post(`${url}/commands`, {
    commands: inputs.map((input) => ({ kind: 'transfer', ...input })),
  })
  return results as readonly Told[]
}

function command({ id: text, debitAccountId, creditAccountId, linked }: Told): Command {
  return { kind: 'Transfer', id: id(text as string), debit: id(debitAccountId as string), credit: id(creditAccountId as string), amount: 1n, currency: 'EUR', linked: linked === true } // prettier-ignore
}

/** Doors, and what each says of an outcome: in one word, and `again` behind it where it was told before. */
const DOORS: Readonly<Record<string, (input: Told) => Promise<string>>> = {
  GraphQL: async (input) => wordOf(await mutation(TRANSFER, { input })),
  'GraphQL of another gateway': async (input) => wordOf(await mutation(TRANSFER, { input }, second.url)),
  JSON: async (input) => wordOf((await inJson([input]))[0]!),
  'JSON of another gateway': async (input) => wordOf((await inJson([input], second.url))[0]!),
  'the binary lane': async (input) => wordOf(await client.submit(command(input))),
  'the binary lane, to a partition': async (input) => {
    const { results } = await submitTogether([command(input)])
    return results[0]!
  },
}

function wordOf({ __typename: name, status, code, replayed }: Told): string {
  const isApplied = name === 'TransferApplied' || status === 'accepted'
  return (isApplied ? 'applied' : String(code)) + (replayed === true ? ' again' : '')
}

/** One request of the lane, to the partition of its first command. */
async function submitTogether(commands: readonly Command[]): Promise<{ readonly results: string[] }> {
  const partition = payers.findIndex((payer) => id(payer).low === commands[0]!.debit!.low)
  const told = await client.submitSlots(encodeCommands(commands), commands.length, partition)
  return { results: commands.map((_, index) => wordOf(told.at(index) as unknown as Told)) }
}

async function minor(account: string): Promise<bigint> {
  const { balance } = await graphql<{ balance: { balance: { minor: string } } }>(platform.url, BALANCES, { id: account, after: undefined }) // prettier-ignore
  return BigInt(balance.balance.minor)
}

/** What all who are paid have together: how often money has moved. */
async function moved(): Promise<bigint> {
  const all = await Promise.all(paid.map(minor))
  return all.reduce((sum, one) => sum + one, 0n)
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'ids-'))
  platform = await startPlatform({ dataDir: dir, engineMemoryBytes: 1024 ** 3, partitions: PARTITIONS })
  second = await startGateway({
    writers: platform.writers, store: platform.store, views: platform.views, projections: platform.projections,
    currencies: ISO_CURRENCIES, host: '127.0.0.1', port: 0, graphiql: false,
    imports: createFileImportRegistry(path.join(dir, 'more')), log: () => undefined, limits: { elsewhereWaitMs: 200 },
  }) // prettier-ignore
  client = await connectBulk({ url: platform.url })
  const { results } = await post(`${platform.url}/commands`, {
    commands: [...payers, ...paid].map((accountId, index) => ({ kind: 'openAccount', accountId, currency: 'EUR', system: index < PARTITIONS })),
  }) // prettier-ignore
  expect(results).toMatchObject([...payers, ...paid].map(() => ({ status: 'accepted' })))
}, 120_000)

afterAll(async () => {
  await client.close()
  await second.stop()
  await platform.stop()
  await rm(dir, { recursive: true, force: true })
}, 60_000)

test.each(Object.keys(DOORS))('an id that was used through %s is told as its first use was, and for another debit account as in use', async (door) => {
  for (const home of ALL) {
    const input = payment({ id: idIn(home, PARTITIONS) })
    expect(await DOORS[door]!(input)).toBe('applied')
    for (const [name, again] of Object.entries(DOORS)) {
      expect([name, await again(input)]).toEqual([name, 'applied again'])
      for (const partition of [1, 2])
        expect([name, await again(payment({ id: input.id }, partition))]).toEqual([name, 'id_reused'])
    }
  }
}, 120_000) // prettier-ignore

test('of commands that race for an id, each with a debit account of another partition, one takes effect', async () => {
  const doors = Object.values(DOORS)
  const before = await settled()
  const races = Array.from({ length: 60 }, async (_, race) => {
    const one = idIn(race % PARTITIONS, PARTITIONS)
    const told = await Promise.all(ALL.map((partition) => doors[(race + partition) % doors.length]!(payment({ id: one }, partition)))) // prettier-ignore
    expect(told.toSorted()).toEqual(['applied', 'id_reused', 'id_reused'])
  })
  await Promise.all(races)
  expect(await settled()).toBe(before + 60n)
}, 120_000)

test('a claim whose door has died is good for the command that it was made for, and for no other', async () => {
  for (const [name, door] of Object.entries(DOORS)) {
    const input = payment({ id: idIn(1, PARTITIONS) })
    const claim = encodeCommands([{ kind: 'ClaimId', id: id(input.id), code: 0, receivedAtNs: 1n }])
    await new Promise<void>((resolve) => void platform.writers[1]!.queue.offer(claim, 1, () => resolve()))
    expect([name, await door(payment({ id: input.id }, 2))]).toEqual([name, 'id_reused'])
    expect([name, await door(payment({ id: input.id }, 1))]).toEqual([name, 'id_reused'])
    expect(await graphql(platform.url, STATE, { id: input.id })).toEqual({ transfer: null })
    expect([name, await door(input)]).toEqual([name, 'applied'])
    expect([name, await door(payment({ id: input.id }, 1))]).toEqual([name, 'id_reused'])
  }
}, 60_000)

test('of a linked group with an id that is in use elsewhere, nothing happens', async () => {
  const used = payment({ id: idIn(1, PARTITIONS) }, 2)
  expect(await DOORS['JSON']!(used)).toBe('applied')
  const before = await settled()
  const group = (): Told[] => [
    payment({ id: idIn(2, PARTITIONS), linked: true }),
    payment({ id: used.id, linked: true }),
    payment({ id: idIn(0, PARTITIONS) }),
  ]
  const transfers = group().map(({ linked: _, ...input }) => input)
  expect(await mutation(LINKED, { transfers })).toMatchObject({ __typename: 'Refused', code: 'id_reused' })
  const alone = payment({ id: idIn(1, PARTITIONS) })
  expect(await inJson([...group(), alone])).toMatchObject([
    { status: 'error', code: 'BAD_USER_INPUT' },
    { status: 'refused', code: 'id_reused' },
    { status: 'error', code: 'BAD_USER_INPUT' },
    { status: 'accepted' },
  ])
  const { results } = await submitTogether([...group(), payment({ id: idIn(1, PARTITIONS) })].map(command))
  expect(results).toEqual(['linked_with_fault', 'id_reused', 'linked_with_fault', 'applied'])
  expect(await settled()).toBe(before + 2n)
}, 60_000)

test('requests of one connection are decided in their order, whether their ids have to be claimed or not', async () => {
  const between = paid[0]!
  for (let round = 0; round < 20; round++) {
    const have = await settledOf(between)
    const give: Command[] = Array.from({ length: 5 }, () => command(payment({ id: idIn(1, PARTITIONS) })))
    // It spends all that was there, and what the request before brings.
    const spend: Command = {
      ...command(payment()),
      debit: id(between),
      credit: id(payers[0]!),
      amount: have + 5n,
    }
    const [given, spent] = await Promise.all([
      client.submitSlots(encodeCommands(give), 5, 0),
      client.submitSlots(encodeCommands([spend]), 1, 0),
    ])
    expect(give.map((_, index) => given.at(index))).toMatchObject(give.map(() => ({ status: 'accepted' })))
    expect(spent.at(0)).toMatchObject({ status: 'accepted' })
  }
}, 60_000)

/** A balance that includes everything that was acknowledged. */
async function settledOf(account: string): Promise<bigint> {
  await expect.poll(async () => (await graphql<{ projections: { lagEvents: string }[] }>(platform.url, '{ projections { lagEvents } }', {})).projections.every(({ lagEvents }) => lagEvents === '0'), { timeout: 20_000 }).toBe(true) // prettier-ignore
  return minor(account)
}

async function settled(): Promise<bigint> {
  await settledOf(paid[0]!)
  return moved()
}
