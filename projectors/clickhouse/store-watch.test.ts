import { afterEach, expect, it, vi } from 'vitest'
import type { ProjectionStatus } from '../runtime/status.ts'
import { seenWithStore, StoreWatch } from './store-watch.ts'

const watches: StoreWatch[] = []
function watch(ping: (signal?: AbortSignal) => Promise<boolean>): StoreWatch {
  vi.useFakeTimers()
  const made = new StoreWatch({ ping })
  watches.push(made)
  return made
}
afterEach(() => {
  for (const one of watches.splice(0)) one.stop()
  vi.useRealTimers()
})

const never = (): Promise<boolean> => new Promise(() => undefined)

it('a store that answers is never away, however long nobody asks', async () => {
  const watched = watch(async () => true)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(watched.outage()).toBeUndefined()
  expect(watched.silentMs()).toBeLessThanOrEqual(1_000)
})

it.each([
  ['refuses', async () => false],
  ['breaks off', () => Promise.reject(new Error('reset'))],
  ['takes the question and never answers', never],
])('a store that %s is away after three seconds, and no sooner; and is back with its first answer', async (_, fails) => {
  let isThere = true
  const watched = watch(() => (isThere ? Promise.resolve(true) : fails()))
  await vi.advanceTimersByTimeAsync(900)
  isThere = false
  await vi.advanceTimersByTimeAsync(2_000)
  expect(watched.outage()).toBeUndefined()
  await vi.advanceTimersByTimeAsync(2_500)
  expect(watched.outage()).toMatch(/^The view store has not answered for [45] s\.$/)
  isThere = true
  await vi.advanceTimersByTimeAsync(3_500)
  expect(watched.outage()).toBeUndefined()
}) // prettier-ignore

it('one that has never answered is away with the first question that comes to nothing', async () => {
  const watched = watch(async () => false)
  await watched.settled()
  expect(watched.outage()).toBe('The view store has not answered for 1 s.')
})

it('a question that hangs is given up, so that one on a new connection can be answered; one is under way at a time', async () => {
  let [open, most] = [0, 0]
  const signals: AbortSignal[] = []
  watch((signal) => {
    most = Math.max(most, ++open)
    signals.push(signal!)
    signal!.addEventListener('abort', () => open--)
    return never()
  })
  await vi.advanceTimersByTimeAsync(20_000)
  expect(most).toBe(1)
  expect(signals.length).toBeGreaterThan(4)
  expect(signals.slice(0, -1).every(({ aborted }) => aborted)).toBe(true)
})

it('behind a store that does not answer nothing is live, and no pump has moved; what is worse stays as it is', () => {
  const status = (state: ProjectionStatus['state'], failure?: string): ProjectionStatus => ({
    name: 'balances', version: 1, isRequired: true, state, position: new Map(), head: new Map(), lagEvents: 0n, lagSeconds: 0,
    pumpAgeSeconds: 0.1, recordedAtNs: 0n, failure,
  }) // prettier-ignore
  const statuses = [status('live'), status('catching-up'), status('paused'), status('stopped', 'a hole')]
  const silent = { outage: () => 'Nobody answers.', silentMs: () => 7_000 }
  expect(seenWithStore(statuses, silent)).toMatchObject([
    { state: 'stalled', failure: 'Nobody answers.', pumpAgeSeconds: 7 },
    { state: 'stalled', failure: 'Nobody answers.', pumpAgeSeconds: 7 },
    { state: 'paused', failure: 'Nobody answers.', pumpAgeSeconds: 7 },
    { state: 'stopped', failure: 'a hole', pumpAgeSeconds: 7 },
  ])
  expect(seenWithStore(statuses, { outage: () => undefined, silentMs: () => 0 })).toBe(statuses)
})
