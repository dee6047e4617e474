/** Coordinators in the embedded platform: what clients see of them, and that they outlive nothing. */
import { expect, test } from 'vitest'
import { graphql } from '../cli/graphql-client.ts'
import { parseId } from '../schemas/ids.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { newId } from '../test/support/load.ts'
import { withFolder } from '../test/support/purser.ts'
import { startPlatform, type Platform } from './index.ts'

const PARTITIONS = 2
const OPEN = `mutation($input: OpenAccountInput!) { result: openAccount(input: $input) { __typename } }`
const TRANSFER = `mutation($input: TransferInput!) { result: transfer(input: $input) { __typename ... on TransferApplied { position } ... on Refused { code } } }`
const BALANCE = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } } }`

interface Result {
  readonly __typename: string
  readonly position?: string
  readonly code?: string
}

/** Ids of accounts in a partition. */
function idsIn(partition: number): readonly string[] {
  return Array.from(
    { length: 50 },
    (_, number) => `00000000-0000-8000-8000-${String(number + 1).padStart(12, '0')}`,
  ).filter((id) => partitionOf(parseId(id)!, PARTITIONS) === partition)
}
const [bank] = idsIn(0) as [string]
const [anna, nobody] = idsIn(1) as [string, string]

async function transfer({ url }: Platform, from: string, to: string, amount: number): Promise<Result> {
  const input = { id: newId(), debitAccountId: from, creditAccountId: to, amount: String(amount), currency: 'EUR' } // prettier-ignore
  return (await graphql<{ result: Result }>(url, TRANSFER, { input })).result
}

interface Shown {
  readonly writers: readonly { readonly coordinator?: { readonly stepsSent: number } }[]
}

async function stepsShown({ url }: Platform): Promise<readonly (number | undefined)[]> {
  const shown = (await (await fetch(`${url}/readyz`)).json()) as Shown
  return shown.writers.map(({ coordinator }) => coordinator?.stepsSent)
}

test('with two partitions a transfer across ends while its client waits, and readiness tells the steps that it took', () =>
  withFolder(async (dataDir) => {
    const first = await startPlatform({ dataDir, partitions: PARTITIONS })
    await graphql(first.url, OPEN, { input: { id: newId(), accountId: bank, currency: 'EUR', system: true } })
    await graphql(first.url, OPEN, { input: { id: newId(), accountId: anna, currency: 'EUR' } })
    expect(await stepsShown(first)).toEqual([0, 0])
    const applied = await transfer(first, bank, anna, 70)
    expect(applied.__typename).toBe('TransferApplied')
    // Two steps from each partition: try and credit from the source, confirm and complete from the destination.
    expect(await stepsShown(first)).toEqual([2, 2])
    expect(await transfer(first, bank, nobody, 1)).toMatchObject({ code: 'credit_account_not_found' })
    await first.stop()

    const second = await startPlatform({ dataDir })
    const back = await transfer(second, anna, bank, 30)
    expect(back.__typename).toBe('TransferApplied')
    type Answer = { balance: { balance: { minor: string } } }
    const { balance } = await graphql<Answer>(second.url, BALANCE, { id: anna, after: back.position })
    expect(balance.balance.minor).toBe('40')
    await second.stop()
    for (const coordinator of second.coordinators) await coordinator.run()
  }))

test('with one partition there are no coordinators', () =>
  withFolder(async (dataDir) => {
    const platform = await startPlatform({ dataDir })
    expect(platform.coordinators).toEqual([])
    expect(await stepsShown(platform)).toEqual([undefined])
    await platform.stop()
  }))
