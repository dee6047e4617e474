/** A reversal of something that cannot be reversed is refused by an event, alike at every door, for ever. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectBulk, type BulkClient } from '../../client/client.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { formatId, parseId } from '../../schemas/ids.ts'
import {
  gatewayUnderTest,
  openAccounts,
  TRANSFER_FIELDS,
  uuid,
  type GatewayUnderTest,
} from '../gateway-under-test.testing.ts'

let under: GatewayUnderTest
let client: BulkClient
let sides: { debitAccountId: string; creditAccountId: string; amount: string; currency: string }
beforeAll(async () => {
  // A busy machine's views may be late: that is not what is tried here.
  under = await gatewayUnderTest({ limits: { readWaitMs: 30_000 } })
  client = await connectBulk({ url: under.url })
  const { accounts } = await openAccounts(under, 2)
  sides = { debitAccountId: accounts[0]!, creditAccountId: accounts[1]!, amount: '5', currency: 'EUR' }
})
afterAll(async () => {
  await client.close()
  await under.stop()
})

interface Told {
  readonly code: string | undefined
  readonly replayed: boolean | undefined
}

async function sendJson(command: Record<string, unknown>): Promise<Told & { readonly status: string }> {
  const { body } = await under.post('/commands', { commands: [command] })
  return (body['results'] as (Told & { status: string })[])[0]!
}

/** A reversal by each door. */
const DOORS: Readonly<Record<string, (id: string, transferId: string) => Promise<Told>>> = {
  GraphQL: async (id, transferId) => {
    const { result } = await under.data<{ result: Told }>(
      `mutation($input: ReverseTransferInput!) { result: reverseTransfer(input: $input) { ${TRANSFER_FIELDS} } }`,
      { input: { id, transferId } },
    )
    return { code: result.code, replayed: result.replayed }
  },
  'POST /commands': (id, transferId) => sendJson({ kind: 'reverseTransfer', id, transferId }),
  'the lane': async (id, transferId) => {
    const result = await client.submit({
      kind: 'ReverseTransfer',
      id: parseId(id)!,
      related: parseId(transferId)!,
    })
    if (result.status === 'fault') throw new Error(result.code)
    return { code: result.status === 'refused' ? result.code : undefined, replayed: result.replayed }
  },
}

/** Makes an id of a kind, and returns it. */
const MADE: Readonly<Record<string, () => Promise<string>>> = {
  'nothing at all': () => Promise.resolve(uuid()),
  'a hold': () => made('placeHold', {}),
  'a hold that was voided': async () => {
    const holdId = await made('placeHold', {})
    await made('voidHold', { holdId }, {})
    return holdId
  },
  'the voiding of a hold': async () => made('voidHold', { holdId: await made('placeHold', {}) }, {}),
  'a transfer that was refused': () => made('transfer', { amount: '99999999' }),
  'a reversal': async () => made('reverseTransfer', { transferId: await made('transfer', {}) }, {}),
  'a reversal that was refused': () => made('reverseTransfer', { transferId: uuid() }, {}),
  'the opening of an account': () => made('openAccount', { accountId: uuid(), currency: 'EUR' }, {}),
  'a transfer that was reversed': async () => {
    const transferId = await made('transfer', {})
    await made('reverseTransfer', { transferId }, {})
    return transferId
  },
}

async function made(kind: string, fields: object, base: object = sides): Promise<string> {
  const id = uuid()
  const result = await sendJson({ kind, id, ...base, ...fields })
  if (result.status === 'error') throw new Error(JSON.stringify(result))
  return id
}

const CODES: Readonly<Record<string, string>> = {
  'nothing at all': 'transfer_not_found',
  'a transfer that was reversed': 'already_reversed',
}

async function eventsOf(id: string): Promise<WalletEvent[]> {
  const events: WalletEvent[] = []
  for await (const frame of under.writer.log.read(1n)) events.push(...decodeEvents(frame.payload))
  return events.filter(({ transferId }) => formatId(transferId) === id)
}

