/** A disk that takes no more rows: the views wait for room, say why, and go on where they were. */
import { expect, test } from 'vitest'
import { heldByAll, readCheckpoints } from '../../projectors/runtime/checkpoints.ts'
import { GrowingLog } from '../support/growing-log.ts'
import { need } from '../support/left-out.ts'
import { canMakeDisks, makeSmallDisk } from '../support/small-disk.ts'
import { until } from '../support/until.ts'
import { ViewsLife } from '../support/views-life.ts'
import { expectReplayed } from '../support/views-proof.ts'

const VERSIONS = ['balances', 'history', 'audit', 'crossings', 'amounts', 'tally'].map((name) => ({
  name,
  version: 1,
}))
const MEBIBYTES = 160
/** More than the log ever has here: on a machine that is busy, views with more than a range before them are not live. */
const RANGE_EVENTS_MAX = 50_000
const FILL = 'cat /dev/zero >> /mnt/ballast || true'

test('a full disk is an outage: views are retried, none is stopped at an event, and nothing is lost when there is room', async (context) => {
  need(context, canMakeDisks(), 'this system lets its users make no disks', 'disks')
  const disk = await makeSmallDisk(MEBIBYTES)
  try {
    const life = new ViewsLife({ folder: disk.folder, ticks: 4, rangeEventsMax: RANGE_EVENTS_MAX }, disk.inside.under)
    try {
      await life.ready()
      await until('the views are live', () => areAll(life, 'live'))
      disk.shell(FILL)
      await until('the views wait for room', () => areAll(life, 'retrying'))
      for (const failure of life.failures) expect(failure).toMatch(/space|ENOSPC/i)
      disk.shell('rm /mnt/ballast')
      const log = new GrowingLog()
      log.growTo(life.ticks)
      const upTo = log.log.head().sequence
      await until('the views hold what the log held', async () =>
        [...heldByAll(await readCheckpoints(life.store), VERSIONS).values()].some((one) => one.sequence >= upTo),
      )
      await until('the views are live again', () => areAll(life, 'live'))
      expect(life.lines).not.toContain('stopped')
      await expectReplayed(life.store, log, upTo)
    } finally {
      await life.kill()
    }
  } finally {
    await disk.remove()
  }
}) // prettier-ignore

function areAll({ states }: ViewsLife, wanted: string): boolean {
  return states.length > 0 && states.every((state) => state === wanted)
}
