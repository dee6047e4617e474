import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sequenceOf, inAccountsOf, inHistory, ownerTag, DeploymentTokens } from './deployment-tokens.ts'
import {
  encodeCursor,
  encodePosition,
  readCursor,
  readPosition,
  type CursorToken,
  type CursorKey,
  type PositionToken,
} from './tokens.ts'
import { READERS } from '../commands/values.ts'

const hex = fc.stringMatching(/^[0-9a-f]{12}$/)
const sequence = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const partition = fc.nat(1_023)
const account = fc.nat(0xffff_ffff)
const position = fc.uniqueArray(fc.tuple(partition, sequence), {
  minLength: 1,
  maxLength: 6,
  selector: ([one]) => one,
})
const place: fc.Arbitrary<CursorKey> = fc.oneof(
  fc.record({ list: fc.constant('history' as const), partition, account, sequence }),
  fc.record({ list: fc.constant('accounts' as const), partition, account, sequence, owner: hex }),
)
const deployment = fc.option(hex, { nil: undefined })

test('tokens come back as what they were made of, and neither is taken for the other', () => {
  fc.assert(
    fc.property(position, place, deployment, (entries, one, own) => {
      const token = encodePosition(new Map(entries), own)
      expect(readPosition(token)).toEqual({ value: { position: new Map(entries), deployment: own } })
      expect(readCursor(token)).toHaveProperty('wrong')
      const cursor = encodeCursor(one, own)
      expect(readCursor(cursor)).toEqual({ value: { key: one, deployment: own } })
      expect(readPosition(cursor)).toHaveProperty('wrong')
    }),
  )
})

test('of a token that was changed nothing else is read under another text, so that clients may compare texts', () => {
  const character = fc.constantFrom(
    ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .:',
  )
  fc.assert(
    fc.property(
      position,
      place,
      deployment,
      fc.nat(),
      character,
      fc.constantFrom('put', 'insert', 'cut'),
      (entries, one, own, at, letter, how) => {
        for (const token of [encodePosition(new Map(entries), own), encodeCursor(one, own)]) {
          const index = at % token.length
          const rest = token.slice(how === 'insert' ? index : index + 1)
          const changed = token.slice(0, index) + (how === 'cut' ? '' : letter) + rest
          const asPosition = readPosition(changed)
          if ('value' in asPosition)
            expect(encodePosition(asPosition.value.position, asPosition.value.deployment)).toBe(changed)
          const asCursor = readCursor(changed)
          if ('value' in asCursor)
            expect(encodeCursor(asCursor.value.key, asCursor.value.deployment)).toBe(changed)
        }
      },
    ),
  )
})

const based = (text: string): string => Buffer.from(text).toString('base64url')

test.each([
  ['the form inside', '0:1042'],
  ['leading zeros', `p1_${based('0:042')}`],
  ['partitions in another order', `p1_${based('1:4,0:3')}`],
  ['a partition twice', `p1_${based('0:3,0:4')}`],
  ['a partition beyond all', `p1_${based('1024:3')}`],
  ['padding', `p1_${Buffer.from('0:1042').toString('base64')}==`],
  ['stray bits at the end', `p1_${based('0:10').replace(/.$/, 'B')}`],
  ['a later version', `p3_${based('0:1042')}`],
  ['a deployment that is none', `p2_${based('nowhere/0:1042')}`],
  ['no deployment in the form that has one', `p2_${based('0:1042')}`],
  ['empty', ''],
  ['a prefix alone', 'p2_'],
  ['other case', `P1_${based('0:1042')}`],
  ['a space behind', `p1_${based('0:1042')} `],
  ['a negative sequence', `p1_${based('0:-1')}`],
  ['longer than any', `p1_${'A'.repeat(100_000)}`],
])('no position: %s', (_what, text) => {
  const reading = READERS.Position(text)
  expect('wrong' in reading && reading.wrong).toMatch(/^This is no position\. /)
})

