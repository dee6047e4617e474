import { describe, expect, test } from 'vitest'
import { describeMachine } from './machine.ts'
import { atLeast, atMost, reportOf, verified } from './report.ts'

describe('what came of the commands', () => {
  const counts = { sent: 10, accepted: 7, refused: 2, repeated: 1 }

  test('is reported if every command has one outcome and no money was made', () => {
    expect(verified(counts, new Map([['EUR', 0n]]))).toEqual({ ...counts, trialBalance: '0' })
  })

  test.each([{ sent: 11 }, { accepted: 8 }, { refused: 1 }, { repeated: 0 }])(
    'stops the report if it does not add up: %o',
    (wrong) => {
      expect(() => verified({ ...counts, ...wrong }, new Map())).toThrow('were sent')
    },
  )

  test('stops the report if money was made or lost in any currency', () => {
    const trialBalance = new Map([
      ['EUR', 0n],
      ['USD', -1n],
    ])
    expect(() => verified(counts, trialBalance)).toThrow('trial balance of USD is -1')
  })
})

test('a target is met at its own value, and missed beyond it', () => {
  expect([atLeast('', 2, 2), atLeast('', 1.9, 2)].map(({ met }) => met)).toEqual([true, false])
  expect([atMost('', 2, 2), atMost('', 2.1, 2)].map(({ met }) => met)).toEqual([true, false])
})

test('a benchmark without a run has no report', () => {
  expect(() => reportOf('none', describeMachine(), [], [])).toThrow(RangeError)
})
