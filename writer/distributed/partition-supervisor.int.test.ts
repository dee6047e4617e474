import { afterEach, describe, expect, it } from 'vitest'
import { withKafka } from '../../test/support/kafka.ts'
import { until } from '../../test/support/until.ts'
import { openFolderStore } from '../snapshot-store/folder-store.ts'
import { PartitionSupervisor } from './partition-supervisor.ts'
import { Machines, NO_SNAPSHOTS } from './writers.testing.ts'

const machines = new Machines()
const seats: PartitionSupervisor[] = []
afterEach(async () => {
  for (const seat of seats.splice(0)) await seat.release()
  await machines.end()
})

await withKafka('a partition that a process holds', (kafka) => {
  describe('a partition that a process holds', () => {
    it('ends the process that takes it for one of another number, so that the next one asks the log', async () => {
      const place = await machines.newSetup(await kafka.deployment())
      const before = await machines.start(place, { partitions: 6 })
      await before.abandon()
      const broken: Error[] = []
      const seat = new PartitionSupervisor({
        settings: place.settings,
        partition: 0,
        partitions: 4,
        scratchDir: machines.newFolder(),
        store: openFolderStore(place.storeDir),
        snapshots: NO_SNAPSHOTS,
        log: (line) => place.lines.push(line),
        confirmed: () => Promise.resolve(),
        onBroken: (error) => broken.push(error),
        pauseMsMin: 50,
      })
      seats.push(seat)
      seat.hold()
      await until('it gives up', () => broken.length > 0)
      expect(broken).toMatchObject([{ code: 'partitions_differ' }])
      const reason = expect.stringContaining('was written as one of 6 partitions') as string
      expect(seat.status()).toMatchObject({ state: 'stopped', reason })
      expect(place.lines).toEqual([])
    })
  })
})
