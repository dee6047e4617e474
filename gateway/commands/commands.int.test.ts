import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  gatewayUnderTest,
  OPEN,
  openAccounts,
  TRANSFER,
  TRANSFER_FIELDS,
  uuid,
  type GatewayUnderTest,
} from '../gateway-under-test.testing.ts'

let under: GatewayUnderTest
beforeAll(async () => {
  under = await gatewayUnderTest()
})
afterAll(() => under.stop())

interface Result {
  readonly __typename: string
  readonly position: string
  readonly replayed: boolean
  readonly code: string
  readonly index: number | null
  readonly transfer: {
    readonly id: string
    readonly state: string
    readonly kind: string
    readonly amount: { minor: string; major: string }
    readonly postedAmount: { minor: string } | null
    readonly debitAccountId: string
    readonly creditAccountId: string
    readonly debitBalance: {
      balance: { minor: string }
      held: { minor: string }
      available: { minor: string } | null
    }
    readonly relatedId: string | null
  }
  readonly debitBalance: { accountId: string; balance: { minor: string } }
}

async function run(kind: string, input: Record<string, unknown>): Promise<Result> {
  const type = `${kind[0]!.toUpperCase()}${kind.slice(1)}Input`
  const answer = await under.data<Record<string, Result>>(
    `mutation Run($input: ${type}!) { ${kind}(input: $input) { ${TRANSFER_FIELDS} } }`,
    { input },
  )
  return answer[kind]!
}

async function balance(
  accountId: string,
  after: string,
): Promise<{ balance: string; held: string; available: string }> {
  const { balance: seen } = await under.data<{
    balance: Record<'balance' | 'held' | 'available', { minor: string }>
  }>(
    'query($accountId: UUID!, $after: Position) { balance(accountId: $accountId, after: $after) { balance { minor } held { minor } available { minor } } }',
    { accountId, after },
  )
  return { balance: seen.balance.minor, held: seen.held.minor, available: seen.available.minor }
}

