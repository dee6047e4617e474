import { expect, test } from 'vitest'
import { sealed } from '../../test/support/memory-log.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { formatId, makeUuidV7, NIL_ID } from '../../schemas/ids.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import type { Feed } from './feed.ts'
import { Hub } from './hub.ts'
import { DeploymentTokens } from '../positions/deployment-tokens.ts'
import type { Services } from '../services.ts'
import { SubscriberMemory } from './subscriber-memory.ts'
import { encodePosition } from '../positions/tokens.ts'
import { transferStatus } from './transfer-status.ts'

const DEPLOYMENT = 'aaaaaaaaaaaa'
const hold = makeUuidV7(1_700_000_000_000, new Uint8Array(10))

function frameOf(sequence: bigint, more: Partial<WalletEvent>) {
  const event = sampleEvent({ sequence, recordedAtNs: sequence, kind: 'HoldPlaced', command: 'PlaceHold', transferId: hold, ...more }) // prettier-ignore
  return sealed(0, [event], sequence, new Uint8Array(32))
}

test('a subscriber of a transfer that was too slow is told a place that says whose it is, as every other place does', async () => {
  const hub = new Hub()
  const services = {
    hub,
    // So small that whatever waits is let go of.
    memory: new SubscriberMemory(1),
    feed: { position: () => new Map([[0, 0n]]) } as unknown as Feed,
    views: { points: { at: () => new Promise(() => undefined) } },
    tokens: new DeploymentTokens(() => DEPLOYMENT, 1),
    limits: { outcomeWaitMs: 1 },
  } as unknown as Services
  const states = transferStatus(services, formatId(hold), undefined)
  const first = states.next()
  await new Promise((resolve) => setImmediate(resolve))
  hub.onFrame(frameOf(1n, {}))
  expect((await first).value).toMatchObject({ state: 'PENDING' })
  hub.onFrame(frameOf(2n, { kind: 'HoldPosted', command: 'PostHold', transferId: NIL_ID, relatedId: hold }))
  await expect(states.next()).rejects.toMatchObject({
    extensions: { code: 'SUBSCRIPTION_LAGGED', position: encodePosition(new Map([[0, 1n]]), DEPLOYMENT) },
  })
})
