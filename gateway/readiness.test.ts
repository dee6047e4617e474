import { afterEach, expect, test, vi } from 'vitest'
import type { SnapshotStatus } from '../writer/writer.ts'
import { createReadiness } from './readiness.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('views that are gone are told of within a second or so, though the wall clock was set back an hour', async () => {
  let isThere = true
  const ready = createReadiness({
    writers: [],
    store: { ping: async () => isThere } as never,
    projections: { status: () => [] } as never,
    feed: { failure: () => undefined } as never,
    isDraining: () => false,
    clock: () => 0n,
  })
  expect(await ready()).toEqual({ ready: true, reasons: [], writers: [] })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
  isThere = false
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  expect(await ready()).toMatchObject({
    ready: false,
    reasons: ['The views cannot be read just now.'],
  })
})

test.each([
  ['a writer that is away among others that are there is told of, and the others are served', ['failed', 'ready'], true],
  ['where every writer is away nobody is served', ['failed', 'unreachable'], false],
])('%s', async (_, states, isReady) => {
  const snapshot = { newest: undefined, isUnderWay: false }
  const ready = createReadiness({
    writers: states.map(
      (state, partition) => ({ queue: { partition }, status: () => ({ state, failure: 'why', snapshot }) }) as never,
    ),
    store: { ping: async () => true } as never,
    projections: { status: () => [] } as never,
    feed: { failure: () => undefined } as never,
    isDraining: () => false,
    clock: () => 0n,
  })
  const answer = await ready()
  expect(answer.ready).toBe(isReady)
  expect(answer.reasons).toContain('The writer of partition 0 is failed: why.')
}) // prettier-ignore

test.each<[string, SnapshotStatus | undefined, object]>([
  ['those of a writer elsewhere, which are not known', undefined, {}],
  ['none yet', { newest: undefined, isUnderWay: true }, { snapshot: null, snapshotUnderWay: true }],
  [
    'one of an earlier run',
    {
      newest: { sequence: 2n ** 60n, takenAtNs: 1_000_000_000n, bytes: 4_096, durationMs: undefined },
      isUnderWay: false,
    },
    {
      snapshot: { sequence: '1152921504606846976', ageSeconds: 6, bytes: 4_096, durationMs: null },
      snapshotUnderWay: false,
    },
  ],
  [
    'one from before the clock was set back',
    { newest: { sequence: 7n, takenAtNs: 9_000_000_000n, bytes: 1, durationMs: 3 }, isUnderWay: false },
    { snapshot: { sequence: '7', ageSeconds: 0, bytes: 1, durationMs: 3 }, snapshotUnderWay: false },
  ],
])('age and size of the newest snapshot are told, partition by partition: %s', async (_, snapshot, told) => {
  const ready = createReadiness({
    writers: [{ queue: { partition: 3 }, status: () => ({ state: 'ready', snapshot }) } as never],
    store: { ping: async () => true } as never,
    projections: { status: () => [] } as never,
    feed: { failure: () => undefined } as never,
    isDraining: () => false,
    clock: () => 7_900_000_000n,
  })
  expect((await ready()).writers).toEqual([{ partition: 3, state: 'ready', ...told }])
})
