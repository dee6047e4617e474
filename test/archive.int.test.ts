/** Segments of the past in an archive: the real program moves them, and everything that reads the log finds them there. */
import { readdirSync, renameSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { archiveLog } from '../cli/archive.ts'
import { provePlatform } from '../cli/audit/proof.ts'
import { startPlatform } from '../platform/embedded-platform.ts'
import { nodeDisk } from '../eventlog/disk/disk.ts'
import { listSegments } from '../eventlog/file/layout/segments.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { startEmbeddedWriter } from '../writer/embedded.ts'
import { openAccount, perform, transfer } from './support/commands.ts'
import { eventsIn } from './support/log.ts'
import { onlyJson, purser, startServer, withFolder } from './support/purser.ts'
import { PATIENCE_MS } from './support/patience.ts'
import { BUILT_IN_PROJECTIONS } from '../projectors/views/built-in.ts'

const ACCOUNTS = 50
const ENGINE_MEMORY_BYTES = 512 * 2 ** 20

/** A log of many small segments, its two kept snapshots near its end. */
async function fill(dataDir: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const writer = await startEmbeddedWriter({ dataDir, segmentBytesMax: 64 * 1024 })
    if (round === 0) {
      const opened = Array.from({ length: ACCOUNTS }, (_, index) => openAccount(index))
      await perform(writer, [openAccount('cash', -1n), ...opened])
    }
    for (let batch = 0; batch < (round === 0 ? 20 : 1); batch++)
      await perform(
        writer,
        Array.from({ length: 200 }, (_, index) => transfer('cash', index % ACCOUNTS, 100n)),
      )
    await writer.stop()
  }
}

/** Every file below a folder, but those of locks and of the views' engine. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !/(^|\/)(lock|views)(\/|$)/.test(name))
    .sort()
}

test('what is archived is still audited, replayed and rebuilt; the platform starts and runs without it', () =>
  withFolder(async (folder) => {
    const [data, archive, moved] = ['data', 'archive', 'moved'].map((name) => path.join(folder, name)) as [string, string, string]
    const archiveTo = async (...more: string[]) =>
      onlyJson((await purser('archive', '--data', data, '--to', archive, '--json', ...more)).stdout) as { ok: boolean; segments: object[] }
    const atRest = (to: string) =>
      archiveLog({ dataDir: data, archive: to, dryRun: false, url: undefined, engineMemoryBytes: ENGINE_MEMORY_BYTES, projections: BUILT_IN_PROJECTIONS, log: () => undefined })
    const audit = async () => {
      const { stdout, exitCode } = await purser('audit', '--data', data, '--json')
      return { ...onlyJson(stdout), exitCode } as { exitCode: number; error?: { message: string }; checks?: object[] }
    }
    await fill(data)
    const live = listSegments(nodeDisk, data, 0)
    const events = eventsIn(data)
    expect(live.length).toBeGreaterThan(10)

    // No view holds anything yet: nothing may go.
    expect(await atRest(archive)).toMatchObject({ segments: [], views: '0:0' })
    expect(listSegments(nodeDisk, data, 0)).toEqual(live)

    const server = await startServer(data)
    while (!(await purser('projections', '--data', data)).stdout.includes(' 0 events')) continue
    const files = filesIn(folder)
    expect((await archiveTo('--dry-run')).segments.length).toBeGreaterThan(8)
    expect(filesIn(folder)).toEqual(files)
    // Beside the platform that runs.
    const report = await archiveTo()
    expect(report.ok).toBe(true)
    expect(listSegments(nodeDisk, archive, 0)).toHaveLength(report.segments.length)
    expect(listSegments(nodeDisk, data, 0)).toEqual(live.slice(report.segments.length))
    await server.stop()

    expect(eventsIn(data).slice(0, events.length)).toEqual(events)
    expect(await audit()).toMatchObject({ ok: true, exitCode: 0, accounts: ACCOUNTS + 1, position: `0:${events.length}` })
    symlinkSync(data, path.join(folder, 'link'))
    for (const wrong of ['data', 'link', 'empty'])
      await expect(atRest(path.join(folder, wrong))).rejects.toThrow('cannot be the archive')

    renameSync(archive, moved)
    const missing = await audit()
    expect(missing).toMatchObject({ error: { code: 'archive_missing' }, exitCode: 1 })
    expect(missing.error!.message).toContain(archive)
    // A start needs nothing of it.
    const platform = await startPlatform({
      dataDir: data,
      host: '127.0.0.1',
      port: 0,
      currencies: ISO_CURRENCIES,
      graphiql: false,
      engineMemoryBytes: ENGINE_MEMORY_BYTES,
      log: () => undefined,
    })
    try {
      expect(() => eventsIn(data)).toThrow(archive)
      await expect(provePlatform(platform)).rejects.toThrow(archive)
      expect(await archiveTo('--to', moved)).toMatchObject({ ok: true, segments: [] })
      await platform.projections.reset()
      expect(await platform.projections.waitFor(platform.position(), PATIENCE_MS)).toBe(true)
      expect(await provePlatform(platform)).toMatchObject({ holds: true })
    } finally {
      await platform.stop()
    }
  }), 120_000) // prettier-ignore
