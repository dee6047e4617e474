/** The tables of the built-in views in an engine of their own, and events written into them past any runtime. */
import type { SampleWallet } from '../../test/model/sample-wallet.ts'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import { createSharedFeed, createVersion, sharedFeedName } from '../clickhouse/view-tables.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { engineUnderTest } from '../engine/engine-under-test.testing.ts'
import { insertRange, RangeBuffer } from '../runtime/lanes/range.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { fixedServing, servedStore } from '../serving.ts'
import { BUILT_IN_PROJECTIONS } from './built-in.ts'

const FEED = sharedFeedName(BUILT_IN_PROJECTIONS)

export interface ViewsUnderTest {
  readonly store: ViewStore
  /** Writes a wallet's events behind `from`, cut into frames and ranges of so many; by default all in one. */
  write(wallet: SampleWallet, cut?: { frame: number; range: number; from?: number }): Promise<void>
  stop(): Promise<void>
}

const WHOLE = 1e6

export async function viewsUnderTest(): Promise<ViewsUnderTest> {
  const engine = await engineUnderTest()
  const store = servedStore(createViewStore(engine.engine), fixedServing(BUILT_IN_PROJECTIONS))
  for (const statement of [
    ...BUILT_IN_PROJECTIONS.flatMap((one) => createVersion(one)),
    ...createSharedFeed(BUILT_IN_PROJECTIONS),
  ])
    await store.command(statement)
  return {
    store,
    write: async ({ partition, events }, { frame, range, from = 0 } = { frame: WHOLE, range: WHOLE }) => {
      const log = new MemoryLog(partition)
      for (let at = 0; at < events.length; at += frame) log.append(events.slice(at, at + frame))
      const buffer = new RangeBuffer({ rangeEventsMax: range, rangeBytesMax: 1e9 })
      for (const one of log.frames) {
        if (one.firstSequence <= from) continue
        if (!buffer.hasRoom(one)) await insertRange(store, FEED, buffer.take()!)
        buffer.push(one, 0)
      }
      if (!buffer.isEmpty) await insertRange(store, FEED, buffer.take()!)
    },
    stop: async () => {
      await store.close()
      await engine.stop()
    },
  }
}
