/** Transfers through the one address while things are killed behind it, and the account of them afterwards. */
import { randomUUID } from 'node:crypto'
import { accountIdOf } from '../../cli/external-ids.ts'
import { graphql } from '../../cli/graphql-client.ts'
import {
  OPEN_ACCOUNT,
  PARTITION,
  TRANSFER,
  TRIAL_BALANCE,
  type TransferResult,
} from '../../cli/demo/operations.ts'
import { newId } from '../../client/new-id.ts'
import { formatId } from '../../schemas/ids.ts'

const CURRENCY = 'EUR'
const TRIES_MAX = 600
const PAUSE_MS = 200
const AUDIT_PAGE = 200

const AUDIT = `query Audit($id: UUID!, $after: Position, $from: Position) {
  audit(filter: { accountId: $id, kinds: [TransferPosted] }, after: $after, from: $from, first: ${AUDIT_PAGE}) {
    events { id amount { minor } } hasMore next } }`
const BALANCE = `query Balance($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } } }`

/** A bank and a customer in one partition. */
interface Pair {
  readonly bank: string
  readonly customer: string
  readonly partition: number
}

/** What was found. */
export interface Finding {
  readonly title: string
  readonly holds: boolean
  readonly seen: string
}

/** Load that runs until it is stopped. */
export interface Load {
  /** Transfers acknowledged until now. */
  acknowledged(): number
  /** Longest time without any acknowledgement until now, in milliseconds. */
  longestPauseMs(): number
  /** Stops, settles what is not known yet, and compares with what the platform says. */
  finish(): Promise<readonly Finding[]>
}

/**
 * Opens accounts in every partition that it finds, and keeps a transfer of 1 under way in each. A transfer whose fate is not
 * known is sent again under the same id until it is.
 */
export async function startLoad(url: string, pairsWanted: number): Promise<Load> {
  const pairs = await openPairs(url, pairsWanted)
  const done = new Map<string, Pair>()
  let isStopping = false
  let lastMs = performance.now()
  let longestMs = 0
  /** Of each pair's last acknowledged transfer: a position of one partition says nothing about another. */
  const positions = new Map<Pair, string>()
  const settle = async (pair: Pair, id: string): Promise<void> => {
    for (;;) {
      try {
        const input = { id, debitAccountId: pair.bank, creditAccountId: pair.customer, amount: '1', currency: CURRENCY }
        const { result } = await graphql<{ result: TransferResult }>(url, TRANSFER, { input })
        if (result.__typename !== 'TransferApplied') throw new Refused(`${result.code}: ${result.message}`)
        done.set(id, pair)
        positions.set(pair, result.position)
        longestMs = Math.max(longestMs, performance.now() - lastMs)
        lastMs = performance.now()
        return
      } catch (error) {
        if (error instanceof Refused) throw error
        await pause(PAUSE_MS)
      }
    }
  } // prettier-ignore
  const workers = pairs.map(async (pair) => {
    while (!isStopping) await settle(pair, formatId(newId()))
  })
  // Whoever waits for them finds out; until then nobody does.
  const all = Promise.all(workers)
  all.catch(() => undefined)
  return {
    acknowledged: () => done.size,
    longestPauseMs: () => Math.max(longestMs, performance.now() - lastMs),
    finish: async () => {
      isStopping = true
      await all
      return account(url, pairs, done, positions)
    },
  }
}

class Refused extends Error {}

async function account(
  url: string,
  pairs: readonly Pair[],
  done: ReadonlyMap<string, Pair>,
  positions: ReadonlyMap<Pair, string>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const pair of pairs) {
    const after = positions.get(pair)
    const acknowledged = [...done].filter(([, of]) => of === pair).map(([id]) => id)
    const events = await eventsOf(url, pair.customer, after)
    const missing = acknowledged.filter((id) => !events.includes(id))
    const twice = events.length - new Set(events).size
    findings.push({
      title: `partition ${pair.partition}: each acknowledged transfer happened, once`,
      holds: missing.length === 0 && twice === 0 && events.length === acknowledged.length,
      seen: `${acknowledged.length} acknowledged, ${events.length} events, ${missing.length} missing, ${twice} twice`,
    })
    const { balance } = await patiently(() =>
      graphql<{ balance: { balance: { minor: string } } }>(url, BALANCE, { id: pair.customer, after }),
    )
    findings.push({
      title: `partition ${pair.partition}: the balance is their sum`,
      holds: balance.balance.minor === String(acknowledged.length),
      seen: balance.balance.minor,
    })
  }
  type Trial = { trialBalance: readonly { currency: string; sum: { minor: string } }[] }
  const { trialBalance } = await patiently(() => graphql<Trial>(url, TRIAL_BALANCE, {}))
  findings.push({
    title: 'all accounts of a currency together sum to zero',
    holds: trialBalance.length > 0 && trialBalance.every(({ sum }) => sum.minor === '0'),
    seen: trialBalance.map(({ currency, sum }) => `${currency} ${sum.minor}`).join(', '),
  })
  return findings
}

/** Ids of the transfers of an account, as the audit view has them. */
async function eventsOf(url: string, id: string, after: string | undefined): Promise<readonly string[]> {
  type Answer = { audit: { events: readonly { id: string }[]; hasMore: boolean; next: string } }
  const ids: string[] = []
  let from: string | undefined
  for (;;) {
    const { audit } = await patiently(() => graphql<Answer>(url, AUDIT, { id, after, from }))
    ids.push(...audit.events.map((event) => event.id))
    if (!audit.hasMore) return ids
    from = audit.next
  }
}

async function openPairs(url: string, wanted: number): Promise<readonly Pair[]> {
  const story = randomUUID()
  const pairs: Pair[] = []
  for (let number = 0; number < wanted; number++) {
    const bank = await open(url, `load/${story}/bank-${number}`, true)
    for (let tried = 0; tried < TRIES_MAX; tried++) {
      const customer = await open(url, `load/${story}/customer-${number}-${tried}`, false)
      if (customer.partition !== bank.partition) continue
      pairs.push({ bank: bank.id, customer: customer.id, partition: bank.partition })
      break
    }
  }
  return pairs
}

async function open(url: string, name: string, system: boolean): Promise<{ id: string; partition: number }> {
  const id = accountIdOf(name)
  const input = { accountId: id, owner: system ? 'bank' : 'customer', currency: CURRENCY, system }
  return patiently(async () => {
    const { openAccount } = await graphql<{ openAccount: { position: string } }>(url, OPEN_ACCOUNT, { input })
    type Answer = { audit: { events: readonly { partition: number }[] } }
    const { audit } = await graphql<Answer>(url, PARTITION, { id, after: openAccount.position })
    return { id, partition: audit.events[0]!.partition }
  })
}

const PATIENCE_MS = 120_000

/** Views may be behind, and a gateway may be gone: asks again until there is an answer. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await pause(PAUSE_MS)
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
