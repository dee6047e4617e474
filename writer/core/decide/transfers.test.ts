import { describe, expect, it } from 'vitest'
import { expiryOf, leftOf } from '../../../schemas/event-left.ts'
import { formatId } from '../../../schemas/ids.ts'
import { REFUSAL_CODES, type Refusal } from '../../../schemas/refusals.ts'
import { Story } from '../story.testing.ts'

/** Cash may go below zero without end; the others not, or to a limit. */
const GIVEN = [
  ['open cash CZK/2 overdraft none', 'AccountOpened'],
  ['open alice CZK/2', 'AccountOpened'],
  ['open bob CZK/2 overdraft 50', 'AccountOpened'],
  ['open eve EUR/2', 'AccountOpened'],
  ['open vault EUR/2 overdraft none', 'AccountOpened'],
  ['transfer #in cash alice 100', 'TransferPosted cash=-100 alice=100'],
] as const

type Rows = readonly (readonly [command: string, outcome: string])[]

/** Each table: what is done, one command a row, and what comes of it. */
const tables: readonly (readonly [law: string, rows: Rows])[] = [
  ['a transfer moves money, and only what is available', [
    ['transfer #1 alice bob 60', 'TransferPosted alice=40 bob=60'],
    ['transfer #2 alice bob 41', 'insufficient_funds alice=40 bob=60'],
    ['transfer #3 alice bob 40', 'TransferPosted alice=0 bob=100'],
    ['transfer #4 bob alice 151', 'insufficient_funds bob=100'],
    ['transfer #5 bob alice 150', 'TransferPosted bob=-50 alice=150'],
  ]],
  ['a transfer names two accounts that exist, in one currency, and a positive amount', [
    ['transfer #1 alice bob 0', 'amount_invalid'],
    ['transfer #2 alice bob -1', 'amount_invalid'],
    ['transfer #3 alice alice 1', 'same_account'],
    ['transfer #4 nobody bob 1', 'debit_account_not_found'],
    ['transfer #5 alice nobody 1', 'credit_account_not_found'],
    ['transfer #6 alice eve 1', 'currency_mismatch'],
    ['transfer #7 alice bob 1 in EUR', 'currency_mismatch'],
    ['transfer #8 alice bob 1 in CZK', 'TransferPosted alice=99 bob=1'],
  ]],
  ['an id takes effect once, and a refused one stays refused', [
    ['transfer #1 alice bob 200', 'insufficient_funds'],
    ['transfer #2 cash alice 500', 'TransferPosted alice=600'],
    ['transfer #1 alice bob 200', 'none alice=600'],
    ['transfer #2 cash alice 500', 'none alice=600'],
    ['transfer #2 cash bob 1', 'none bob=0'],
    ['freeze bob by #2', 'none'],
  ]],
  ['a frozen account neither pays nor is paid, and can be unfrozen', [
    ['freeze alice', 'AccountFrozen'],
    ['freeze alice', 'account_already_frozen'],
    ['transfer #1 alice bob 1', 'debit_account_frozen'],
    ['transfer #2 cash alice 1', 'credit_account_frozen'],
    ['unfreeze alice', 'AccountUnfrozen'],
    ['unfreeze alice', 'account_not_frozen'],
    ['transfer #3 alice bob 1', 'TransferPosted alice=99'],
  ]],
  ['an account is closed when it is empty, frozen or not, and then for good', [
    ['close alice', 'account_not_empty'],
    ['transfer #1 alice bob 100', 'TransferPosted alice=0'],
    ['freeze alice', 'AccountFrozen'],
    ['close alice', 'AccountClosed'],
    ['close alice', 'account_already_closed'],
    ['freeze alice', 'account_already_closed'],
    ['unfreeze alice', 'account_already_closed'],
    ['transfer #2 alice bob 1', 'debit_account_closed'],
    ['transfer #3 bob alice 1', 'credit_account_closed'],
    ['open alice CZK/2', 'account_exists'],
    ['close nobody', 'account_not_found'],
  ]],
  ['an overdraft limit can be changed, to no less than what is drawn and held', [
    ['change bob overdraft 49', 'AccountChanged'],
    ['transfer #1 bob alice 50', 'insufficient_funds bob=0'],
    ['change bob overdraft 80', 'AccountChanged bob=0'],
    ['transfer #2 bob alice 50', 'TransferPosted bob=-50'],
    ['hold #h bob alice 20', 'HoldPlaced bob=-50-20'],
    ['change bob overdraft 69', 'overdraft_in_use'],
    ['change bob overdraft 70', 'AccountChanged bob=-50-20'],
    ['transfer #3 bob alice 1', 'insufficient_funds'],
    ['void #4 #h', 'HoldVoided bob=-50'],
    ['change bob overdraft 50 owner robert', 'AccountChanged bob=-50'],
    ['change bob overdraft -1', 'amount_invalid'],
    ['change bob overdraft 9223372036854775807', 'AccountChanged'],
    ['transfer #5 bob alice 1000', 'TransferPosted bob=-1050'],
  ]],
  ['a change of the owner leaves the limit, and a system account has none', [
    ['change bob owner robert', 'AccountChanged'],
    ['transfer #1 bob alice 50', 'TransferPosted bob=-50'],
    ['change cash owner mint', 'AccountChanged'],
    ['transfer #2 cash alice 50', 'TransferPosted cash=-150'],
    ['change cash overdraft 1000', 'account_is_system'],
    ['freeze bob', 'AccountFrozen'],
    ['change bob overdraft 60', 'AccountChanged'],
    ['transfer #3 bob alice 1', 'debit_account_frozen'],
    ['change nobody overdraft 1', 'account_not_found'],
    ['open joe CZK/2', 'AccountOpened'],
    ['close joe', 'AccountClosed'],
    ['change joe owner jim', 'account_already_closed'],
  ]],
  ['a currency keeps the scale of its first account', [
    ['open joe CZK/0', 'currency_scale_mismatch'],
    ['open joe JPY/0', 'AccountOpened'],
    ['open jane JPY/0', 'AccountOpened'],
    ['open jack CZK/2 overdraft -1', 'amount_invalid'],
  ]],
  ['a hold reserves, and posting a part releases the rest', [
    ['hold #h alice bob 70', 'HoldPlaced alice=100-70 bob=0'],
    ['transfer #1 alice bob 31', 'insufficient_funds alice=100-70'],
    ['close bob', 'account_not_empty'],
    ['post #2 #h 71', 'amount_exceeds_hold'],
    ['post #3 #h -1', 'amount_invalid'],
    ['post #30 #h 0', 'amount_invalid'],
    ['post #4 #h 20', 'HoldPosted alice=80 bob=20'],
    ['post #5 #h 20', 'hold_not_open'],
    ['void #6 #h', 'hold_not_open'],
    ['post #7 #in 1', 'hold_not_open'],
  ]],
  ['a hold is posted in several parts, together at most the hold; the last one closes it', [
    ['hold #h alice bob 70 for 1000', 'HoldPlaced alice=100-70'],
    ['post #1 #h 20 keep-open', 'HoldPostedInPart alice=80-50 bob=20'],
    ['post #2 #h 51 keep-open', 'amount_exceeds_hold alice=80-50'],
    ['transfer #3 alice bob 31', 'insufficient_funds'],
    ['post #4 #h 15 keep-open', 'HoldPostedInPart alice=65-35 bob=35'],
    ['post #5 #h 10', 'HoldPosted alice=55 bob=45'],
    ['post #6 #h 1 keep-open', 'hold_not_open'],
    ['hold #i alice bob 30', 'HoldPlaced alice=55-30'],
    ['post #7 #i 10 keep-open', 'HoldPostedInPart alice=45-20'],
    ['post #8 #i 20 keep-open', 'HoldPosted alice=25 bob=75'],
  ]],
  ['what is left behind the parts of a hold is released by its voiding, and by its expiry', [
    ['hold #h alice bob 70', 'HoldPlaced alice=100-70'],
    ['post #1 #h 20 keep-open', 'HoldPostedInPart alice=80-50'],
    ['void #2 #h', 'HoldVoided alice=80 bob=20'],
    ['hold #i alice bob 70 for 1000', 'HoldPlaced alice=80-70'],
    ['post #3 #i 20 keep-open', 'HoldPostedInPart alice=60-50'],
    ['wait 2000', 'HoldExpired alice=60 bob=40'],
    ['post #4 #i 1', 'hold_not_open'],
  ]],
  ['parts of a hold happen within a linked group, or none of them does', [
    ['hold #h alice bob 70', 'HoldPlaced'],
    ['post #1 #h 20 keep-open linked', 'HoldPostedInPart link 1'],
    ['post #2 #h 20 keep-open linked', 'HoldPostedInPart link 2'],
    ['hold #i alice bob 10 linked', 'HoldPlaced link 3'],
    ['post #3 #i 4 keep-open', 'HoldPostedInPart link 4 alice=56-36 bob=44'],
    ['post #4 #h 10 keep-open linked', 'linked_failed'],
    ['post #5 #i linked', 'linked_failed'],
    ['hold #j alice bob 9 linked', 'linked_failed'],
    ['post #6 #j 5 keep-open linked', 'linked_failed'],
    ['post #7 #h 21', 'amount_exceeds_hold alice=56-36 bob=44'],
    ['post #8 #h 30', 'HoldPosted alice=26-6'],
    ['post #9 #i 6', 'HoldPosted alice=20 bob=80'],
  ]],
  ['posting nothing in particular posts all', [
    ['hold #h alice bob 70', 'HoldPlaced alice=100-70'],
    ['post #1 #h', 'HoldPosted alice=30 bob=70'],
  ]],
  ['a hold is voided even between frozen accounts, but not posted', [
    ['hold #h alice bob 70', 'HoldPlaced alice=100-70'],
    ['freeze bob', 'AccountFrozen'],
    ['post #1 #h 1', 'credit_account_frozen'],
    ['freeze alice', 'AccountFrozen'],
    ['post #2 #h 1', 'debit_account_frozen'],
    ['void #3 #h', 'HoldVoided alice=100 bob=0'],
  ]],
  ['a hold expires at its deadline and not before, whatever is frozen', [
    ['hold #h alice bob 70 for 1000', 'HoldPlaced alice=100-70'],
    ['hold #i alice bob 30 for 1000', 'HoldPlaced alice=100-100'],
    ['wait 999', ''],
    ['post #1 #h 10', 'HoldPosted alice=90-30'],
    ['freeze alice', 'AccountFrozen'],
    ['wait 1001', 'HoldExpired alice=90'],
    ['post #2 #i 1', 'hold_not_open'],
    ['void #3 #i', 'hold_not_open'],
  ]],
  ['a transfer is reversed once, and not without funds', [
    ['transfer #1 alice bob 60', 'TransferPosted alice=40 bob=60'],
    ['transfer #2 bob cash 30', 'TransferPosted bob=30'],
    ['reverse #3 #1 bob alice 100', 'insufficient_funds'],
    ['reverse #4 #1 bob alice 60', 'TransferReversed alice=100 bob=-30'],
    ['reverse #5 #1 bob alice 60', 'already_reversed'],
    ['reverse #6 #2 cash bob 30', 'TransferReversed bob=0'],
  ]],
  ['a condition on an account is judged right before the command, and last of all', [
    ['transfer #1 alice bob 10 debit-version 2', 'TransferPosted alice=90 bob=10'],
    ['transfer #2 alice bob 10 debit-version 2', 'condition_failed alice=90'],
    ['transfer #3 alice bob 10 debit-version 3 credit-version 2', 'TransferPosted alice=80'],
    ['transfer #4 alice bob 10 credit-version 2', 'condition_failed'],
    ['transfer #5 alice bob 10 debit-has 80', 'TransferPosted alice=70'],
    ['transfer #6 alice bob 10 debit-has 71', 'condition_failed'],
    ['transfer #7 alice bob 71 debit-has 71', 'insufficient_funds'],
    ['transfer #8 alice bob 10 credit-has 80', 'TransferPosted bob=40'],
    ['transfer #9 alice bob 10 credit-has 91', 'condition_failed bob=40'],
    ['transfer #10 cash bob 1 debit-has 9223372036854775807', 'TransferPosted bob=41'],
    ['hold #h alice bob 20 debit-has 61', 'condition_failed'],
    ['hold #i alice bob 20 debit-has 60', 'HoldPlaced alice=60-20'],
    ['post #11 #i 5 debit-has 41', 'condition_failed alice=60-20'],
    ['void #12 #i credit-version 1', 'condition_failed'],
    ['post #13 #j 5 debit-has 41', 'hold_not_open'],
    ['post #14 #i 5 debit-has 40', 'HoldPosted alice=55'],
    ['reverse #15 #1 bob alice 10 debit-has 1000', 'condition_failed'],
    ['reverse #16 #1 bob alice 10 credit-has 55', 'TransferReversed alice=65'],
  ]],
  ['within a linked group a condition sees what the members before it have left', [
    ['transfer #1 alice bob 60 linked', 'TransferPosted'],
    ['transfer #2 bob alice 10 debit-has 110 credit-version 3', 'TransferPosted alice=50'],
    ['transfer #3 alice bob 10 linked', 'linked_failed'],
    ['transfer #4 alice bob 10 debit-has 50', 'condition_failed alice=50'],
  ]],
  ['a transfer is reversed in parts, together at most the transfer', [
    ['transfer #1 alice bob 60', 'TransferPosted alice=40 bob=60'],
    ['reverse #2 #1 bob alice 20 left 60', 'TransferReversedInPart alice=60 bob=40'],
    ['reverse #3 #1 bob alice 41 left 40', 'amount_exceeds_transfer alice=60'],
    ['reverse #4 #1 bob alice 5 left 40', 'TransferReversedInPart alice=65'],
    ['reverse #5 #1 bob alice 35 left 35', 'TransferReversed alice=100 bob=0'],
    ['reverse #6 #1 bob alice 1 left 35', 'already_reversed'],
    ['reverse #7 #in alice cash 0 left 100', 'amount_invalid'],
  ]],
  ['a part that was reversed behind the check of another lets neither count too much', [
    ['transfer #1 alice bob 60', 'TransferPosted'],
    ['reverse #2 #1 bob alice 20 left 60', 'TransferReversedInPart bob=40'],
    ['reverse #3 #1 bob alice 50 left 60', 'reversal_unchecked bob=40'],
    ['reverse #4 #1 bob alice 60 left 60', 'reversal_unchecked bob=40'],
    ['reverse #5 #1 bob alice 10 left 40 linked', 'linked_failed'],
    ['reverse #6 #1 bob alice 30 left 40', 'reversal_unchecked bob=40'],
    ['reverse #7 #1 bob alice 40 left 40 linked', 'linked_failed'],
    ['reverse #8 #1 bob alice 30 left 40', 'already_reversed bob=40'],
    ['reverse #9 #1 bob alice 40 left 40', 'TransferReversed bob=0'],
  ]],
  ['a reversal by force takes what the receiver has spent, into his overdraft and beyond, and says so', [
    ['transfer #1 alice bob 60', 'TransferPosted alice=40 bob=60'],
    ['transfer #2 bob cash 100', 'TransferPosted bob=-40'],
    ['reverse #3 #1 bob alice 20 left 60', 'insufficient_funds'],
    ['reverse #4 #1 bob alice 10 left 60 force', 'TransferReversedInPart bob=-50'],
    ['reverse #5 #1 bob alice 20 left 50 force', 'TransferReversedByForce bob=-70 alice=70'],
    ['reverse #6 #1 bob alice 31 left 30 force', 'amount_exceeds_transfer'],
    ['transfer #7 bob alice 1', 'insufficient_funds'],
    ['change bob overdraft 60', 'overdraft_in_use'],
    ['reverse #8 #1 bob alice 30 left 30 force', 'TransferReversedByForce bob=-100 alice=100'],
    ['reverse #9 #1 bob alice 30 left 30 force', 'already_reversed'],
    ['transfer #10 cash bob 60', 'TransferPosted bob=-40'],
    ['transfer #11 bob alice 10', 'TransferPosted bob=-50'],
  ]],
  ['linked transfers all happen', [
    ['transfer #1 alice bob 100 linked', 'TransferPosted link 1'],
    ['hold #2 bob alice 150 linked', 'HoldPlaced link 2'],
    ['post #3 #2', 'HoldPosted link 3 alice=150 bob=-50'],
    ['transfer #4 cash alice 1', 'TransferPosted alice=151'],
  ]],
  ['or none of them does, and each id is spent', [
    ['hold #h alice bob 10', 'HoldPlaced alice=100-10'],
    ['transfer #1 alice bob 80 linked', 'linked_failed link 1'],
    ['void #2 #h linked', 'linked_failed link 2'],
    ['hold #3 bob alice 100 linked', 'linked_failed link 3'],
    ['transfer #4 alice bob 80 linked', 'insufficient_funds link 4'],
    ['transfer #5 cash alice 1', 'linked_failed link 5 alice=100-10 bob=0'],
    ['transfer #1 alice bob 80', 'none'],
    ['post #6 #h', 'HoldPosted alice=90 bob=10'],
    ['post #7 #3', 'hold_not_open'],
  ]],
  ['a linked group whose ids were all seen before makes no event, and one with some of them fails', [
    ['transfer #1 alice bob 1 linked', 'TransferPosted'],
    ['transfer #2 alice bob 1', 'TransferPosted alice=98'],
    ['transfer #1 alice bob 1 linked', 'none'],
    ['transfer #2 alice bob 1', 'none alice=98'],
    ['transfer #2 alice bob 1 linked', 'none'],
    ['transfer #3 alice bob 1', 'linked_failed link 2 alice=98'],
    ['transfer #4 alice bob 1 linked', 'linked_failed link 1'],
    ['transfer #4 alice bob 1', 'none alice=98'],
  ]],
  ['within a linked group, too, a transfer is reversed once', [
    ['transfer #1 alice bob 60', 'TransferPosted'],
    ['reverse #2 #1 bob alice 60 linked', 'linked_failed'],
    ['reverse #3 #1 cash bob 60', 'already_reversed alice=40'],
    ['reverse #4 #1 bob alice 60', 'TransferReversed alice=100'],
  ]],
  ['an account command is never part of a linked group', [
    ['freeze alice linked', 'AccountFrozen'],
    ['unfreeze alice', 'AccountUnfrozen'],
    ['transfer #1 alice bob 1 linked', 'linked_too_long'],
    ['transfer #2 alice bob 1 linked', 'linked_too_long'],
    ['freeze alice', 'AccountFrozen alice=100'],
  ]],
  ['a total does not leave 64 bits, and what is held can always be posted', [
    ['transfer #1 vault eve 9223372036854775806', 'TransferPosted eve=9223372036854775806'],
    ['transfer #2 vault eve 2', 'balance_overflow'],
    ['hold #3 vault eve 2', 'balance_overflow'],
    ['hold #4 vault eve 1', 'HoldPlaced'],
    ['transfer #5 vault eve 1', 'balance_overflow'],
    ['transfer #6 eve vault 9223372036854775807', 'insufficient_funds'],
    ['post #7 #4', 'HoldPosted eve=9223372036854775807'],
    ['transfer #8 eve vault 9223372036854775807', 'TransferPosted eve=0 vault=0'],
  ]],
] // prettier-ignore

