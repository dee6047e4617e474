import { describe, expect, test } from 'vitest'
import type { ProjectionStatus } from '../../projectors/runtime/status.ts'
import type { SnapshotStatus } from '../../writer/writer.ts'
import { codeOf } from '../errors.ts'
import { createReadiness, purposesOf, type Readiness } from './readiness.ts'
import type { Closed } from '../read/views-gate.ts'

interface Given {
  /** State of each partition's writer. */
  readonly writers?: readonly string[]
  readonly snapshot?: SnapshotStatus | undefined
  readonly projections?: readonly Partial<ProjectionStatus>[]
  readonly closed?: Closed
  readonly draining?: boolean
  readonly unanswered?: (partition: number) => string | undefined
  readonly clock?: bigint
  readonly firstPartition?: number
}

function readinessOf(given: Given): ReturnType<typeof createReadiness> {
  const { writers = ['ready'], firstPartition = 0, projections = [] } = given
  return createReadiness({
    writers: writers.map(
      (state, index) =>
        ({
          queue: { partition: firstPartition + index },
          status: () => ({ state, failure: state === 'ready' ? undefined : 'why', snapshot: given.snapshot }),
        }) as never,
    ),
    projections: {
      status: () => projections.map((status) => ({ lagEvents: 0n, isRequired: true, ...status })) as never,
    },
    feed: { failure: () => undefined },
    gate: { closed: () => given.closed },
    unanswered: given.unanswered ?? (() => undefined),
    coordinators: [],
    isDraining: () => given.draining ?? false,
    clock: () => given.clock ?? 0n,
  })
}

/** Ready for both, for commands, for reads. */
function seen({ ready, commands, reads }: Readiness): readonly boolean[] {
  return [ready, commands.ready, reads.ready]
}

describe('ready means ready', () => {
  const anew: Closed = { kind: 'behind', reason: 'The views are being made anew: 1 of 9 events.' }
  const away: Closed = { kind: 'away', reason: 'The view store has not answered for 4 s.' }

  test('views that may not be read leave commands ready, and are named', () => {
    for (const closed of [anew, away]) {
      const ready = readinessOf({ closed })
      expect(seen(ready())).toEqual([false, true, false])
      expect(ready().reasons).toEqual([closed.reason])
      expect(ready(['commands'])).toMatchObject({ ready: true, reasons: [], for: ['commands'] })
      expect(ready(['reads'])).toMatchObject({ ready: false, reasons: [closed.reason], for: ['reads'] })
    }
  })

  test('writers that are away leave reads ready', () => {
    const ready = readinessOf({ writers: ['failed'] })
    expect(seen(ready())).toEqual([false, false, true])
    expect(ready(['reads'])).toMatchObject({ ready: true, reasons: [] })
    expect(ready(['commands']).reasons).toEqual(['The writer of partition 0 is failed: why.'])
  })

  test.each([
    ['stopped', 'The projection audit has stopped: behind 0:7: a hole.', false],
    ['paused', 'The projection audit is paused: behind 0:7: a hole.', false],
    ['stalled', 'The projection audit does not move: behind 0:7: a hole.', true],
    ['retrying', 'The projection audit was refused, and tries again: behind 0:7: a hole.', true],
  ] as const)('a projection that is %s is named, with its cause', (state, reason, isReady) => {
    const ready = readinessOf({ projections: [{ name: 'audit', state, failure: 'behind 0:7: a hole' }] })
    expect(seen(ready())).toEqual([isReady, true, isReady])
    expect(ready().reasons).toEqual([reason])
    expect(ready().projections).toMatchObject([{ name: 'audit', state, failure: 'behind 0:7: a hole' }])
  })

  test.each(['stopped', 'paused'] as const)(
    'a projection that is %s and that reads do not need is named, and leaves them ready',
    (state) => {
      const ready = readinessOf({
        projections: [{ name: 'volume', state, isRequired: false, failure: 'a hole' }],
      })
      expect(seen(ready())).toEqual([true, true, true])
      expect(ready().reasons).toEqual([
        expect.stringMatching(/^The projection volume (has|is) \w+: a hole\.$/),
      ])
    },
  )

  test('a writer that takes commands and decides none is not ready, though it says so itself', () => {
    const ready = readinessOf({ unanswered: () => 'Commands of partition 0 have not been decided for 16 s.' })
    expect(seen(ready())).toEqual([false, false, true])
    expect(ready().reasons).toEqual(['Commands of partition 0 have not been decided for 16 s.'])
  })

  test('whoever goes down is ready for nothing', () => {
    const ready = readinessOf({ draining: true })
    for (const purposes of [undefined, ['commands'], ['reads']] as const)
      expect(ready(purposes)).toMatchObject({ ready: false, reasons: ['The server is going down.'] })
  })
})

test.each([
  ['/readyz', ['commands', 'reads']],
  ['/readyz?', ['commands', 'reads']],
  ['/readyz?probe=1', ['commands', 'reads']],
  ['/readyz?for=commands', ['commands']],
  ['/readyz?for=reads', ['reads']],
  ['/readyz?for=reads&for=commands&for=reads', ['commands', 'reads']],
])('what a probe asks for is in its address: %s', (url, purposes) => {
  expect(purposesOf(url)).toEqual(purposes)
})

test.each(['?for=', '?for=Reads', '?for=writes', '?for=reads,commands', '?for=reads&for=', '?a=1&for=all', '?for=reads?for=commands'])(
  'what nobody can be ready for is no probe: %s',
  (query) => {
    expect(() => purposesOf(`/readyz${query}`)).toThrow(expect.objectContaining({ message: expect.stringContaining('commands or for reads') as string }))
    try {
      purposesOf(`/readyz${query}`)
    } catch (error) {
      expect(codeOf(error)).toBe('BAD_USER_INPUT')
    }
  },
) // prettier-ignore

test.each([
  ['a writer that is away among others that are there is told of, and the others are served', ['failed', 'ready'], true],
  ['where every writer is away nobody is served', ['failed', 'unreachable'], false],
])('%s', (_, writers, isReady) => {
  const answer = readinessOf({ writers })()
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
])('age and size of the newest snapshot are told, partition by partition: %s', (_, snapshot, told) => {
  const ready = readinessOf({ snapshot, firstPartition: 3, clock: 7_900_000_000n })
  expect(ready().writers).toEqual([{ partition: 3, state: 'ready', ...told }])
})
