/** An event for tests that look at a few of its fields: a posted transfer that says nothing else. */
import type { Side, WalletEvent } from './events.ts'
import { NIL_ID } from './ids.ts'

/** A side without an account. */
export const NO_SIDE: Side = { number: 0, version: 0n, debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n } // prettier-ignore

export function sampleEvent(fields: Partial<WalletEvent>): WalletEvent {
  return {
    sequence: 1n,
    recordedAtNs: 1n,
    effectiveAtNs: 1n,
    receivedAtNs: 1n,
    kind: 'TransferPosted',
    command: 'Transfer',
    refusal: undefined,
    transferId: NIL_ID,
    relatedId: NIL_ID,
    reference: NIL_ID,
    fingerprint: 0n,
    currency: 'EUR',
    scale: 2,
    amount: 1n,
    expiresAtNs: 0n,
    debit: NO_SIDE,
    credit: NO_SIDE,
    code: 0,
    partition: 0,
    linkIndex: 0,
    memo: '',
    owner: '',
    namedAccounts: '',
    ...fields,
  }
}