describe('given cash, alice with 100, bob with an overdraft of 50, and accounts in another currency', () => {
  it.each(tables)('%s', (_law, rows) => {
    const story = new Story()
    expect(story.play(GIVEN)).toEqual(GIVEN)
    expect(story.play(rows)).toEqual(rows)
    expect(story.replayed()).toEqual([])
    for (const [, sum] of story.harness.core.trialBalance()) expect(sum).toBe(0n)
  })

  it('a full partition refuses accounts and holds', () => {
    const story = new Story({ accountsMax: 3, holdsMax: 1 })
    const rows: Rows = [
      ...GIVEN.slice(0, 3),
      ['open one-more CZK/2', 'accounts_full'],
      ['transfer #1 cash alice 5', 'TransferPosted'],
      ['hold #2 alice bob 1', 'HoldPlaced'],
      ['hold #3 alice bob 1', 'too_many_holds'],
      ['void #4 #2', 'HoldVoided'],
      ['hold #5 alice bob 1', 'HoldPlaced'],
    ]
    expect(story.play(rows)).toEqual(rows)
  })

  it('a group of 64 transfers happens, one of 65 is refused whole', () => {
    const group = (from: number, count: number, outcome: string): Rows =>
      Array.from({ length: count }, (_, index) => [
        `transfer #${from + index} cash alice 1${index < count - 1 ? ' linked' : ''}`,
        `${outcome} link ${index + 1}`,
      ])
    const story = new Story()
    story.play(GIVEN)
    const rows = [...group(1, 64, 'TransferPosted'), ...group(100, 65, 'linked_too_long')]
    expect(story.play(rows)).toEqual(rows)
    expect(story.play([['transfer #200 alice cash 164', 'TransferPosted alice=0']])).toHaveLength(1)
    expect(story.replayed()).toEqual([])
  })
})

