/** The demo's story: a few people, some money, and at each step what must be true now. Everything goes through the real doors. */
import { newId as makeId } from '../../client/new-id.ts'
import { formatId } from '../../schemas/ids.ts'
import { accountIdOf } from '../external-ids.ts'
import { graphql } from '../graphql-client.ts'
import {
  ACTIVITY, BALANCE_NOW, BALANCE_THEN, OPEN_ACCOUNT, PARTITION, PLACE_HOLD, POST_HOLD, STATEMENT, STATUS, TRANSFER, TRIAL_BALANCE,
  type Balance, type Entry, type TransferResult,
} from './operations.ts' // prettier-ignore
import { connect, subscribe, type Subscription } from './subscriber.ts'

/** One step: what was done, what was seen, and whether it is what must be. */
export interface Step {
  readonly title: string
  readonly holds: boolean
  readonly seen: string
}

const CURRENCY = 'EUR'
const PEOPLE = ['bank', 'alice', 'bob', 'shop'] as const
type Person = (typeof PEOPLE)[number]
/** Accounts that are tried until one lies in the bank's partition: with 64 partitions, 1 in 10,000 stories needs more. */
const TRIES_MAX = 600
const newId = (): string => formatId(makeId())

type Refused = Extract<TransferResult, { __typename: 'Refused' }>
type Applied = Extract<TransferResult, { __typename: 'TransferApplied' }>

/**
 * Plays the story against a running platform.
 * @param tell gets each step as it is done
 * @param story names the accounts apart from those of other stories on the same platform; empty: there are none
 */
export async function play(url: string, tell: (step: Step) => void, story = ''): Promise<Step[]> {
  const steps: Step[] = []
  const step = (title: string, holds: boolean, seen: string): void => {
    const done = { title, holds, seen }
    steps.push(done)
    tell(done)
  }
  const client = connect(url)
  try {
    await tellStory(new Teller(url, story === '' ? '' : `${story}/`), (query, variables, field) => subscribe(client, query, variables, field), step)
  } finally {
    await client.dispose()
  }
  return steps
} // prettier-ignore

type Subscribe = <Item>(
  query: string,
  variables: Record<string, unknown>,
  field: string,
) => Subscription<Item>
type TellStep = (title: string, holds: boolean, seen: string) => void

/** The operations of the story, in its words. */
class Teller {
  readonly #url: string
  /** The last position that an answer gave: reads after it see everything so far. */
  position = ''
  readonly #ids = new Map<Person, string>()
  /** What sets the accounts of this story apart from those of others on the same platform. */
  readonly #story: string
  #partition: number | undefined

  constructor(url: string, story: string) {
    this.#url = url
    this.#story = story
  }

  idOf(person: Person): string {
    return this.#ids.get(person)!
  }

