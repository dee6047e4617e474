/** What stands in the log of a platform at rest. */
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { readFramesSync } from '../../eventlog/file/read/reader.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'

/** Every event, one after the other, verified by the reader rule: for logs that are not small. */
export function* eachEventIn(dataDir: string): Generator<WalletEvent> {
  for (const { payload } of readFramesSync(nodeDisk, dataDir, 0, 0n)) yield* decodeEvents(payload)
}

/** Every event, in order, verified by the reader rule. */
export function eventsIn(dataDir: string): WalletEvent[] {
  return [...eachEventIn(dataDir)]
}
