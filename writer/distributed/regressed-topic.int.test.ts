import { afterEach, describe, expect, it } from 'vitest'
import { readValues, replaceTopic } from '../../test/support/kafka/topics.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
import { withKafka } from '../../test/support/kafka.ts'
import { until } from '../../test/support/until.ts'
import { SnapshotStoreError, type SnapshotStore } from '../snapshot-store/snapshot-store.ts'
import type { PartitionSupervisor } from './partition-supervisor.ts'
import { Seats } from './seats.testing.ts'
import { readLog } from './writers.testing.ts'

const seats = new Seats()
afterEach(() => seats.end())

/** Ends it as a kill would. */
async function kill(seat: PartitionSupervisor): Promise<void> {
  await seat.serving()!.abandon()
  await seat.release()
}

/** A store that answers nothing until it is told to. */
function awayStore(real: SnapshotStore): { store: SnapshotStore; comeBack: () => void } {
  let isAway = true
  const check = async (): Promise<void> => {
    if (isAway) throw new SnapshotStoreError('snapshot_store_unreachable', 'here', 'away')
  }
  return {
    store: {
      ...real,
      list: (...args) => check().then(() => real.list(...args)),
      publish: (...args) => check().then(() => real.publish(...args)),
      readWitness: (...args) => check().then(() => real.readWitness(...args)),
      writeWitness: (...args) => check().then(() => real.writeWitness(...args)),
    },
    comeBack: () => {
      isAway = false
    },
  }
}

const REFUSED = 'the topic went backwards, or another one stands in its place'

async function untilRefused(seat: PartitionSupervisor, knownTo: string): Promise<void> {
  await until(`it is refused by what ${knownTo} knows`, () => {
    const { state, reason = '' } = seat.status()
    return state !== 'serving' && reason.includes(`${knownTo} knows: ${REFUSED}`)
  })
}

await withKafka('a topic that goes backwards', (kafka) => {
  describe('a topic that goes backwards', () => {
    it('under a running writer: it serves nothing until all that it has acknowledged is back, and then goes on', async () => {
      const { settings, seat, lines } = await seats.served(kafka)
      const { events } = topicNames(settings)
      const whole = await readValues(settings, events, 0)
      await replaceTopic(settings, events, whole.slice(0, -1))
      await untilRefused(seat, 'the writer before this one')
      // Again and again: what it saw of the shorter one has not become what it knows.
      const tried = lines.length
      await until('it has tried again', () => lines.length > tried + 3)
      await untilRefused(seat, 'the writer before this one')
      expect(await readValues(settings, events, 0)).toEqual(whole.slice(0, -1))
      await replaceTopic(settings, events, whole)
      await until('it serves again', () => seat.status().state === 'serving', 60_000)
      expect(seat.status().writer).toMatchObject({ epoch: 2n, sequence: 3n, accounts: 2 })
    })

    it('made anew and empty: a writer that starts without a snapshot decides none of the old commands again', async () => {
      const { settings, store, seat } = await seats.served(kafka)
      await kill(seat)
      const { events } = topicNames(settings)
      await replaceTopic(settings, events, [])
      const next = seats.sit(settings, store)
      await untilRefused(next, 'the snapshot store')
      expect(await readLog(settings)).toEqual({ frames: [], events: [], voids: 0 })
    })

    it('made anew while the store is away: whoever serves it is refused when the store is back, which keeps what it knows', async () => {
      const { settings, store, seat } = await seats.served(kafka)
      await kill(seat)
      const { events } = topicNames(settings)
      const whole = await readValues(settings, events, 0)
      const known = await store.readWitness(0)
      await replaceTopic(settings, events, [])
      const away = awayStore(store)
      const lines: string[] = []
      const serve = async (): Promise<PartitionSupervisor> => {
        const next = seats.sit(settings, away.store, {
          snapshots: { everyEvents: 1, logRatio: 0, quietMs: 10 },
          storeRetryMs: 20,
          log: (line) => lines.push(line),
        })
        await until('it has decided', () => next.serving()?.status().sequence === 3n)
        return next
      }
      await kill(await serve())
      expect(lines).toContainEqual(
        expect.stringContaining('went backwards is not known until the store answers'),
      )
      // A later epoch than the store knows: that proves nothing.
      const last = await serve()
      await until('a snapshot', () => last.serving()!.status().snapshot.sequence > 0n)
      away.comeBack()
      await untilRefused(last, 'the snapshot store')
      const left = await readValues(settings, events, 0)
      const tried = lines.length
      await until('it has tried again', () => lines.length > tried + 3)
      await untilRefused(last, 'the snapshot store')
      expect(await readValues(settings, events, 0)).toEqual(left)
      expect(await store.list(0)).toEqual([])
      expect(await store.readWitness(0)).toEqual(known)

      await last.release()
      await replaceTopic(settings, events, whole)
      const next = seats.sit(settings, store)
      await until('it serves', () => next.status().state === 'serving', 60_000)
      expect(next.status().writer).toMatchObject({ epoch: 2n, sequence: 3n })
    })
  })
})