  /** Opens an account in the partition of those opened before: there is no transfer from one to another yet. */
  async open(person: Person, system = false): Promise<boolean> {
    for (let tried = 0; tried < TRIES_MAX; tried++) {
      const id = accountIdOf(`demo/${this.#story}${person}${tried === 0 ? '' : `-${tried}`}`)
      this.#ids.set(person, id)
      const input = { accountId: id, owner: person, currency: CURRENCY, system }
      type Answer = { openAccount: { __typename: string; position: string } }
      const { openAccount } = await graphql<Answer>(this.#url, OPEN_ACCOUNT, { input })
      this.position = openAccount.position
      if (openAccount.__typename !== 'AccountApplied') return false
      const partition = await this.#partitionOf(id)
      this.#partition ??= partition
      if (partition === this.#partition) return true
    }
    return false
  }

  async #partitionOf(id: string): Promise<number | undefined> {
    type Answer = { audit: { events: readonly { partition: number }[] } }
    const { audit } = await graphql<Answer>(this.#url, PARTITION, { id, after: this.position })
    return audit.events[0]?.partition
  }

  transfer(id: string, from: Person, to: Person, amount: string, memo: string): Promise<TransferResult> {
    const input = { id, debitAccountId: this.idOf(from), creditAccountId: this.idOf(to), amount, currency: CURRENCY, memo }
    return this.#run(TRANSFER, input)
  }

  hold(id: string, from: Person, to: Person, amount: string, memo: string): Promise<TransferResult> {
    const input = { id, debitAccountId: this.idOf(from), creditAccountId: this.idOf(to), amount, currency: CURRENCY, memo }
    return this.#run(PLACE_HOLD, input)
  }

  post(holdId: string, amount: string): Promise<TransferResult> {
    return this.#run(POST_HOLD, { id: newId(), holdId, amount })
  }

  async #run(query: string, input: Record<string, unknown>): Promise<TransferResult> {
    const { result } = await graphql<{ result: TransferResult }>(this.#url, query, { input })
    this.position = result.position
    return result
  }

  async balance(person: Person): Promise<Balance> {
    const variables = { id: this.idOf(person), after: this.position }
    return (await graphql<{ balance: Balance }>(this.#url, BALANCE_NOW, variables)).balance
  }

  async balanceThen(person: Person, then: string): Promise<Balance> {
    const variables = { id: this.idOf(person), then }
    return (await graphql<{ balance: Balance }>(this.#url, BALANCE_THEN, variables)).balance
  }

  async statement(person: Person): Promise<readonly Entry[]> {
    const variables = { id: this.idOf(person), after: this.position }
    return (await graphql<{ history: { nodes: readonly Entry[] } }>(this.#url, STATEMENT, variables)).history.nodes
  }

  async trialBalance(): Promise<readonly { currency: string; sum: { minor: string } }[]> {
    type Answer = { trialBalance: readonly { currency: string; sum: { minor: string } }[] }
    return (await graphql<Answer>(this.#url, TRIAL_BALANCE, { after: this.position })).trialBalance
  }
} // prettier-ignore

async function tellStory(teller: Teller, subscribeTo: Subscribe, step: TellStep): Promise<void> {
  const opened = [await teller.open('bank', true), await teller.open('alice'), await teller.open('bob'), await teller.open('shop')]
  step('Four accounts are opened; the bank is a system account, where money enters', opened.every(Boolean), PEOPLE.join(', '))

  const deposits = [
    await teller.transfer(newId(), 'bank', 'alice', '10000', 'deposit'),
    await teller.transfer(newId(), 'bank', 'bob', '5000', 'deposit'),
  ]
  const afterDeposits = teller.position
  const rich = await teller.balance('alice')
  step('Alice deposits 100.00, Bob 50.00', deposits.every(isApplied) && rich.balance.minor === '10000', `Alice has ${rich.balance.major}`)

  const activity = subscribeTo<{ kind: string; balance: Balance }>(ACTIVITY, { id: teller.idOf('alice') }, 'accountActivity')
  const transferId = newId()
  const status = subscribeTo<{ state: string }>(STATUS, { id: transferId }, 'transferStatus')
  const refusedId = newId()
  const refusal = subscribeTo<{ state: string; refusal: { code: string } | null }>(STATUS, { id: refusedId }, 'transferStatus')
  // A subscription is only sure to be open once the server has had its turn; these are on one socket, in order.
  await new Promise((resolve) => setTimeout(resolve, 300))

  const sent = await teller.transfer(transferId, 'alice', 'bob', '1250', 'lunch')
  const [posted] = await status.arrived(1)
  step('Alice sends Bob 12.50; who waits for this transfer is told', isApplied(sent) && posted?.state === 'POSTED', `transferStatus: ${posted?.state}`)

  const again = await teller.transfer(transferId, 'alice', 'bob', '1250', 'lunch')
  step('The same transfer is sent again, as a phone does after a lost answer: nothing happens twice', isApplied(again) && again.replayed, 'replayed: true')

  await tellOfHold(teller, step)
  await tellOfRefusal(teller, refusedId, refusal, step)

  const seen = await activity.arrived(3)
  const kinds = seen.map(({ kind }) => kind).join(', ')
  step("A subscriber to Alice's account has seen each entry arrive, once and in order", kinds === 'TransferPosted, HoldPlaced, HoldPosted', kinds)

  await tellOfReads(teller, afterDeposits, step)
} // prettier-ignore

async function tellOfHold(teller: Teller, step: TellStep): Promise<void> {
  const holdId = newId()
  const held = await teller.hold(holdId, 'alice', 'shop', '4000', 'hotel deposit')
  const during = await teller.balance('alice')
  const isReserved = during.balance.minor === '8750' && during.held.minor === '4000' && during.available?.minor === '4750'
  step('A hold of 40.00 reserves money without moving it', isApplied(held) && isReserved, describe('Alice', during))

  const posted = await teller.post(holdId, '2500')
  const after = await teller.balance('alice')
  const isPosted = after.balance.minor === '6250' && after.held.minor === '0'
  step('25.00 of it are posted, and the rest is free again', isApplied(posted) && isPosted, describe('Alice', after))
} // prettier-ignore

async function tellOfRefusal(
  teller: Teller,
  id: string,
  status: Subscription<{ state: string; refusal: { code: string } | null }>,
  step: TellStep,
): Promise<void> {
  const refused = await teller.transfer(id, 'alice', 'bob', '1000000', 'a yacht')
  const [told] = await status.arrived(1)
  const isTold = told?.state === 'REFUSED' && told.refusal?.code === 'insufficient_funds'
  const seen = isRefused(refused) ? `${refused.code}, with ${refused.debitBalance?.available?.major} available` : 'not refused'
  step('Alice cannot send 10000.00: a refusal is data, with its reason and the balance seen', isTold && isRefused(refused) && refused.code === 'insufficient_funds', seen)
} // prettier-ignore

async function tellOfReads(teller: Teller, afterDeposits: string, step: TellStep): Promise<void> {
  const people = ['alice', 'bob', 'shop'] as const
  const now = await Promise.all(people.map((person) => teller.balance(person)))
  const balancesNow = now.map(({ balance }) => balance.minor).join(' ')
  step('Balances now', balancesNow === '6250 6250 2500', people.map((person, index) => `${person} ${now[index]!.balance.major}`).join(', '))

  const then = await Promise.all(people.map((person) => teller.balanceThen(person, afterDeposits)))
  const balancesThen = then.map(({ balance }) => balance.minor).join(' ')
  step('Balances as of a moment ago, right after the deposits', balancesThen === '10000 5000 0', people.map((person, index) => `${person} ${then[index]!.balance.major}`).join(', '))

  const statement = await teller.statement('alice')
  const running = statement.map(({ balance }) => balance.balance.minor).join(' ')
  const lines = statement.map(({ kind, amount, memo, balance }) => `\n      ${kind.padEnd(15)} ${amount.major.padStart(8)}  →  ${balance.balance.major.padStart(8)}  ${memo}`)
  step("Alice's statement, with the balance after each entry", running === '0 10000 8750 8750 6250', lines.join(''))

  const sums = await teller.trialBalance()
  step('All accounts of a currency together sum to zero', sums.length > 0 && sums.every(({ sum }) => sum.minor === '0'), sums.map(({ currency, sum }) => `${currency} ${sum.minor}`).join(', '))
} // prettier-ignore

function isApplied(result: TransferResult): result is Applied {
  return result.__typename === 'TransferApplied'
}

function isRefused(result: TransferResult): result is Refused {
  return result.__typename === 'Refused'
}

function describe(name: string, { balance, held, available }: Balance): string {
  return `${name} has ${balance.major}, of which ${held.major} held, ${available?.major} available`
}