/**
 * Each row breaks every rule from its own on that one transfer can break at a time; whichever is checked first is the
 * answer. Mending them one by one therefore walks down the list.
 */
describe('refusals are checked in the order of their list', () => {
  const WALK: Rows = [
    ['transfer #1 alice alice 0 in EUR', 'amount_invalid'],
    ['reverse #16 #1 nobody nobody 999 left 998', 'amount_exceeds_transfer'],
    ['transfer #2 nobody nobody 999 in EUR', 'same_account'],
    ['transfer #3 nobody nobody2 999 in EUR', 'debit_account_not_found'],
    ['transfer #4 shut nobody 999 in EUR', 'credit_account_not_found'],
    ['transfer #5 shut gone 999 in EUR', 'debit_account_closed'],
    ['transfer #6 iced gone 999 in EUR', 'credit_account_closed'],
    ['transfer #7 iced cold 999 in EUR', 'debit_account_frozen'],
    ['transfer #8 alice cold 999 in EUR', 'credit_account_frozen'],
    ['reverse #9 #in alice eve 999', 'currency_mismatch'],
    ['reverse #10 #in alice bob 999', 'already_reversed'],
    ['reverse #11 #1 alice bob 999', 'insufficient_funds'],
    ['transfer #12 bob alice 9223372036854775807', 'insufficient_funds'],
    ['hold #13 cash alice 9223372036854775807', 'balance_overflow'],
    ['hold #14 cash alice 1 debit-version 1', 'too_many_holds'],
    ['transfer #15 cash alice 1 debit-version 1', 'condition_failed'],
  ]

  it('from the first reason that holds to the last', () => {
    const story = new Story({ holdsMax: 0 })
    story.play([
      ...GIVEN,
      ['open shut CZK/2', ''], ['close shut', ''], ['open gone CZK/2', ''], ['close gone', ''],
      ['open iced CZK/2', ''], ['freeze iced', ''], ['open cold CZK/2', ''], ['freeze cold', ''],
      ['reverse #r #in alice cash 1', 'TransferReversed'],
    ]) // prettier-ignore
    expect(story.play(WALK)).toEqual(WALK)
    const numbers = WALK.map(([, outcome]) => REFUSAL_CODES[outcome as Refusal])
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  })
})

