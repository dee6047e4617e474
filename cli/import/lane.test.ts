import { afterEach, describe, expect, it } from 'vitest'
import { fakePlatform, type ReceivedRequest } from '../../client/fake-platform.testing.ts'
import type { Command } from '../../schemas/commands.ts'
import { makeUuidV7 } from '../../schemas/ids.ts'
import { LANE_HEADER_BYTES, writeLaneHeader } from '../../schemas/lane.ts'
import { LANE_FAULTS, LANE_RESULT_BYTES, LANE_STATUS, writeResult } from '../../schemas/lane-results.ts'
import { ImportLane, type LaneResult } from './lane.ts'

const id = makeUuidV7(1_800_000_000_000, new Uint8Array(16).fill(1))
const COMMAND: Command = { kind: 'Transfer', id, debit: id, credit: id, amount: 1n, currency: 'EUR' }

/** A result: its status and its code. */
type Said = readonly [status: number, code: number]

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** What an import makes of results: those of each answer in turn, the last one again and again. */
async function sent(...said: readonly Said[]): Promise<LaneResult[]> {
  const onRequest = ({ header, socket }: ReceivedRequest, all: readonly ReceivedRequest[]): void => {
    const { requestId, count, partition } = header
    const [status, code] = said[Math.min(all.length, said.length) - 1]!
    const bytes = new Uint8Array(LANE_HEADER_BYTES + LANE_RESULT_BYTES)
    writeLaneHeader(bytes, 0, { kind: 'results', length: bytes.length, requestId, count, partition })
    writeResult(new Int32Array(bytes.buffer, LANE_HEADER_BYTES), 0, status, 0, code, 0, 7, 0)
    socket.write(bytes)
  }
  const platform = await fakePlatform({ onRequest })
  ends.push(platform.stop)
  const lane = new ImportLane(platform.url, () => undefined)
  ends.push(() => lane.close())
  await lane.open()
  return lane.send([COMMAND], () => undefined)
}

const fault = (name: keyof typeof LANE_FAULTS): Said => [LANE_STATUS.fault, LANE_FAULTS[name]]
const ACCEPTED: Said = [LANE_STATUS.accepted, 0]

describe('a line is bad only where it is wrong itself', () => {
  it('an id that lies ahead of a clock of the platform is not: the row was not decided', async () => {
    expect(await sent(fault('id_in_future'))).toEqual([{ kind: 'ahead' }])
  })

  it.each([
    ['a platform that failed at it', fault('internal'), /failed at a command/],
    ['a fault of another version', [LANE_STATUS.fault, 99], /another version/],
    ['a refusal of another version', [LANE_STATUS.refused, 9_999], /another version/],
  ] as const)('%s ends the import, however bad lines are taken', async (_what, said, message) => {
    await expect(sent(said)).rejects.toMatchObject({
      failureCode: 'platform_unavailable',
      message: expect.stringMatching(message) as string,
    })
  })

  it.each(['cross_partition', 'linked_with_fault', 'currency_unknown', 'scale_differs'] as const)(
    'a command that no platform would take is: %s',
    async (name) => {
      expect(await sent(fault(name))).toMatchObject([{ kind: 'wrong' }])
    },
  )
})

it('what nobody decides for longer than five seconds is sent again until somebody does', { timeout: 20_000 }, async () => {
  const undecided = Array.from({ length: 22 }, () => fault('not_decided'))
  expect(await sent(...undecided, ACCEPTED)).toEqual([{ kind: 'accepted', replayed: false }])
}) // prettier-ignore