describe('commands', () => {
  test('an account opens once; what it answers is what was asked', async () => {
    const accountId = uuid()
    const input = { id: uuid(), accountId, currency: 'JPY', owner: 'Ana', overdraftLimit: '500' }
    const first = await under.data<{ openAccount: { account: unknown; replayed: boolean } }>(OPEN, { input })
    expect(first.openAccount).toMatchObject({
      __typename: 'AccountApplied',
      replayed: false,
      account: { id: accountId, owner: 'Ana', currency: 'JPY', scale: 0, status: 'OPEN', system: false },
    })
    expect((await under.data<{ openAccount: unknown }>(OPEN, { input })).openAccount).toMatchObject({
      __typename: 'AccountApplied',
      replayed: true,
    })
    expect(
      (await under.data<{ openAccount: unknown }>(OPEN, { input: { ...input, id: uuid() } })).openAccount,
    ).toMatchObject({
      __typename: 'Refused',
      code: 'account_exists',
    })
  })

  test('a transfer moves money, and its position makes reads see it', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [from, to] = accounts as [string, string]
    const input = {
      id: uuid(),
      debitAccountId: from,
      creditAccountId: to,
      amount: '2500',
      currency: 'EUR',
      memo: 'rent',
      code: 7,
    }
    const result = await run('transfer', input)
    expect(result).toMatchObject({
      __typename: 'TransferApplied',
      replayed: false,
      transfer: {
        id: input.id, state: 'POSTED', kind: 'TRANSFER', memo: 'rent', code: 7,
        amount: { minor: '2500', major: '25.00', currency: 'EUR', scale: 2 },
        debitAccountId: from, creditAccountId: to, debitBalance: { balance: { minor: '97500' } },
      },
    }) // prettier-ignore
    expect(await balance(from, result.position)).toEqual({ balance: '97500', held: '0', available: '97500' })
    expect(await balance(to, result.position)).toMatchObject({ balance: '102500' })
  })

  test('a refusal is data, with its code and the balances seen, and the id stays refused', async () => {
    const { accounts } = await openAccounts(under, 2)
    const input = {
      id: uuid(),
      debitAccountId: accounts[0],
      creditAccountId: accounts[1],
      amount: '100001',
      currency: 'EUR',
    }
    const refused = await run('transfer', input)
    expect(refused).toMatchObject({
      __typename: 'Refused',
      code: 'insufficient_funds',
      transient: true,
      replayed: false,
      debitBalance: { accountId: accounts[0], balance: { minor: '100000' }, available: { minor: '100000' } },
    })
    await run('transfer', {
      ...input,
      id: uuid(),
      debitAccountId: accounts[1],
      creditAccountId: accounts[0],
      amount: '500',
    })
    expect(await run('transfer', input)).toMatchObject({
      __typename: 'Refused',
      code: 'insufficient_funds',
      replayed: true,
    })
  })

  test('a hold is posted in part, another voided; neither can be ended twice', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [from, to] = accounts as [string, string]
    const hold = { id: uuid(), debitAccountId: from, creditAccountId: to, amount: '4000', currency: 'EUR' }
    const placed = await run('placeHold', { ...hold, timeoutSeconds: 3600 })
    expect(placed).toMatchObject({
      transfer: { state: 'PENDING', kind: 'HOLD', debitBalance: { held: { minor: '4000' } } },
    })
    expect(await balance(from, placed.position)).toEqual({
      balance: '100000',
      held: '4000',
      available: '96000',
    })
    const posted = await run('postHold', { id: uuid(), holdId: hold.id, amount: '1500' })
    expect(posted).toMatchObject({
      transfer: {
        state: 'POSTED',
        kind: 'HOLD_POST',
        relatedId: hold.id,
        amount: { minor: '1500' },
        debitAccountId: from,
      },
    })
    expect(await balance(from, posted.position)).toEqual({ balance: '98500', held: '0', available: '98500' })
    expect(await run('voidHold', { id: uuid(), holdId: hold.id })).toMatchObject({ code: 'hold_not_open' })
    const { transfer } = await under.data<{ transfer: unknown }>(
      'query($id: UUID!, $after: Position) { transfer(id: $id, after: $after) { state postedAmount { minor } amount { minor } postedById expiresAt timeline { projected } } }',
      { id: hold.id, after: posted.position },
    )
    expect(transfer).toMatchObject({
      state: 'POSTED',
      postedAmount: { minor: '1500' },
      amount: { minor: '4000' },
      postedById: posted.transfer.id,
    })
    expect(transfer).toHaveProperty('timeline.projected', expect.any(String))
    const second = { ...hold, id: uuid() }
    await run('placeHold', second)
    expect(await run('voidHold', { id: uuid(), holdId: second.id })).toMatchObject({
      transfer: { state: 'VOIDED', kind: 'HOLD_VOID' },
    })
  })

  test('linked transfers happen all or none; the one that failed is named', async () => {
    const { accounts } = await openAccounts(under, 3)
    const [a, b, c] = accounts as [string, string, string]
    const linked = `mutation($input: LinkedTransfersInput!) { linkedTransfers(input: $input) { __typename
      ... on LinkedTransfersApplied { position replayed transfers { id state linkIndex } }
      ... on Refused { code index id } } }`
    const leg = (debitAccountId: string, creditAccountId: string, amount: string) => ({
      id: uuid(),
      debitAccountId,
      creditAccountId,
      amount,
      currency: 'EUR',
    })
    const bad = [leg(a, b, '100'), leg(b, c, '999999'), leg(c, a, '1')]
    const refused = await under.data<{ linkedTransfers: unknown }>(linked, { input: { transfers: bad } })
    expect(refused.linkedTransfers).toEqual({
      __typename: 'Refused',
      code: 'insufficient_funds',
      index: 1,
      id: bad[1]!.id,
    })
    const good = { input: { transfers: [leg(a, b, '100'), leg(b, c, '100100')] } }
    const applied = await under.data<{ linkedTransfers: { position: string } }>(linked, good)
    expect(applied.linkedTransfers).toMatchObject({
      replayed: false,
      transfers: [{ linkIndex: 1 }, { linkIndex: 2 }],
    })
    expect(await balance(c, applied.linkedTransfers.position)).toMatchObject({ balance: '200100' })
    expect((await under.data<{ linkedTransfers: unknown }>(linked, good)).linkedTransfers).toMatchObject({
      replayed: true,
    })
  })

  test('a transfer is reversed once, right after it was acknowledged; the same reversal again is a replay', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [from, to] = accounts as [string, string]
    const paid = await run('transfer', {
      id: uuid(),
      debitAccountId: from,
      creditAccountId: to,
      amount: '300',
      currency: 'EUR',
    })
    const reversal = { id: uuid(), transferId: paid.transfer.id }
    const reversed = await run('reverseTransfer', reversal)
    expect(reversed).toMatchObject({
      __typename: 'TransferApplied',
      transfer: {
        kind: 'REVERSAL',
        relatedId: paid.transfer.id,
        debitAccountId: to,
        creditAccountId: from,
        amount: { minor: '300' },
      },
    })
    expect(await balance(from, reversed.position)).toMatchObject({ balance: '100000' })
    expect(await run('reverseTransfer', reversal)).toMatchObject({
      __typename: 'TransferApplied',
      replayed: true,
    })
    expect(await run('reverseTransfer', { ...reversal, id: uuid() })).toMatchObject({
      __typename: 'Refused',
      code: 'already_reversed',
    })
    const { transfer } = await under.data<{ transfer: unknown }>(
      'query($id: UUID!) { transfer(id: $id) { state reversedById } }',
      { id: paid.transfer.id },
    )
    expect(transfer).toEqual({ state: 'REVERSED', reversedById: reversal.id })
  })

  test('an account is frozen, unfrozen, emptied and closed', async () => {
    const { accounts, cash } = await openAccounts(under, 1)
    const change = async (kind: string, accountId: string) =>
      (
        await under.data<Record<string, unknown>>(
          `mutation($input: ${kind[0]!.toUpperCase()}${kind.slice(1)}Input!) { ${kind}(input: $input) { __typename ... on AccountApplied { account { status balance { balance { minor } } } } ... on Refused { code debitBalance { balance { minor } } } } }`,
          { input: { accountId } },
        )
      )[kind]
    const account = accounts[0]!
    expect(await change('freezeAccount', account)).toMatchObject({
      account: { status: 'FROZEN', balance: { balance: { minor: '100000' } } },
    })
    const out = { debitAccountId: account, creditAccountId: cash, amount: '100000', currency: 'EUR' }
    expect(await run('transfer', { ...out, id: uuid() })).toMatchObject({ code: 'debit_account_frozen' })
    expect(await change('unfreezeAccount', account)).toMatchObject({ account: { status: 'OPEN' } })
    expect(await change('closeAccount', account)).toMatchObject({
      code: 'account_not_empty',
      debitBalance: { balance: { minor: '100000' } },
    })
    await run('transfer', { ...out, id: uuid() })
    expect(await change('closeAccount', account)).toMatchObject({
      account: { status: 'CLOSED', balance: { balance: { minor: '0' } } },
    })
  })
})

