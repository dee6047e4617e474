/** Views whose engine stands still (SIGSTOP): no request waits for it, and commands go on. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  gatewayUnderTest,
  openAccounts,
  TRANSFER_FIELDS,
  uuid,
  type GatewayUnderTest,
} from '../gateway-under-test.testing.ts'

/** A probe's client gives up after a second. */
const PROBE_MS_MAX = 1_000

let under: GatewayUnderTest
let cash: string
let accounts: string[]
let position: string

beforeAll(async () => {
  under = await gatewayUnderTest({ limits: { readWaitMs: 5_000 } })
  ;({ cash, accounts, position } = await openAccounts(under, 3))
  await under.data(`{ account(id: "${accounts[0]}", after: "${position}") { id } }`)
})
afterAll(() => under.stop())

interface Probe {
  readonly status: number
  readonly body: {
    readonly reasons: readonly string[]
    readonly commands: { readonly ready: boolean }
    readonly reads: { readonly ready: boolean }
    readonly projections: readonly { readonly state: string }[]
  }
}

async function probe(path: string): Promise<Probe> {
  const response = await fetch(under.url + path, { signal: AbortSignal.timeout(PROBE_MS_MAX) })
  return { status: response.status, body: (await response.json()) as Probe['body'] }
}

function freeze(): void {
  process.kill(under.engine.pid!, 'SIGSTOP')
}

function thaw(): void {
  process.kill(under.engine.pid!, 'SIGCONT')
}

function transfer(): Promise<{ data?: { transfer: { __typename: string } } | null; errors?: readonly object[] }> {
  const input = { id: uuid(), debitAccountId: cash, creditAccountId: accounts[1], amount: '1', currency: 'EUR' }
  return under.graphql(`mutation($input: TransferInput!) { transfer(input: $input) { __typename ... on TransferApplied { position } } }`, { input })
} // prettier-ignore

test('with the engine stopped each probe answers within a second, says what is away, and commands go on', async () => {
  const { transfer: first } = await under.data<{ transfer: { transfer: { id: string } } }>(
    `mutation($input: TransferInput!) { transfer(input: $input) { ${TRANSFER_FIELDS} } }`,
    { input: { id: uuid(), debitAccountId: cash, creditAccountId: accounts[0], amount: '5', currency: 'EUR' } },
  )
  expect((await probe('/readyz')).status).toBe(200)
  freeze()
  try {
    const frozenAtMs = performance.now()
    let sawAway = false
    while (performance.now() - frozenAtMs < 8_000) {
      const all = await probe('/readyz')
      expect((await probe('/livez')).status).toBe(200)
      expect((await probe('/readyz?for=commands')).status).toBe(200)
      await probe('/readyz?for=reads')
      if (all.status === 503) sawAway = true
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(sawAway).toBe(true)
    const { status, body } = await probe('/readyz')
    expect(status).toBe(503)
    expect((await probe('/readyz?for=reads')).status).toBe(503)
    expect(body).toMatchObject({ commands: { ready: true }, reads: { ready: false } })
    expect(body.reasons.join()).toMatch(/The view store has not answered for \d+ s\./)
    expect(body.projections.map(({ state }) => state)).toEqual(['stalled', 'stalled', 'stalled', 'stalled'])

    const { projections } = await under.data<{ projections: { state: string; pumpAgeSeconds: number; failure: string }[] }>(
      '{ projections { state pumpAgeSeconds failure } }',
    )
    for (const { state, pumpAgeSeconds, failure } of projections) {
      expect(state).toBe('STALLED')
      expect(pumpAgeSeconds).toBeGreaterThan(5)
      expect(failure).toContain('not answered')
    }

    const startedMs = performance.now()
    expect(await transfer()).toMatchObject({ data: { transfer: { __typename: 'TransferApplied' } } })
    // Reads are told at once, and so are commands that need one.
    for (const query of [
      `{ account(id: "${accounts[2]}") { balance { balance { minor } } } }`,
      `{ trialBalance { currency } }`,
      `{ balance(accountId: "${accounts[2]}", at: { position: "${position}" }) { balance { minor } } }`,
      `mutation { reverseTransfer(input: { id: "${uuid()}", transferId: "${first.transfer.id}" }) { __typename } }`,
    ]) {
      const { errors } = await under.graphql(query)
      expect(errors?.[0]?.extensions, query).toMatchObject({ code: 'VIEWS_UNAVAILABLE', retryable: true })
    }
    const bulk = await under.post('/commands', {
      commands: [
        { kind: 'reverseTransfer', id: uuid(), transferId: first.transfer.id },
        { kind: 'transfer', id: uuid(), debitAccountId: cash, creditAccountId: accounts[1], amount: '1', currency: 'EUR' },
      ],
    })
    expect(bulk).toMatchObject({
      status: 200,
      body: { results: [{ status: 'error', code: 'VIEWS_UNAVAILABLE', retryable: true }, { status: 'accepted' }] },
    })
    // Whoever is linked with what may be sent again may be sent again.
    const linked = await under.post('/commands', {
      commands: [
{ kind: 'transfer', id: uuid(), debitAccountId: cash, creditAccountId: accounts[1], amount: '1', currency: 'EUR', linked: true },
        { kind: 'reverseTransfer', id: uuid(), transferId: first.transfer.id },
      ],
    })
    const away = { status: 'error', code: 'VIEWS_UNAVAILABLE', retryable: true }
    expect(linked.body).toMatchObject({ results: [away, away] })
    expect(performance.now() - startedMs).toBeLessThan(4_000)
  } finally {
    thaw()
  }
  await expect.poll(async () => (await probe('/readyz')).status, { interval: 100 }).toBe(200)
  const { trialBalance } = await under.data<{ trialBalance: { sum: { minor: string } }[] }>('{ trialBalance { sum { minor } } }')
  expect(trialBalance).toEqual([{ sum: { minor: '0' } }])
}) // prettier-ignore

test('what nobody can be ready for is a wrong question', async () => {
  const { status, body } = await probe('/readyz?for=writes')
  expect({ status, body }).toMatchObject({ status: 400, body: { error: { code: 'BAD_USER_INPUT', field: 'for' } } })
}) // prettier-ignore