describe('the reversal of what cannot be reversed', () => {
  for (const [door, reverse] of Object.entries(DOORS))
    test.each(Object.keys(MADE))(`by ${door}, of %s, is an event under its id, and the id stays refused`, async (what) => {
      const code = CODES[what] ?? 'transfer_not_reversible'
      const [id, transferId] = [uuid(), await MADE[what]!()]
      expect(await reverse(id, transferId)).toMatchObject({ code, replayed: false })
      const events = await eventsOf(id)
      expect(events).toMatchObject([{ kind: 'TransferRefused', command: 'ReverseTransfer', refusal: code, namedAccounts: '' }])
      expect(formatId(events[0]!.relatedId)).toBe(transferId)
      // Asked again by any door it has the same outcome, and nothing else can be done under its id.
      for (const again of Object.values(DOORS)) expect(await again(id, transferId)).toMatchObject({ code, replayed: true })
      expect(await sendJson({ kind: 'transfer', id, ...sides })).toMatchObject({ status: 'refused', code: 'id_reused' })
      expect(await reverse(id, await made('transfer', {}))).toMatchObject({ code: 'id_reused' })
      expect(await eventsOf(id)).toHaveLength(1)
    }) // prettier-ignore

  test.each(Object.keys(DOORS))(
    'by %s, of a transfer that is made only afterwards, stays refused; a new id reverses it, once',
    async (door) => {
      const reverse = DOORS[door]!
      const [id, transferId] = [uuid(), uuid()]
      expect(await reverse(id, transferId)).toMatchObject({ code: 'transfer_not_found' })
      expect(await sendJson({ kind: 'transfer', ...sides, id: transferId })).toMatchObject({
        status: 'accepted',
      })
      expect(await reverse(id, transferId)).toEqual(
        expect.objectContaining({ code: 'transfer_not_found', replayed: true }),
      )
      expect((await reverse(uuid(), transferId)).code).toBeUndefined()
      expect((await reverse(uuid(), transferId)).code).toBe('already_reversed')
    },
  )

  test('of a transfer of the same request is refused as unchecked: the door looked before there was one', async () => {
    const [transferId, id] = [uuid(), uuid()]
    const { body } = await under.post('/commands', {
      commands: [
        { kind: 'transfer', ...sides, id: transferId },
        { kind: 'reverseTransfer', id, transferId },
      ],
    })
    expect(body['results']).toMatchObject([{ status: 'accepted' }, { status: 'refused', code: 'reversal_unchecked' }])
    expect(await eventsOf(id)).toMatchObject([{ refusal: 'reversal_unchecked' }])
  }) // prettier-ignore

  test('linked with a transfer, fails the group: both are events', async () => {
    const ids = [uuid(), uuid()]
    const { body } = await under.post('/commands', {
      commands: [
        { kind: 'transfer', ...sides, id: ids[0], linked: true },
        { kind: 'reverseTransfer', id: ids[1], transferId: uuid() },
      ],
    })
    expect(body['results']).toMatchObject([
      { status: 'refused', code: 'linked_failed' },
      { status: 'refused', code: 'transfer_not_found' },
    ])
    for (const id of ids) expect(await eventsOf(id)).toHaveLength(1)
  })

  test('of an id that no transfer can have is wrong input: nothing is decided, and its id is free', async () => {
    const id = uuid()
    const answer = await sendJson({ kind: 'reverseTransfer', id, transferId: crypto.randomUUID() })
    expect(answer).toMatchObject({ status: 'error', code: 'BAD_USER_INPUT', field: 'commands[0].transferId' })
    expect(await sendJson({ kind: 'transfer', ...sides, id })).toMatchObject({ status: 'accepted' })
  })

  test('only a door may say what it found: a client of the lane that does is turned away', async () => {
    const command = { kind: 'ReverseTransfer', id: parseId(uuid())!, related: parseId(uuid())! } as const
    await expect(
      Promise.resolve().then(() => client.submit({ ...command, finding: 'already_reversed' })),
    ).rejects.toThrow('finding')
  })
})
