/** Accounts: by id, by owner, by number; with their owner, overdraft limit and status at a position. */
import { EVENT_KINDS } from '../../../schemas/events.ts'
import type { Position } from '../../../schemas/positions.ts'
import type { QueryParameters, ViewStore } from '../../clickhouse/view-store.ts'
import {
  ACCOUNTS_PER_QUERY_MAX,
  amongAccounts,
  nanoseconds,
  rowsOf,
  whole,
  within,
  type AccountKey,
} from '../../sql.ts'

export type AccountStatus = 'open' | 'frozen' | 'closed'

export interface AccountRow extends AccountKey {
  readonly accountId: string
  readonly owner: string
  readonly currency: string
  readonly scale: number
  /** Minor units; −1: unlimited. */
  readonly overdraftLimit: bigint
  /** Version of the account from which on the limit is certain to hold; before it there may have been another. */
  readonly limitVersion: bigint
  readonly status: AccountStatus
  readonly openedSequence: bigint
  readonly openedAtNs: bigint
}

interface StoredAccount {
  readonly partition: number
  readonly account: number
  readonly account_id: string
  readonly owner: string
  readonly currency: string
  readonly scale: number
  readonly overdraft_limit: string
  readonly limit_version: string
  readonly status_kind: number
  readonly opened_sequence: string
  readonly opened_at_ns: string
}

const isOpened = `kind = ${EVENT_KINDS.AccountOpened}`
const isChanged = `kind = ${EVENT_KINDS.AccountChanged}`
const saysLimit = `(${isOpened} OR ${isChanged})`

async function select(
  store: ViewStore,
  condition: string,
  upTo: Position,
  parameters?: QueryParameters,
): Promise<AccountRow[]> {
  const rows = await store.query<StoredAccount>(
    `SELECT partition, account, anyIf(account_id, ${isOpened}) AS account_id, argMaxIf(owner, version, owner != '') AS owner,
       anyIf(currency, ${isOpened}) AS currency, anyIf(scale, ${isOpened}) AS scale,
       argMaxIf(overdraft_limit, version, ${saysLimit}) AS overdraft_limit, maxIf(version, ${saysLimit}) AS limit_version,
       argMaxIf(kind, version, NOT (${isChanged})) AS status_kind,
       minIf(sequence, ${isOpened}) AS opened_sequence, ${nanoseconds(`minIf(recorded_at, ${isOpened})`, 'opened_at')}
     FROM (SELECT * FROM {accounts:Identifier} WHERE ${condition} AND ${within(upTo)})
     GROUP BY partition, account HAVING opened_sequence > 0 ORDER BY partition, account`,
    parameters,
  )
  return rows.map((row) => ({
    partition: row.partition,
    account: row.account,
    accountId: row.account_id,
    owner: row.owner,
    currency: row.currency,
    scale: row.scale,
    overdraftLimit: BigInt(row.overdraft_limit),
    limitVersion: BigInt(row.limit_version),
    status: statusOf(row.status_kind),
    openedSequence: BigInt(row.opened_sequence),
    openedAtNs: BigInt(row.opened_at_ns),
  }))
}

function statusOf(kind: number): AccountStatus {
  if (kind === EVENT_KINDS.AccountClosed) return 'closed'
  return kind === EVENT_KINDS.AccountFrozen ? 'frozen' : 'open'
}

/** Accounts by id, at most 1,000; those that `upTo` does not know are missing. Order: partition, number. */
export async function accountsByIds(
  store: ViewStore,
  ids: readonly string[],
  upTo: Position,
): Promise<AccountRow[]> {
  if (ids.length === 0) return []
  if (ids.length > ACCOUNTS_PER_QUERY_MAX) throw new RangeError(`${ids.length} accounts in one query`)
  const found = `(partition, account) IN (SELECT partition, account FROM {account_ids:Identifier} WHERE account_id IN {ids:Array(UUID)})`
  return select(store, found, upTo, { ids })
}

export async function accountById(
  store: ViewStore,
  id: string,
  upTo: Position,
): Promise<AccountRow | undefined> {
  return (await accountsByIds(store, [id], upTo))[0]
}

/** Accounts by number, at most 1,000. */
export async function accountsByNumbers(
  store: ViewStore,
  keys: readonly AccountKey[],
  upTo: Position,
): Promise<AccountRow[]> {
  return keys.length === 0 ? [] : select(store, amongAccounts(keys), upTo)
}

/** The overdraft limit that an account had at a version of it, in minor units; −1: unlimited. */
export async function limitAtVersion(store: ViewStore, key: AccountKey, version: bigint): Promise<bigint> {
  const [row] = await store.query<{ overdraft_limit: string }>(
    `SELECT argMax(overdraft_limit, version) AS overdraft_limit FROM {accounts:Identifier}
     WHERE ${amongAccounts([key])} AND ${saysLimit} AND version <= ${whole(version)}`,
  )
  return BigInt(row!.overdraft_limit)
}

/** One page of an owner's accounts, ordered by partition and number: those behind `after`. */
export async function accountsByOwner(
  store: ViewStore,
  owner: string,
  page: { readonly after?: AccountKey; readonly limit: number },
  upTo: Position,
): Promise<AccountRow[]> {
  const found: AccountRow[] = []
  let { after } = page
  for (;;) {
    const rows = await everOwned(store, owner, { after, limit: page.limit }, upTo)
    // Nearly always all of them: few accounts have come to be another's.
    found.push(...rows.filter((row) => row.owner === owner))
    if (rows.length < page.limit || found.length >= page.limit) return found.slice(0, page.limit)
    after = rows.at(-1)
  }
}

/** Likewise, accounts that are or were the owner's. */
async function everOwned(
  store: ViewStore,
  owner: string,
  { after, limit }: { readonly after: AccountKey | undefined; readonly limit: number },
  upTo: Position,
): Promise<AccountRow[]> {
  const behind =
    after === undefined
      ? ''
      : `AND (partition, account) > (${whole(after.partition)}, ${whole(after.account)})`
  const found = `(partition, account) IN (
    SELECT DISTINCT partition, account FROM {account_owners:Identifier}
    WHERE owner = {owner:String} AND ${within(upTo)} ${behind}
    ORDER BY partition, account LIMIT ${rowsOf(limit, ACCOUNTS_PER_QUERY_MAX)})`
  return select(store, found, upTo, { owner })
}

/** Scales with which accounts of a currency were opened, the first one used first: one, unless something went wrong. */
export async function scalesInUse(store: ViewStore, currency: string, upTo: Position): Promise<number[]> {
  const rows = await store.query<{ scale: number }>(
    `SELECT scale, min(recorded_at) AS first FROM {accounts:Identifier}
     WHERE ${isOpened} AND currency = {currency:String} AND ${within(upTo)} GROUP BY scale ORDER BY first`,
    { currency },
  )
  return rows.map(({ scale }) => scale)
}