describe('the event of a change', () => {
  it('says the limit from then on, given or not, and a new owner where there is one', () => {
    const story = new Story()
    story.play(GIVEN)
    const of = (text: string) => story.submit([text])[0]
    expect(of('change bob overdraft 7')).toMatchObject({
      amount: 7n,
      owner: '',
      relatedId: story.account('bob'),
    })
    expect(of('change bob owner robert')).toMatchObject({
      amount: 7n,
      owner: 'robert',
      debit: { version: 3n },
    })
    expect(of('change cash owner mint')).toMatchObject({ amount: -1n, owner: 'mint' })
    expect(of('change cash overdraft 9')).toMatchObject({ kind: 'AccountRefused', amount: 9n })
  })
})

describe('the event of a part of a hold', () => {
  it('says what was posted and what stays held; what ends the hold says what was left of it', () => {
    const story = new Story()
    story.play([...GIVEN, ['hold #h alice bob 70', '']])
    const of = (text: string) => story.submit([text])[0]!
    const part = of('post #1 #h 20 keep-open')
    expect(part).toMatchObject({ kind: 'HoldPostedInPart', amount: 20n, relatedId: story.id('#h') })
    expect([leftOf(part), expiryOf(part)]).toEqual([50n, undefined])
    const end = of('void #2 #h')
    expect(end).toMatchObject({ kind: 'HoldVoided', amount: 50n })
    expect(leftOf(end)).toBe(undefined)
  })
})

describe('the event of a refusal', () => {
  it('says what was asked, what was seen, and which accounts there are none of', () => {
    const story = new Story()
    story.play(GIVEN)
    const [event] = story.submit(['transfer #1 alice nobody 7 in EUR memo rent'])
    const [both] = story.submit(['transfer #2 nobody nobody2 7'])
    const nobody = formatId(story.account('nobody'))
    expect(event).toMatchObject({
      kind: 'TransferRefused', command: 'Transfer', refusal: 'credit_account_not_found', amount: 7n, currency: 'EUR',
      scale: 2, memo: 'rent', namedAccounts: `,${nobody}`,
      debit: { number: 2, version: 2n, creditsPosted: 100n }, credit: { number: 0, version: 0n },
    }) // prettier-ignore
    expect(both).toMatchObject({
      debit: { number: 0 },
      namedAccounts: `${nobody},${formatId(story.account('nobody2'))}`,
    })
    const [refused] = story.submit(['close alice'])
    expect(refused).toMatchObject({
      kind: 'AccountRefused',
      relatedId: story.account('alice'),
      debit: { number: 2, version: 2n },
    })
  })
})
