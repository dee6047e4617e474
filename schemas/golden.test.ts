import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { decodeCommands, encodeCommands } from './command-codec.ts'
import { COMMAND_KINDS, type Command } from './commands.ts'
import { encodeEvent } from './encode-event.ts'
import { decodeEvent, EVENT_KINDS, type WalletEvent } from './events.ts'
import { fingerprintOf } from './fingerprint.ts'
import { fromFirstLayout } from './first-layout.ts'
import { REFUSAL_CODES } from './refusals.ts'

/**
 * Bytes that stand in logs and queues for ever. Where one of these tests fails, old logs would be read wrongly: give the
 * format a new version instead, and keep the old one readable.
 */
function golden(name: string): Uint8Array {
  const text = readFileSync(new URL(`testdata/${name}.hex`, import.meta.url), 'utf8')
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}

const POSTED: WalletEvent = {
  sequence: 1042n,
  recordedAtNs: 1_700_000_000_123_456_789n,
  effectiveAtNs: 1_690_000_000_000_000_000n,
  receivedAtNs: 1_700_000_000_120_000_001n,
  kind: 'TransferPosted',
  command: 'Transfer',
  refusal: undefined,
  transferId: { high: 0x018b_cfe5_6800_7abcn, low: 0x8123_4567_89ab_cdefn },
  relatedId: { high: 0n, low: 0n },
  reference: { high: 0x1111_2222_3333_4444n, low: 0x5555_6666_7777_8888n },
  fingerprint: 0xfedc_ba98_7654_3210n,
  currency: 'CZK',
  scale: 2,
  amount: 12_345n,
  expiresAtNs: 0n,
  debit: {
    number: 7,
    version: 19n,
    debitsPosted: 100n,
    debitsPending: 5n,
    creditsPosted: 1_000_000n,
    creditsPending: 0n,
  },
  credit: {
    number: 67_108_863,
    version: 2n ** 40n,
    debitsPosted: 2n ** 62n,
    debitsPending: 1n,
    creditsPosted: 2n ** 63n - 1n,
    creditsPending: 3n,
  },
  code: 4_000_000_000,
  partition: 1023,
  linkIndex: 64,
  memo: '',
  owner: '',
  namedAccounts: '',
}
const REFUSED: WalletEvent = {
  ...POSTED,
  kind: 'TransferRefused',
  command: 'PlaceHold',
  refusal: 'insufficient_funds',
  expiresAtNs: 1_700_000_600_000_000_000n,
  memo: 'příspěvek na oběd '.repeat(9),
  owner: 'owner',
  namedAccounts: '018bcfe5-6800-7abc-8123-456789abcdef,',
}
const COMMANDS: readonly Command[] = [
  {
    kind: 'Transfer',
    id: POSTED.transferId,
    debit: { high: 1n, low: 2n },
    credit: { high: 3n, low: 4n },
    related: { high: 5n, low: 6n },
    amount: 12_345n,
    effectiveAtNs: 1_690_000_000_000_000_000n,
    timeoutNs: 60_000_000_000n,
    receivedAtNs: 1_700_000_000_120_000_001n,
    currency: 'CZK',
    scale: 2,
    code: 4_000_000_000,
    reference: POSTED.reference,
    checkedSequence: 77n,
    linked: true,
    system: false,
    memo: '',
    owner: '',
  },
  {
    kind: 'OpenAccount',
    id: { high: 0x018b_cfe5_6800_7000n, low: 0x8000_0000_0000_0001n },
    debit: { high: 2n ** 64n - 1n, low: 9n },
    system: true,
    receivedAtNs: 1n,
    currency: 'USDC2022',
    scale: 18,
    code: 0,
    checkedSequence: 0n,
    linked: false,
    memo: 'ž'.repeat(100),
    owner: 'o'.repeat(128),
  },
]

it('an event row without text has the bytes it always had', () => {
  const bytes = golden('event-posted')
  expect(bytes).toHaveLength(216)
  expect(encodeEvent(POSTED)).toEqual(bytes)
  expect(decodeEvent(bytes, 0)).toEqual(POSTED)
})

it('an event row with text has the bytes it always had', () => {
  const bytes = golden('event-refused')
  expect(encodeEvent(REFUSED)).toEqual(bytes)
  expect(decodeEvent(bytes, 0)).toEqual(REFUSED)
})

it('command slots have the bytes that they have had since what is given has flags', () => {
  const bytes = golden('commands-flagged')
  expect(encodeCommands(COMMANDS)).toEqual(bytes)
  expect(decodeCommands(bytes)).toEqual(COMMANDS)
})

it('command slots of the first layout are read as they were meant', () => {
  const bytes = golden('commands')
  fromFirstLayout(bytes, 2)
  expect(bytes).toEqual(golden('commands-flagged'))
})

it('a command’s fingerprint is what it always was: repeats would look like other bodies otherwise', () => {
  const fingerprints = COMMANDS.map((command) => fingerprintOf(encodeCommands([command])).toString(16))
  expect(fingerprints).toEqual(['db0a6dd2740bfb8b', '27938e8bf251fe7'])
})

it('numbers of kinds and refusals stay what they are; new ones may be added here', () => {
  expect(EVENT_KINDS).toEqual({
    AccountOpened: 1,
    AccountFrozen: 2,
    AccountUnfrozen: 3,
    AccountClosed: 4,
    AccountRefused: 5,
    AccountChanged: 6,
    TransferPosted: 10,
    HoldPlaced: 11,
    HoldPosted: 12,
    HoldVoided: 13,
    HoldExpired: 14,
    TransferReversed: 15,
    TransferRefused: 16,
    HoldPostedInPart: 17,
    TransferReversedInPart: 18,
    TransferReversedByForce: 19,
    TransferReserved: 20,
    TransferConfirmed: 21,
    TransferCancelled: 22,
    TransferDebited: 23,
    TransferRecalled: 24,
    TransferCompensated: 25,
    TransferCompleted: 26,
    CancelAcknowledged: 27,
    TransferReminded: 28,
    CreditReserved: 30,
    CreditRefused: 31,
    TransferCredited: 32,
    CreditCancelled: 33,
    StepAnswered: 34,
    HoldReserved: 35,
    HoldConfirmed: 36,
    HoldDrawn: 37,
    HoldReleased: 38,
    ReleaseCompleted: 39,
    CreditDrawn: 41,
    IdsForgotten: 50,
    IdClaimed: 40,
  })
  expect(COMMAND_KINDS).toEqual({
    OpenAccount: 1,
    FreezeAccount: 2,
    UnfreezeAccount: 3,
    CloseAccount: 4,
    Transfer: 5,
    PlaceHold: 6,
    PostHold: 7,
    VoidHold: 8,
    ExpireHold: 9,
    ReverseTransfer: 10,
    TryCredit: 11,
    ConfirmTransfer: 12,
    CancelTransfer: 13,
    CreditTransfer: 14,
    CancelCredit: 15,
    CompleteTransfer: 16,
    TimeStep: 17,
    DrawCredit: 19,
    ClaimId: 18,
    ChangeAccount: 21,
  })
  expect(REFUSAL_CODES).toEqual(
    JSON.parse(readFileSync(new URL('testdata/refusals.json', import.meta.url), 'utf8')),
  )
})
