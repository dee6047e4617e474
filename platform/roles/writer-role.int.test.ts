import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { runtimeEntry } from '../../eventlog/runtime-entry.ts'
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { formatId, makeUuidV7 } from '../../schemas/ids.ts'
import {
  BUCKET,
  BUCKET_CREDENTIALS,
  startBucket,
  startSilentStore,
  type TestStore,
} from '../../test/support/bucket.ts'
import { withKafka } from '../../test/support/kafka.ts'
import { until } from '../../test/support/until.ts'
import { openCommandSource, readLog, type CommandSource } from '../../writer/distributed/writers.testing.ts'
import { openAccount, transfer } from '../../test/support/commands.ts'
import { startWriterRole, type WriterRole, type WriterRoleOptions } from './writer-role.ts'

/** The shortest that brokers allow. */
const SESSION_MS = 6_000
const BEHIND_MS = 5 * 60_000
const SHIFTED_CLOCK = new URL('../../test/support/shifted-clock.js', import.meta.url).href

const folders: string[] = []
const roles: WriterRole[] = []
const children: ChildProcess[] = []
const sources: CommandSource[] = []
const stores: TestStore[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const role of roles.splice(0)) await role.stop()
  for (const source of sources.splice(0)) await source.close()
  for (const store of stores.splice(0)) await store.close()
  vi.unstubAllEnvs()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

function newFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-role-'))
  folders.push(folder)
  return folder
}

/** @param place a folder, or where else snapshots go */
function optionsFor(
  kafka: KafkaSettings,
  place: string | WriterRoleOptions['snapshots'],
): Omit<WriterRoleOptions, 'log'> {
  return {
    kafka,
    snapshots: typeof place === 'string' ? { kind: 'folder', folder: place } : place,
    scratchDir: newFolder(),
    sessionTimeoutMs: SESSION_MS,
  }
}

function bucketAt({ port }: TestStore): WriterRoleOptions['snapshots'] {
  const endpoint = `http://127.0.0.1:${port}`
  return { kind: 's3', bucket: BUCKET, prefix: '', endpoint, region: 'eu-central-1', pathStyle: true }
}

async function startHere(
  kafka: KafkaSettings,
  place: string | WriterRoleOptions['snapshots'],
): Promise<{ role: WriterRole; lines: string[] }> {
  const lines: string[] = []
  const role = await startWriterRole({ ...optionsFor(kafka, place), log: (line) => lines.push(line) })
  roles.push(role)
  return { role, lines }
}

/** A writer elsewhere: the frames that it acknowledged, as hashes, and what it told its operator. */
function startElsewhere(
  kafka: KafkaSettings,
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): { child: ChildProcess; acknowledged: string[]; lines: string[] } {
  const child = spawn(
    process.execPath,
    [runtimeEntry(new URL('./writer-child.ts', import.meta.url)), JSON.stringify(optionsFor(kafka, folder))],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } },
  )
  children.push(child)
  const acknowledged: string[] = []
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => acknowledged.push(line.split(' ')[3]!))
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
  return { child, acknowledged, lines }
}