describe('ids', () => {
  test('the same id a hundred times at once has one effect, and everyone gets its outcome', async () => {
    const { accounts } = await openAccounts(under, 2)
    const input = {
      id: uuid(),
      debitAccountId: accounts[0],
      creditAccountId: accounts[1],
      amount: '1000',
      currency: 'EUR',
    }
    const results = await Promise.all(Array.from({ length: 100 }, () => run('transfer', input)))
    expect(new Set(results.map(({ position }) => position)).size).toBe(1)
    expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(await balance(accounts[0]!, results[0]!.position)).toMatchObject({ balance: '99000' })
  })

  test('the same id with another body is refused as reused', async () => {
    const { accounts } = await openAccounts(under, 2)
    const input = {
      id: uuid(),
      debitAccountId: accounts[0],
      creditAccountId: accounts[1],
      amount: '1000',
      currency: 'EUR',
    }
    const [first, second] = await Promise.all([
      run('transfer', input),
      run('transfer', { ...input, amount: '1001' }),
    ])
    expect([first.code, second.code].filter((code) => code !== undefined)).toEqual(['id_reused'])
    expect(await run('transfer', { ...input, memo: 'other' })).toMatchObject({ code: 'id_reused' })
  })

  test('an id from the future is no refusal: it is told as an error, and counts once its time has come', async () => {
    const { accounts } = await openAccounts(under, 2)
    const input = {
      id: uuid(Date.now() + 3_600_000),
      debitAccountId: accounts[0],
      creditAccountId: accounts[1],
      amount: '1',
      currency: 'EUR',
    }
    const { errors } = await under.graphql(TRANSFER, { input })
    expect(errors?.[0]).toMatchObject({
      message: expect.stringContaining('is not used up') as string,
      extensions: { code: 'ID_IN_FUTURE', retryable: true, id: input.id },
    })
    const { retryAfterMs } = errors![0]!.extensions as unknown as { retryAfterMs: number }
    expect(retryAfterMs).toBeGreaterThan(3_500_000)
    expect(retryAfterMs).toBeLessThan(3_600_000)
  })

  test('an id that is no UUIDv7 is wrong input, with a sentence that says so', async () => {
    const { errors } = await under.graphql(TRANSFER, {
      input: {
        id: crypto.randomUUID(),
        debitAccountId: uuid(),
        creditAccountId: uuid(),
        amount: '1',
        currency: 'EUR',
      },
    })
    expect(errors?.[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT', field: 'input.id' } })
    expect(errors?.[0]?.message).toContain('version 7')
  })
})
