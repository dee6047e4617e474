import { expect, test } from 'vitest'
import { turnover } from './samples.testing.ts'
import { PartitioningError, refusePartitioning } from './start.ts'

test('a fold over the whole deployment is refused where that has several partitions, and only there', () => {
  const whole = { ...turnover, partitioning: 'whole' } as const
  expect(() => refusePartitioning(whole, 2)).toThrow(PartitioningError)
  expect(() => refusePartitioning(whole, 2)).toThrow('The projection turnover is one fold over the whole deployment, which has 2 partitions: it can fold over one only.') // prettier-ignore
  refusePartitioning(whole, 1)
  refusePartitioning(turnover, 8)
})
