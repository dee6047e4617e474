/** A wall clock that is set while the platform runs: an hour back, right again, an hour ahead. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { sendCommands, type LaneCommand, type LaneResult } from '../support/json-lane.ts'
import { formatId, makeUuidV7 } from '../../schemas/ids.ts'
import { CASH, CUSTOMER, openAccounts, pause } from '../support/load.ts'
import { eventsIn } from '../support/log.ts'
import { onlyJson, purser, startServerIn, withFolder } from '../support/purser.ts'

const HOUR_MS = 3_600_000
const PRELOAD = new URL('../support/shifted-clock.js', import.meta.url).href

test('a clock that jumps an hour back and forth: recorded times increase, holds expire when it is time, no right id is lost', () =>
  withFolder(async (folder) => {
    const clockFile = path.join(folder, 'clock')
    const set = async (offsetMs: number): Promise<void> => {
      writeFileSync(clockFile, String(offsetMs))
      await pause(30)
    }
    await set(0)
    const environment = { NODE_OPTIONS: `--import ${PRELOAD}`, TEST_CLOCK_FILE: clockFile }
    const data = path.join(folder, 'data')
    const server = await startServerIn({ environment }, data)
    await openAccounts(server.url)
    const idOf = (offsetMs: number): string => formatId(makeUuidV7(Date.now() + offsetMs, randomBytes(10)))
    const send = async (command: LaneCommand): Promise<LaneResult> => {
      const [result] = await sendCommands(server.url, [command], () => undefined)
      return result!
    }
    const sides = { debitAccountId: CASH, creditAccountId: CUSTOMER, amount: '1', currency: 'EUR' }
    const transfer = (id: string): Promise<LaneResult> => send({ kind: 'transfer', id, ...sides })
    const hold = (id: string, timeoutSeconds: number): Promise<LaneResult> =>
      send({ kind: 'placeHold', id, timeoutSeconds, ...sides })
    const accepted = { kind: 'accepted', replayed: false }

    expect(await transfer(idOf(0))).toEqual(accepted)
    const early = idOf(0)
    expect(await hold(early, 1)).toEqual(accepted)

    await set(-HOUR_MS)
    // By the platform's clock the ids of right clocks come from the future now: not decided for a while, and not refused.
    const kept = idOf(0)
    expect(await transfer(kept)).toMatchObject({ kind: 'wrong', message: expect.stringContaining('is not used up') as string })
    expect(await transfer(idOf(-HOUR_MS))).toEqual(accepted)
    await pause(1500)
    // Recorded time stands still until the clock has caught up, and so does the hold.
    expect(await send({ kind: 'postHold', id: idOf(-HOUR_MS), holdId: early })).toEqual(accepted)

    await set(0)
    expect(await transfer(kept)).toEqual(accepted)
    const late = idOf(0)
    expect(await hold(late, 1800)).toEqual(accepted)

    await set(HOUR_MS)
    expect(await transfer(idOf(0))).toEqual(accepted)
    expect(await transfer(idOf(HOUR_MS))).toEqual(accepted)
    expect(await send({ kind: 'voidHold', id: idOf(HOUR_MS), holdId: late })).toMatchObject({ kind: 'refused' })

    await set(0)
    expect(await transfer(idOf(0))).toEqual(accepted)
    await server.stop()

    const events = eventsIn(data)
    events.forEach((event, index) => {
      expect(event.sequence).toBe(BigInt(index + 1))
      if (index > 0) expect(event.recordedAtNs).toBeGreaterThan(events[index - 1]!.recordedAtNs)
    })
    expect(events.filter(({ kind }) => kind === 'HoldExpired').map(({ relatedId }) => formatId(relatedId))).toEqual([late])
    expect(onlyJson((await purser('audit', '--data', data, '--json')).stdout)).toMatchObject({ ok: true, trialBalance: { EUR: '0' } })
  })) // prettier-ignore
