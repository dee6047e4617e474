/** What stands in the log of a platform at rest. */
import { nodeDisk } from '../../eventlog/file/disk.ts'
import { readFramesSync } from '../../eventlog/file/reader.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'

/** Every event, in order, verified by the reader rule. */
export function eventsIn(dataDir: string): WalletEvent[] {
  return [...readFramesSync(nodeDisk, dataDir, 0, 0n)].flatMap(({ payload }) => decodeEvents(payload))
}
