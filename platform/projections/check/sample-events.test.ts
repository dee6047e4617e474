import { expect, test } from 'vitest'
import { EVENT_KINDS } from '../../../schemas/events.ts'
import { sampleEvents } from './sample-events.ts'

test('the sample has events of every kind, in two currencies, over midnight, and is the same each time', () => {
  const events = sampleEvents()
  expect([...new Set(events.map(({ kind }) => kind))].sort()).toEqual(Object.keys(EVENT_KINDS).sort())
  expect(new Set(events.map(({ currency }) => currency))).toContain('USDC')
  expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1))
  const days = events.map(({ recordedAtNs }) => recordedAtNs / 86_400_000_000_000n)
  expect(days.at(-1)).toBeGreaterThan(days[0]!)
  expect(sampleEvents()).toEqual(events)
  expect(events.some(({ linkIndex }) => linkIndex === 2)).toBe(true)
})