/** Transfers, record after record, until it is told to end. */
function startLoad(source: CommandSource): {
  sent: () => number
  last: () => bigint
  end: () => Promise<void>
} {
  let isOver = false
  let sent = 0
  let last = 0n
  const running = (async () => {
    while (!isOver) {
      last = await source.send(Array.from({ length: 10 }, () => transfer('cash', 'a', 1n)))
      sent += 10
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  return {
    sent: () => sent,
    last: () => last,
    end: () => {
      isOver = true
      return running
    },
  }
}

await withKafka('the writer role', (kafka) => {
  async function newPlace(
    partitions: number,
  ): Promise<{ settings: KafkaSettings; folder: string; source: CommandSource }> {
    const settings = await kafka.deployment(partitions)
    const source = await openCommandSource(settings)
    sources.push(source)
    return { settings, folder: newFolder(), source }
  }

  /** That the log holds each command's outcome once and what anybody acknowledged. Gaps are an error of the reading. */
  async function expectWhole(
    settings: KafkaSettings,
    transfers: number,
    acknowledged: readonly string[],
  ): Promise<void> {
    const { events, frames } = await readLog(settings)
    const ids = events
      .filter(({ kind }) => kind === 'TransferPosted')
      .map(({ transferId }) => formatId(transferId))
    expect(ids).toHaveLength(transfers)
    expect(new Set(ids).size).toBe(transfers)
    const accepted = new Set(frames.map(({ hash }) => Buffer.from(hash).toString('hex')))
    expect(acknowledged.filter((hash) => !accepted.has(hash))).toEqual([])
  }

  describe('the writer role', () => {
    it('one serves all partitions; a second takes its share from a snapshot; one that stops gives back', async () => {
      const { settings, folder, source } = await newPlace(4)
      const first = await startHere(settings, folder)
      await until('all are served', () => first.role.status().ready)
      expect(first.role.status()).toMatchObject({
        reasons: [],
        partitions: [0, 1, 2, 3].map((partition) => ({
          partition,
          state: 'serving',
          epoch: 1n,
          snapshot: null,
        })),
      })
      for (const partition of [0, 1, 2, 3]) await source.send([openAccount(partition)], partition)
      await until('all is consumed', () =>
        [0, 1, 2, 3].every(
          (partition) => first.role.supervisor(partition)!.serving()!.status().sequence === 1n,
        ),
      )
      const second = await startHere(settings, folder)
      await until('two halves', () =>
        [first, second].every(({ role }) => role.status().ready && served(role) === 2),
      )
      const moved = [0, 1, 2, 3].filter((partition) => second.role.supervisor(partition) !== undefined)
      for (const partition of moved) {
        const writer = second.role.supervisor(partition)!.serving()!
        // The first one stopped in order: its last snapshot was there.
        expect(writer.recovery.replayed.events + (writer.recovery.snapshot?.sequence ?? 0n)).toBe(1n)
        expect(writer.status().accounts).toBe(1)
      }
      await second.role.stop()
      await until('all are served again', () => first.role.status().ready && served(first.role) === 4)
      const last = await Promise.all(
        [0, 1, 2, 3].map((partition) => source.send([openAccount('b')], partition)),
      )
      await until('all is consumed', () =>
        [0, 1, 2, 3].every((partition) => {
          const { writer, recordsBehind } = first.role.supervisor(partition)!.status()
          return writer!.next.offset === last[partition]! + 1n && recordsBehind === 0n
        }),
      )
    })

    it('snapshots go to a bucket, and the next writer, on another machine, begins with one of them', async () => {
      const bucket = await startBucket()
      stores.push(bucket)
      vi.stubEnv('AWS_ACCESS_KEY_ID', BUCKET_CREDENTIALS.accessKeyId)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', BUCKET_CREDENTIALS.secretAccessKey)
      const { settings, source } = await newPlace(1)
      const first = await startHere(settings, bucketAt(bucket))
      const last = await source.send([openAccount('cash', -1n), openAccount('a'), transfer('cash', 'a', 1n)])
      await until('all is consumed', () => next(first.role) > last)
      await first.role.stop()
      const second = await startHere(settings, bucketAt(bucket))
      await until('it is served again', () => served(second.role) === 1)
      expect(second.role.supervisor(0)!.serving()!.recovery).toMatchObject({
        snapshot: { sequence: 3n },
        replayed: { events: 0n },
      })
      expect([...first.lines, ...second.lines].filter((line) => line.includes('store'))).toEqual([])
    })

    it('a bucket that is not there is refused by name before anything is served', async () => {
      const bucket = await startBucket()
      stores.push(bucket)
      vi.stubEnv('AWS_ACCESS_KEY_ID', BUCKET_CREDENTIALS.accessKeyId)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', BUCKET_CREDENTIALS.secretAccessKey)
      const { settings } = await newPlace(1)
      const elsewhere: WriterRoleOptions['snapshots'] = { ...bucketAt(bucket), kind: 's3', bucket: 'other', prefix: '', pathStyle: true } // prettier-ignore
      await expect(startHere(settings, elsewhere)).rejects.toMatchObject({ code: 'snapshot_store_refused' })
      expect((await readLog(settings)).frames).toEqual([])
    })

    it('a store that takes connections and never answers keeps no writer that is told to stop', async () => {
      const silent = await startSilentStore()
      stores.push(silent)
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'any')
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'any')
      const { settings } = await newPlace(2)
      const { role } = await startHere(settings, bucketAt(silent))
      expect(role.status()).toMatchObject({
        ready: false,
        partitions: [{ state: 'starting' }, { state: 'starting' }],
      })
      await role.stop()
      expect(role.supervisor(0)!.status().state).toBe('stopped')
    })

    it('a writer that is killed under load is replaced: every command has one outcome, nothing acknowledged is lost', async () => {
      const { settings, folder, source } = await newPlace(1)
      const other = startElsewhere(settings, folder)
      await source.send([openAccount('cash', -1n), openAccount('a')])
      await until('it serves', () => other.acknowledged.length > 0)
      const here = await startHere(settings, folder)
      expect(served(here.role)).toBe(0)
      const load = startLoad(source)
      await until('load', () => load.sent() > 200)
      other.child.kill('SIGKILL')
      await until('it is served here', () => served(here.role) === 1)
      await until('more load', () => load.sent() > 1_000)
      await load.end()
      await until(
        'all is consumed',
        () => here.role.supervisor(0)!.serving()!.log.head().nextCommandOffset > load.last(),
      )
      await expectWhole(settings, load.sent(), other.acknowledged)
      expect(here.role.supervisor(0)!.serving()!.status()).toMatchObject({ epoch: 2n, accounts: 2 })
    })

    it('one whose clock is minutes behind takes over: recorded times go on, ids of right clocks wait for one that is right', async () => {
      const { settings, folder, source } = await newPlace(1)
      const first = await startHere(settings, folder)
      const last = await source.send([openAccount('cash', -1n), openAccount('a'), transfer('cash', 'a', 1n)])
      await until('all is consumed', () => next(first.role) > last)
      await first.role.stop()

      const clockFile = path.join(newFolder(), 'clock')
      writeFileSync(clockFile, String(-BEHIND_MS))
      const environment = { NODE_OPTIONS: `--import ${SHIFTED_CLOCK}`, TEST_CLOCK_FILE: clockFile }
      const behind = startElsewhere(settings, folder, environment)
      const early = transfer('cash', 'a', 2n)
      const own = { ...transfer('cash', 'a', 3n), id: makeUuidV7(Date.now() - BEHIND_MS, randomBytes(10)) }
      const both = await source.send([early, own])
      await until('both are consumed', async () => {
        const { frames } = await readLog(settings)
        return frames.at(-1)!.nextCommandOffset > both
      })
      const ended = once(behind.child, 'exit')
      behind.child.kill('SIGTERM')
      await ended

      const second = await startHere(settings, folder)
      const again = await source.send([early, own])
      await until('all is consumed', () => next(second.role) > again)
      const { events } = await readLog(settings)
      const amounts = events.flatMap(({ kind, amount }) => (kind === 'TransferPosted' ? [amount] : []))
      // Its own time took effect, the right time only with a right clock; each once.
      expect(amounts).toEqual([1n, 3n, 2n])
      const times = events.map(({ recordedAtNs }) => recordedAtNs)
      expect(times).toEqual([...new Set(times)].sort((left, right) => (left < right ? -1 : 1)))
    })

    it('a zombie that stood still acknowledges nothing that was not accepted, lets go, and does not come back by itself', async () => {
      const { settings, folder, source } = await newPlace(1)
      const other = startElsewhere(settings, folder)
      await source.send([openAccount('cash', -1n), openAccount('a')])
      await until('it serves', () => other.acknowledged.length > 0)
      const here = await startHere(settings, folder)
      const load = startLoad(source)
      await until('load', () => load.sent() > 200)
      other.child.kill('SIGSTOP')
      await until('it is served here', () => served(here.role) === 1)
      const before = load.sent()
      await until('more load', () => load.sent() > before + 300)
      other.child.kill('SIGCONT')
      await until('it has heard', () =>
        other.lines.some((line) => line.includes('is not served from here any more')),
      )
      const after = load.sent()
      await until('more load', () => load.sent() > after + 300)
      await load.end()
      const writer = here.role.supervisor(0)!.serving()
      expect(writer?.status().epoch).toBe(2n)
      await until('all is consumed', () => writer!.log.head().nextCommandOffset > load.last())
      await expectWhole(settings, load.sent(), other.acknowledged)
    })
  })
})

/** Offset of the next command of partition 0; 0 while it is not served. */
function next(role: WriterRole): bigint {
  return role.supervisor(0)?.serving()?.status().next.offset ?? 0n
}

function served(role: WriterRole): number {
  const { partitions } = role.status() as unknown as { partitions: readonly { state: string }[] }
  return partitions.filter(({ state }) => state === 'serving').length
}
