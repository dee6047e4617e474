/** Everything the core knows: what `apply` changes, and nothing else. */
import { Accounts } from './accounts.ts'
import { Currencies } from './currencies.ts'
import { Holds } from './holds.ts'
import { Incoming } from './incoming.ts'
import { Outgoing } from './outgoing.ts'
import { RememberedIds } from './remembered-ids.ts'

/** Words of the clock: sequence and time of the last event, and the earliest time that the next one may carry. */
export const CLOCK = { sequence: 0, recordedAt: 1, nextRecordedAt: 2 } as const

export interface CoreState {
  readonly accounts: Accounts
  readonly currencies: Currencies
  readonly holds: Holds
  readonly outgoing: Outgoing
  readonly incoming: Incoming
  readonly remembered: RememberedIds
  readonly clock: BigInt64Array
}

export function createState(accountsInitial: number, idsPerGeneration: number): CoreState {
  return {
    accounts: new Accounts(accountsInitial),
    currencies: new Currencies(),
    holds: new Holds(),
    outgoing: new Outgoing(),
    incoming: new Incoming(),
    remembered: new RememberedIds(idsPerGeneration),
    clock: new BigInt64Array([0n, 0n, 1n]),
  }
}
