/** A claim that was consumed without an event is granted where the log binds its id to the partition that asks, and only there. */
import { expect, test } from 'vitest'
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import type { Frame } from '../../schemas/frames.ts'
import { makeUuidV7 } from '../../schemas/ids.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import type { Views } from '../read/views.ts'
import { publicEvent } from './outcomes.ts'
import { settleClaim } from './settle-claim.ts'

const NOW_MS = 1_790_000_000_000
const HOME = 0
const [ASKS, OTHER] = [1, 2]
const id = makeUuidV7(NOW_MS, new Uint8Array(10))

const event = (more: Partial<WalletEvent>): PublicEvent =>
  publicEvent(sampleEvent({ kind: 'TransferPosted', command: 'Transfer', sequence: 3n, ...more }))
const claimFor = (partition: number): PublicEvent =>
  event({ kind: 'IdClaimed', command: 'ClaimId', partition: HOME, code: partition })

const settled = (events: readonly PublicEvent[], horizonMs = -1) =>
  settleClaim(
    {
      views: {
        points: { atSequence: () => Promise.resolve({}) },
        events: () => Promise.resolve(events),
      } as unknown as Views,
      outcomeWaitMs: 0,
      partitions: 3,
    },
    { id, partition: ASKS },
    {
      frame: { partition: HOME, firstSequence: 8n, count: 1, timeNs: BigInt(NOW_MS) * 1_000_000n } as Frame,
      mayBeOwn: false,
      horizonMs,
    },
    () => NOW_MS,
  )

const reused = (partition: number): object => ({ refusal: 'id_reused', at: { partition, sequence: 3n } })

test('it is granted where it was made before, and where the partition that asks has decided with the id', async () => {
  expect(await settled([claimFor(ASKS)])).toBe(undefined)
  expect(await settled([claimFor(ASKS), event({ partition: ASKS })])).toBe(undefined)
  // Made before ids were claimed, and older than what the home remembers.
  expect(await settled([event({ partition: ASKS })], NOW_MS)).toBe(undefined)
})

test('it is denied where the id was claimed for another partition, or was used', async () => {
  expect(await settled([claimFor(OTHER)])).toMatchObject(reused(HOME))
  expect(await settled([event({ partition: HOME })])).toMatchObject(reused(HOME))
  expect(await settled([event({ partition: OTHER })])).toMatchObject(reused(OTHER))
})

test('of what nobody knows it is said that it is expired where the log proves it, and else that nobody decided', async () => {
  expect(await settled([], NOW_MS)).toMatchObject({ refusal: 'id_expired' })
  expect(await settled([], NOW_MS - 1)).toEqual({ undecided: 'unknown' })
})
