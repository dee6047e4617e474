import { describe, expect, it } from 'vitest'
import type { ProjectionStatus } from '../../projectors/runtime/status.ts'
import { projectionStatus } from './projection-status.ts'

function statusOf(name: string, sequence: bigint, more: Partial<ProjectionStatus> = {}): ProjectionStatus {
  return { name, version: 1, state: 'live', position: new Map([[0, sequence]]), lagEvents: 0n, lagSeconds: 0, ...more } as ProjectionStatus
} // prettier-ignore

describe('the status of projections, subscribed to', () => {
  it('is told of each, and then of those that changed, as they are by then', async () => {
    let now = [statusOf('audit', 1n), statusOf('history', 1n)]
    const stream = projectionStatus({ status: () => now })
    expect((await stream.next()).value).toMatchObject({ name: 'audit' })
    expect((await stream.next()).value).toMatchObject({ name: 'history' })
    now = [statusOf('audit', 1n, { lagSeconds: 5 }), statusOf('history', 2n)]
    const next = stream.next()
    // Overtaken before it was looked at.
    now = [statusOf('audit', 1n, { lagSeconds: 6 }), statusOf('history', 3n, { state: 'stopped' })]
    expect((await next).value).toEqual(now[1])
    await stream.return(undefined)
  })

  it('ends at once, though nothing changes', async () => {
    const stream = projectionStatus({ status: () => [statusOf('audit', 1n)] }, 'audit')
    await stream.next()
    const next = stream.next()
    await stream.return(undefined)
    expect(await next).toEqual({ value: undefined, done: true })
  })

  it('is refused of a projection that there is not', () => {
    expect(() => projectionStatus({ status: () => [statusOf('audit', 1n)] }, 'nobody')).toThrow('nobody')
  })
})
