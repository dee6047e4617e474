/**
 * A platform for tests that kill it: `bin/run.js test/support/killable-platform.ts <data folder>`. As `purser start`, but its snapshots are
 * due and its segments full so soon that a kill finds some under way.
 */
import { startPlatform } from '../../platform/embedded-platform.ts'
import { stopRequested } from '../../cli/shutdown.ts'

const SMALL = {
  snapshots: { everyEvents: 2_000, logRatio: 0, quietMs: 50 },
  segmentBytesMax: 4 * 1024 * 1024,
}

export async function main(args: readonly string[]): Promise<void> {
  const asked = stopRequested()
  const platform = await startPlatform({
    dataDir: args[0]!,
    engineMemoryBytes: 512 * 1024 * 1024,
    writer: SMALL,
    log: (line) => void process.stderr.write(`${line}\n`),
  })
  process.stdout.write(`${JSON.stringify({ url: platform.url })}\n`)
  const end = await Promise.race([asked, platform.failed])
  await platform.stop()
  if (typeof end === 'string') return
  process.stderr.write(`${end.message}\n`)
  process.exitCode = 1
}
