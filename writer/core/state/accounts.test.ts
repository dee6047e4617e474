import { expect, it } from 'vitest'
import { Accounts } from './accounts.ts'
import { hashId } from './hash-id.ts'

/** Ids as words: account `number` has the one at `number * 2`. */
function idsOf(count: number): BigInt64Array {
  return new BigInt64Array((count + 1) * 2).map((_, word) =>
    BigInt.asIntN(64, BigInt(word) * 0x9e37_79b9_7f4a_7c15n),
  )
}

it('every account is found at every moment, also while a larger index is being made', () => {
  const count = 3_000
  const ids = idsOf(count)
  const ids32 = new Int32Array(ids.buffer)
  const accounts = new Accounts(0)
  const find = (number: number): number => accounts.find(hashId(ids32, number * 4), ids32, number * 4)
  for (let number = 1; number <= count; number++) {
    expect(find(number)).toBe(0)
    expect(accounts.open(ids, number * 2, 0, 1)).toBe(number)
    // Those at both ends of what a new index has got, and some between.
    for (let seen = number; seen > 0; seen -= 1 + Math.floor(number / 7)) expect(find(seen)).toBe(seen)
    expect(find(1)).toBe(1)
  }
  for (let number = 1; number <= count; number++) expect(find(number)).toBe(number)
})

it('lines put back are found as those that were opened one by one', () => {
  const count = 1_000
  const ids = idsOf(count)
  const ids32 = new Int32Array(ids.buffer)
  const opened = new Accounts(0)
  for (let number = 1; number <= count; number++) opened.open(ids, number * 2, 0, 1)
  const restored = new Accounts(count)
  restored.restore(opened.words.slice(8, (count + 1) * 8), opened.meta.slice(1, count + 1))
  for (let number = 1; number <= count; number++)
    expect(restored.find(hashId(ids32, number * 4), ids32, number * 4)).toBe(number)
  expect(restored.find(hashId(ids32, 0), ids32, 0)).toBe(0)
})
