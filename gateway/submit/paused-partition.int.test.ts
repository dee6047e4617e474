/** One partition's writer pauses, another's does not. At every door, only clients of the paused one notice. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseId } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../../writer/embedded.ts'
import type { Gateway } from '../gateway.ts'
import { HeldWriter } from '../held-writer.testing.ts'
import { LaneMemory } from '../lane/memory.ts'
import {
  furtherGateway,
  gatewayUnderTest,
  uuid,
  type GatewayUnderTest,
  type GraphqlAnswer,
} from '../gateway-under-test.testing.ts'

/** Small, so that a few clients reach them. */
const MAX = 4
const PARTITIONS = 2
const MOVE = 'mutation Move($input: TransferInput!) { transfer(input: $input) { __typename } }'

let under: GatewayUnderTest
let dir: string
let second: EmbeddedWriter
let gateway: Gateway
let first: HeldWriter
beforeAll(async () => {
  under = await gatewayUnderTest()
  dir = await mkdtemp(path.join(os.tmpdir(), 'paused-'))
  second = await startEmbeddedWriter({ dataDir: dir, partition: 1, core: { holdsMax: 1024 } })
  first = new HeldWriter(under.writer)
  gateway = await furtherGateway(under, {
    writers: [first.writer, second],
    limits: {
      operationsMax: MAX,
      bulkRequestsMax: MAX,
      // Each takes 16 slots of 160 bytes, and 32 bytes more for each.
      laneBytesMax: MAX * 16 * 192,
      elsewhereWaitMs: 0,
      outcomeWaitMs: 20_000,
    },
  })
})
afterAll(async () => {
  first.letGo()
  await gateway.stop()
  await second.stop()
  await under.stop()
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
})

/** A new account of a partition. */
function accountOf(partition: number): string {
  for (;;) {
    const id = uuid()
    if (partitionOf(parseId(id)!, PARTITIONS) === partition) return id
  }
}

/** A new id that lives in the account's partition: its commands wait for no other. */
function idBeside(account: string): string {
  return accountOf(partitionOf(parseId(account)!, PARTITIONS))
}

interface Pair {
  readonly cash: string
  readonly other: string
}

async function pairOf(partition: number): Promise<Pair> {
  const pair = { cash: accountOf(partition), other: accountOf(partition) }
  const { cash, other } = pair
  const { status } = await bulk([
    { kind: 'openAccount', accountId: cash, currency: 'EUR', system: true },
    { kind: 'openAccount', accountId: other, currency: 'EUR' },
  ])
  expect(status).toBe(200)
  return pair
}

function payment({ cash, other }: Pair): Record<string, string> {
  return { id: idBeside(cash), debitAccountId: cash, creditAccountId: other, amount: '1', currency: 'EUR' }
}

async function bulk(commands: readonly object[]): Promise<{ status: number }> {
  const { status } = await fetch(`${gateway.url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ commands }),
  })
  return { status }
}

async function graphql(pair: Pair): Promise<{ status: number }> {
  const answer = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: MOVE, variables: { input: payment(pair) } }),
  })
  const { errors } = (await answer.json()) as GraphqlAnswer
  return { status: errors?.[0]?.extensions['code'] === 'BUSY' ? 429 : answer.status }
}

const doors: Readonly<Record<string, (pair: Pair) => Promise<{ status: number }>>> = {
  GraphQL: graphql,
  'the JSON lane': (pair) => bulk([{ kind: 'transfer', ...payment(pair) }]),
}

describe('a partition whose writer pauses', () => {
  test.each(Object.entries(doors))('has a bound of its own at %s, and takes nothing of the others’', async (_name, send) => {
    const [paused, going] = [await pairOf(0), await pairOf(1)]
    first.hold()
    // Twice as many as may wait, one behind the other.
    const waiting: Promise<{ status: number }>[] = []
    for (let sent = 0; sent < 2 * MAX; sent++) {
      waiting.push(send(paused))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (let round = 0; round < 3; round++) {
      const told = await Promise.all(Array.from({ length: 2 }, () => send(going)))
      expect(told.map(({ status }) => status)).toEqual([200, 200])
    }
    first.letGo()
    const statuses = (await Promise.all(waiting)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(MAX)
    expect(statuses.filter((status) => status === 429)).toHaveLength(MAX)
  }) // prettier-ignore

  test('has a bound of its own for what stands in the memory of the binary lane', () => {
    const slots = 16 * 160
    const memory = new LaneMemory(MAX * 16 * 192)
    const waits = (partition: number): boolean => {
      const taken = memory.take(slots)!
      const isWaiting = memory.wait(taken, [partition])
      if (!isWaiting) memory.give(taken)
      return isWaiting
    }
    const rounds = Array.from({ length: MAX }, () => true)
    expect(rounds.map(() => waits(0))).toEqual(rounds)
    expect(waits(0)).toBe(false)
    expect(rounds.map(() => waits(1))).toEqual(rounds)
    expect(rounds.map(() => memory.take(slots) !== undefined)).toEqual(rounds)
    expect(memory.take(slots)).toBeUndefined()
  })
})
