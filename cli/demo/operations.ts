/** The GraphQL operations of the demo, as an app would write them. */

const BALANCE = 'balance { major minor } held { major minor } available { major minor }'
const REFUSED = `... on Refused { code message replayed position debitBalance { ${BALANCE} } }`
const TRANSFER_RESULT = `__typename ... on TransferApplied { position replayed transfer { id state postedAmount { major } } } ${REFUSED}`

export const OPEN_ACCOUNT = `mutation Open($input: OpenAccountInput!) {
  openAccount(input: $input) { __typename ... on AccountApplied { position account { id } } ${REFUSED} } }`
export const PARTITION = `query Partition($id: UUID!, $after: Position) {
  audit(filter: { accountId: $id }, after: $after, first: 1) { events { partition } } }`
export const TRANSFER = `mutation Transfer($input: TransferInput!) { result: transfer(input: $input) { ${TRANSFER_RESULT} } }`
export const PLACE_HOLD = `mutation Hold($input: PlaceHoldInput!) { result: placeHold(input: $input) { ${TRANSFER_RESULT} } }`
export const POST_HOLD = `mutation Post($input: PostHoldInput!) { result: postHold(input: $input) { ${TRANSFER_RESULT} } }`
export const BALANCE_NOW = `query Now($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { ${BALANCE} } }`
export const BALANCE_THEN = `query Then($id: UUID!, $then: Position!) { balance(accountId: $id, at: { position: $then }) { ${BALANCE} } }`
export const STATEMENT = `query Statement($id: UUID!, $after: Position) {
  history(accountId: $id, first: 50, afterPosition: $after) {
    nodes { kind direction amount { major } memo balance { ${BALANCE} } } } }`
export const TRIAL_BALANCE = `query Trial($after: Position) { trialBalance(after: $after) { currency sum { minor } } }`
export const ACTIVITY = `subscription Activity($id: UUID!) {
  accountActivity(accountId: $id) { kind transferId balance { ${BALANCE} } } }`
export const STATUS = `subscription Status($id: UUID!) { transferStatus(id: $id) { state refusal { code } } }`

export interface Amount {
  readonly major: string
  readonly minor: string
}
export interface Balance {
  readonly balance: Amount
  readonly held: Amount
  readonly available: Amount | null
}
export interface Entry {
  readonly kind: string
  readonly direction: 'DEBIT' | 'CREDIT'
  readonly amount: Amount
  readonly memo: string
  readonly balance: Balance
}

/** What a mutation answers: the outcome or a refusal, as the union has it. */
export type TransferResult =
  | {
      readonly __typename: 'TransferApplied'
      readonly position: string
      readonly replayed: boolean
      readonly transfer: { readonly id: string; readonly state: string }
    }
  | {
      readonly __typename: 'Refused'
      readonly code: string
      readonly message: string
      readonly replayed: boolean
      readonly position: string
      readonly debitBalance: Balance | null
    }