test('a cursor of an earlier version is told from garbage: the list has to be read again', () => {
  expect((readCursor(`c1_${based('0:42')}`) as { wrong: string }).wrong).toContain('earlier version')
  expect((readCursor('garbage') as { wrong: string }).wrong).toContain('no cursor')
  for (const raw of [5, null, undefined, true, {}, []])
    for (const type of ['Position', 'Cursor'] as const) expect(READERS[type](raw)).toHaveProperty('wrong')
})

const OWN = 'aaaaaaaaaaaa'
const tokens = new DeploymentTokens(() => OWN, 2)
const positionIn = (text: string) => (READERS.Position(text) as { value: PositionToken }).value
const cursorIn = (text: string) => (READERS.Cursor(text) as { value: CursorToken }).value
const entry: CursorKey = { list: 'history', partition: 1, account: 4, sequence: 9n }
const listed: CursorKey = { list: 'accounts', partition: 1, account: 4, sequence: 9n, owner: ownerTag('Jo') }

test.each([
  ['a position', (field: string) => tokens.positionIn(positionIn(encodePosition(new Map([[0, 1n]]), 'bbbbbbbbbbbb')), field), /another deployment/], // prettier-ignore
  ['a cursor', (field: string) => tokens.keyIn(cursorIn(encodeCursor(entry, 'bbbbbbbbbbbb')), field), /another deployment/], // prettier-ignore
  ['a partition', (field: string) => tokens.positionIn(positionIn(encodePosition(new Map([[0, 1n], [2, 0n]]), OWN)), field), /names partition 2/], // prettier-ignore
  ['a partition, unsaid whose', (field: string) => tokens.positionIn(positionIn(encodePosition(new Map([[7, 1n]]))), field), /names partition 7/], // prettier-ignore
  ['a list', (field: string) => inHistory(listed, entry, field), /list of accounts/],
  ['another list', (field: string) => inAccountsOf(entry, 'Jo', field), /of a history/],
  ['another account', (field: string) => inHistory(entry, { partition: 1, account: 5 }, field), /another account/], // prettier-ignore
  ['another partition', (field: string) => inHistory(entry, { partition: 0, account: 4 }, field), /another account/], // prettier-ignore
  ['another owner', (field: string) => inAccountsOf(listed, 'Joe', field), /another owner/],
])('what does not fit is refused with its field, for good: %s', (_what, take, message) => {
  const refusal = (): unknown => {
    try {
      return take('here')
    } catch (error) {
      return error
    }
  }
  expect((refusal() as Error).message).toMatch(message)
  expect(refusal()).toMatchObject({
    extensions: { code: 'BAD_USER_INPUT', retryable: false, field: 'here' },
  })
})

test('activity goes on behind a position of its partition only: one of others would begin at the first entry', () => {
  const vector = new Map([
    [0, 4n],
    [1, 9n],
  ])
  expect([sequenceOf(vector, 0, 'after'), sequenceOf(vector, 1, 'after')]).toEqual([4n, 9n])
  expect(sequenceOf(new Map([[0, 0n]]), 1, 'after')).toBe(0n)
  expect(() => sequenceOf(new Map([[0, 4n]]), 1, 'after')).toThrow('other partitions')
})

test('what fits is taken; so is what does not say whose it is, and anything where nobody knows whose is whose', () => {
  const at = new Map([[1, 5n]])
  expect(tokens.positionIn(positionIn(tokens.position(at)), 'x')).toEqual(at)
  expect(tokens.positionIn(positionIn(encodePosition(at)), 'x')).toEqual(at)
  expect(tokens.keyIn(cursorIn(tokens.cursor(entry)), 'x')).toEqual(entry)
  const unknowing = new DeploymentTokens(() => undefined, 2)
  expect(unknowing.positionIn(positionIn(tokens.position(at)), 'x')).toEqual(at)
  expect(tokens.positionIn(positionIn(unknowing.position(at)), 'x')).toEqual(at)
  expect(inHistory(entry, entry, 'x')).toBe(entry)
  expect(inAccountsOf(listed, 'Jo', 'x')).toBe(listed)
})
