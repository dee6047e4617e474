import { createClient } from 'graphql-ws'
import { Kind, parse, validate } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { buildSchema } from '../../schema/schema.ts'
import { gatewayUnderTest, uuid, type GatewayUnderTest } from '../../gateway-under-test.testing.ts'
import { tourTabs, type TourTab } from './tour.ts'
import { BUILT_IN_VIEWS } from '../../../projectors/views/built-in.ts'

const schema = buildSchema(BUILT_IN_VIEWS)
let under: GatewayUnderTest
beforeAll(async () => {
  under = await gatewayUnderTest()
})
afterAll(() => under.stop())

test('GraphiQL opens with the tour, its ids new in each page; another site cannot frame it', async () => {
  const pages = await Promise.all([1, 2].map(() => fetch(`${under.url}/graphql`, { headers: { accept: 'text/html,*/*;q=0.8' } }))) // prettier-ignore
  const tabs = await Promise.all(pages.map(async (page) => tabsOf(await page.text())))
  for (const page of pages) expect(page.headers.get('content-security-policy')).toBe("frame-ancestors 'none'")
  const queries = tourTabs(uuid).map(({ query }) => query)
  for (const shown of tabs) expect(shown.map(({ query }) => query)).toEqual(queries)
  expect(idsOf(tabs[0]!).filter((id) => idsOf(tabs[1]!).includes(id))).toEqual([])
})

test('every document of it is valid, says what it is for, and has the variables that it asks for', () => {
  const kinds = tourTabs(uuid).flatMap(({ query, variables }) => {
    const document = parse(query)
    expect(validate(schema, document)).toEqual([])
    expect(query).toMatch(/^# \d of 5 · /)
    const names = new Set(Object.keys(JSON.parse(variables) as object))
    const [operation] = document.definitions.filter(
      (definition) => definition.kind === Kind.OPERATION_DEFINITION,
    )
    const asked = operation!.variableDefinitions ?? []
    const required = asked.filter(({ type }) => type.kind === Kind.NON_NULL_TYPE).map(({ variable }) => variable.name.value) // prettier-ignore
    expect(new Set(required)).toEqual(names)
    return operation!.operation
  })
  expect(new Set(kinds)).toEqual(new Set(['query', 'mutation', 'subscription']))
})

test('run from its first tab to its last, it does what it says', async () => {
  const [open, move, hold, read, watch] = tourTabs(uuid).map((tab) => ({
    ...tab,
    values: JSON.parse(tab.variables) as Record<string, string>,
  }))
  await under.data(open!.query, open!.values)
  const client = createClient({ url: `${under.url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 }) // prettier-ignore
  const watching = client.iterate({ query: watch!.query, variables: watch!.values })
  const entry = watching.next()
  await expect.poll(() => under.gateway.figures().subscriptions).toBe(1)
  expect(await under.data(move!.query, move!.values)).toMatchObject({
    deposit: { replayed: false, transfer: { debitBalance: { available: {} } } },
    lunch: { replayed: false, transfer: { amount: { major: '12.50' } } },
    yacht: { code: 'insufficient_funds' },
  })
  expect(await entry).toMatchObject({ value: { data: { accountActivity: { direction: 'CREDIT', memo: 'deposit' } } } }) // prettier-ignore
  expect(await under.data(move!.query, move!.values)).toMatchObject({ deposit: { replayed: true }, lunch: { replayed: true } }) // prettier-ignore
  const held = await under.data<{ postHold: { position: string } }>(hold!.query, hold!.values)
  expect(held).toMatchObject({
    placeHold: { transfer: { debitBalance: { held: { major: '20.00' } } } },
    postHold: { transfer: { debitBalance: { held: { major: '0.00' }, balance: { major: '72.50' } } } },
  })
  await under.data(`{ account(id: "${read!.values['alice']}", after: "${held.postHold.position}") { id } }`)
  expect(await under.data(read!.query, read!.values)).toMatchObject({
    balance: { balance: { major: '72.50', currency: 'EUR' } },
    trialBalance: [{ currency: 'EUR', sum: { minor: '0' } }],
  })
  await client.dispose()
})

/** The tabs as the page has them. */
function tabsOf(page: string): TourTab[] {
  const from = page.lastIndexOf('"defaultTabs":') + '"defaultTabs":'.length
  return JSON.parse(page.slice(from, page.lastIndexOf('},\n'))) as TourTab[]
}

function idsOf(tabs: readonly TourTab[]): string[] {
  return tabs.flatMap(({ variables }) => Object.values(JSON.parse(variables) as Record<string, string>))
}
