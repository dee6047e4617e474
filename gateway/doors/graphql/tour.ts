/**
 * The tour that GraphiQL opens with: five tabs, from opening accounts to a subscription. Each document is complete.
 * They run as they are, in this order. Each page has new ids in its variables.
 */

export interface TourTab {
  readonly query: string
  /** JSON of the variables. */
  readonly variables: string
}

const OPEN = `# 1 of 5 · Accounts. Press the button in the middle, or Ctrl-Enter.
#
# Whoever opens an account chooses its id, any UUID: see the variables below.
# The bank is a system account: money enters and leaves there, so that all
# accounts together are always zero.
mutation OpenAccounts($bank: UUID!, $alice: UUID!, $bob: UUID!) {
  bank: openAccount(input: { accountId: $bank, currency: "EUR", system: true, owner: "bank" }) {
    ...Opened
  }
  alice: openAccount(input: { accountId: $alice, currency: "EUR", owner: "Alice" }) {
    ...Opened
  }
  bob: openAccount(input: { accountId: $bob, currency: "EUR", owner: "Bob" }) {
    ...Opened
  }
}

fragment Opened on AccountResult {
  ... on AccountApplied {
    position
    account { id owner status }
  }
  # A refusal is data, and an event: it says why.
  ... on Refused { code message }
}
`

const MOVE = `# 2 of 5 · Money. Amounts are minor units, as text: "10000" is 100.00 EUR.
#
# The id is yours, a UUIDv7 (purser id new). It takes effect at most once, for
# ever: run this again, and the answers say "replayed": nothing moves twice.
mutation MoveMoney(
  $bank: UUID!
  $alice: UUID!
  $bob: UUID!
  $deposit: UUID!
  $lunch: UUID!
  $yacht: UUID!
) {
  deposit: transfer(
    input: { id: $deposit, debitAccountId: $bank, creditAccountId: $alice, amount: "10000", currency: "EUR", memo: "deposit" }
  ) {
    ...Moved
  }
  lunch: transfer(
    input: { id: $lunch, debitAccountId: $alice, creditAccountId: $bob, amount: "1250", currency: "EUR", memo: "lunch" }
  ) {
    ...Moved
  }
  # More than she has: refused, with the balance that was seen.
  yacht: transfer(
    input: { id: $yacht, debitAccountId: $alice, creditAccountId: $bob, amount: "900000000", currency: "EUR", memo: "yacht" }
  ) {
    ...Moved
  }
}

fragment Moved on TransferResult {
  ... on TransferApplied {
    replayed
    position
    transfer { id state amount { major currency } debitBalance { available { major } } }
  }
  ... on Refused {
    code
    message
    debitBalance { available { major } }
  }
}
`

const HOLD = `# 3 of 5 · A hold reserves money now. Later all or part of it is posted,
# or it is voided, or it expires.
mutation HoldAndPost($alice: UUID!, $bob: UUID!, $hold: UUID!, $post: UUID!) {
  placeHold(
    input: { id: $hold, debitAccountId: $alice, creditAccountId: $bob, amount: "2000", currency: "EUR", timeoutSeconds: 3600 }
  ) {
    ... on TransferApplied { transfer { state debitBalance { balance { major } held { major } available { major } } } }
    ... on Refused { code message }
  }
  # 15.00 of the 20.00: the rest is released.
  postHold(input: { id: $post, holdId: $hold, amount: "1500" }) {
    ... on TransferApplied { position transfer { state debitBalance { balance { major } held { major } available { major } } } }
    ... on Refused { code message }
  }
}
`

const READ = `# 4 of 5 · Reads. Each says which position of the log it reflects.
#
# After a write of your own, hand its position over as "after": then the answer
# includes it. Any balance can be read as of a time or position gone by ("at").
query Look($alice: UUID!) {
  balance(accountId: $alice) {
    balance { major currency }
    held { major }
    available { major }
    position
  }
  history(accountId: $alice, first: 10) {
    nodes { kind direction amount { major } memo balance { balance { major } } position }
    pageInfo { hasNextPage endCursor }
  }
  # All accounts together: zero in every currency, at any moment.
  trialBalance { currency sum { minor } }
}
`

const WATCH = `# 5 of 5 · Watch. Leave this running, change the ids of tab 2 and run it there.
#
# A client that comes back subscribes anew with the position of the last entry
# that it has as "after": it misses nothing and sees nothing twice.
subscription Watch($alice: UUID!, $after: Position) {
  accountActivity(accountId: $alice, after: $after) {
    kind
    direction
    amount { major }
    memo
    balance { balance { major } available { major } }
    position
  }
}
`

/** The tabs, each with the names of the ids in its variables. */
const TABS: readonly { readonly query: string; readonly ids: readonly string[] }[] = [
  { query: OPEN, ids: ['bank', 'alice', 'bob'] },
  { query: MOVE, ids: ['bank', 'alice', 'bob', 'deposit', 'lunch', 'yacht'] },
  { query: HOLD, ids: ['alice', 'bob', 'hold', 'post'] },
  { query: READ, ids: ['alice'] },
  { query: WATCH, ids: ['alice'] },
]

/** @param newId makes a UUIDv7 */
export function tourTabs(newId: () => string): readonly TourTab[] {
  const ids = new Map<string, string>()
  const idOf = (name: string): string => {
    const id = ids.get(name) ?? newId()
    ids.set(name, id)
    return id
  }
  return TABS.map(({ query, ids: names }) => ({
    query,
    variables: JSON.stringify(Object.fromEntries(names.map((name) => [name, idOf(name)])), undefined, 2),
  }))
}
