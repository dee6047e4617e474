import type { EventLog } from '../eventlog/ports.ts'
import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeCommands } from '../schemas/command-codec.ts'
import { decodeEvents } from '../schemas/events.ts'
import { startEmbeddedWriter, type EmbeddedWriter, type EmbeddedWriterOptions } from './embedded.ts'
import { replayLog } from './recovery/replay-log.ts'
import { snapshotsFolder } from './snapshots/snapshot-folder.ts'
import { accountId, newId, offer, openAccount, perform, readAll, transfer } from '../test/support/commands.ts'

let dataDir: string
let running: EmbeddedWriter[]
beforeEach(() => {
  dataDir = mkdtempSync(path.join(os.tmpdir(), 'purser-writer-'))
  running = []
})
afterEach(async () => {
  await Promise.allSettled(running.map((writer) => writer.stop()))
  rmSync(dataDir, { recursive: true })
})

async function start(options: Partial<EmbeddedWriterOptions> = {}): Promise<EmbeddedWriter> {
  const writer = await startEmbeddedWriter({ dataDir, ...options })
  running.push(writer)
  return writer
}

/** Cash and a number of accounts with 100.00 each. */
const opening = (accounts: number) => [
  openAccount('cash', -1n),
  ...Array.from({ length: accounts }, (_, index) => openAccount(index)),
  ...Array.from({ length: accounts }, (_, index) => transfer('cash', index, 10_000n)),
]

describe('an embedded writer', () => {
  it('tells every outcome through the log, in the order of the commands', async () => {
    const writer = await start()
    const repeated = transfer(0, 1, 2_500n)
    const events = await perform(writer, [...opening(2), repeated, transfer(0, 1, 7_501n), repeated])
    expect(events.map(({ kind, refusal }) => refusal ?? kind)).toEqual([
      'AccountOpened',
      'AccountOpened',
      'AccountOpened',
      'TransferPosted',
      'TransferPosted',
      'TransferPosted',
      'insufficient_funds',
    ])
    expect(events.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n])
    // What a status says may be a moment behind what the log tells.
    await expect
      .poll(() => writer.status())
      .toMatchObject({ state: 'ready', epoch: 1n, accounts: 3, holdsOpen: 0 })
  })

  it('consumes commands that make no event, by a frame without events', async () => {
    const writer = await start()
    const [command] = opening(0)
    await perform(writer, [command!])
    expect(await perform(writer, [command!])).toEqual([])
    expect(writer.log.head()).toMatchObject({ sequence: 1n, nextCommandOffset: 2n })
  })

  it('starts where it was, with the next epoch, whether or not it was stopped in order', async () => {
    const first = await start()
    await perform(first, opening(3))
    const digest = await first.digest()
    await first.stop()
    const second = await start()
    expect(second.recovery).toMatchObject({
      snapshot: { sequence: 7n },
      replayed: { events: 0n },
      unusable: [],
    })
    expect(await second.digest()).toBe(digest)
    expect(second.status()).toMatchObject({ epoch: 2n, accounts: 4, snapshot: { newest: { sequence: 7n } } })
    const events = await perform(second, [transfer(0, 1, 10_000n)])
    expect(events).toMatchObject([{ sequence: 8n, kind: 'TransferPosted', debit: { version: 3n } }])
  })

  it('commits everything taken before it stops, and takes nothing after that', async () => {
    const writer = await start()
    await perform(writer, opening(2))
    const offers = Array.from({ length: 200 }, () =>
      offer(
        writer,
        Array.from({ length: 50 }, () => transfer(0, 1, 1n)),
      ),
    )
    expect(offers.every(({ kind }) => kind === 'taken')).toBe(true)
    const stopping = writer.stop()
    expect(offer(writer, [transfer(0, 1, 1n)])).toEqual({ kind: 'stopped' })
    await stopping
    expect(writer.status()).toMatchObject({
      state: 'stopped',
      failure: undefined,
      snapshot: { newest: { sequence: 10_005n } },
    })
    expect(writer.queue.waiting()).toBe(0)
    expect(replayLog(dataDir, 0).core.account(2)!.debitsPosted).toBe(10_000n)
  })

  it('answers busy when its queue is full, and takes more when it has moved on', async () => {
    const writer = await start({ queueSlotsMax: 100 })
    await perform(writer, opening(2))
    const batch = Array.from({ length: 60 }, () => transfer(0, 1, 1n))
    expect(offer(writer, batch).kind).toBe('taken')
    expect(offer(writer, batch)).toEqual({ kind: 'busy' })
    while (writer.queue.waiting() > 0) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(offer(writer, batch).kind).toBe('taken')
  })

  it('expires a hold while it has nothing else to do', async () => {
    const writer = await start()
    await perform(writer, opening(2))
    const before = writer.log.head().sequence
    const hold = newId()
    await perform(writer, [
      {
        kind: 'PlaceHold',
        id: hold,
        debit: accountId(0),
        credit: accountId(1),
        amount: 400n,
        currency: 'EUR',
        timeoutNs: 50_000_000n,
      },
    ])
    const seen = new AbortController()
    for await (const frame of writer.log.tail(before + 2n, seen.signal)) {
      const events = decodeEvents(frame.payload)
      if (events.length === 0) continue
      expect(events).toMatchObject([{ kind: 'HoldExpired', relatedId: hold, debit: { debitsPending: 0n } }])
      seen.abort()
    }
    // What a status says may be a moment behind what the log tells.
    await expect.poll(() => writer.status().holdsOpen).toBe(0)
  })

  it('commits batches that need several frames, with no command lost between them', async () => {
    const writer = await start()
    await perform(writer, opening(2))
    const memo = 'm'.repeat(256)
    const long = Array.from({ length: 8_190 }, () => ({ ...transfer(0, 1, 1n), memo }))
    const written = (await perform(writer, long)).length
    expect(written).toBe(8_190)
    const frames = (await readAll(writer)).slice(-3)
    expect(frames.some(({ count }) => count > 0 && count < 8_190)).toBe(true)
  })

  it('tells once that its core broke down, and takes nothing after that', async () => {
    const writer = await start()
    const reasons: string[] = []
    const failed = new Promise<void>((resolve) => {
      writer.onFailure((reason) => {
        reasons.push(reason)
        resolve()
      })
    })
    const slots = encodeCommands([openAccount(1)])
    // A kind that no door lets pass.
    slots[0] = 99
    writer.queue.offer(slots, 1, () => undefined)
    await failed
    expect(offer(writer, [openAccount(1)])).toEqual({ kind: 'stopped' })
    await expect(writer.digest()).rejects.toThrow(/broke down/)
    await expect(writer.stop()).rejects.toThrow(/broke down/)
    expect(reasons).toHaveLength(1)
    expect(writer.status()).toMatchObject({ state: 'failed', failure: reasons[0] })
    const again = await start()
    expect(await perform(again, [openAccount(1)])).toMatchObject([{ kind: 'AccountOpened' }])
  })

  it('goes on when a snapshot cannot be written, and says so', async () => {
    const lines: string[] = []
    const writer = await start({ snapshots: { everyEvents: 10 }, log: (line) => lines.push(line) })
    writeFileSync(path.join(dataDir, 'snapshots'), 'in the way')
    await perform(writer, opening(10))
    await perform(writer, [transfer(0, 1, 1n)])
    await vi.waitFor(() => expect(lines).toHaveLength(1))
    await writer.stop()
    expect(lines[0]).toMatch(
      /^The snapshot at sequence 21 could not be written: .* The log is whole without it\. Another one is tried in 10 seconds/,
    )
    rmSync(path.join(dataDir, 'snapshots'))
    const again = await start()
    expect(again.recovery).toMatchObject({ snapshot: undefined, replayed: { events: 22n } })
  })

  it('refuses a log that ends before what the views hold', async () => {
    const first = await start()
    await perform(first, opening(1))
    await first.stop()
    await expect(start({ viewsPosition: new Map([[0, 99n]]) })).rejects.toMatchObject({
      code: 'log_regressed',
    })
  })
})

/** The state's digest once nothing moves: holds that have just run out are expired, and their events are durable. */
async function settledDigest(writer: { digest(): Promise<string>; log: EventLog }): Promise<string> {
  for (;;) {
    const { sequence } = writer.log.head()
    const digest = await writer.digest()
    await new Promise((resolve) => setTimeout(resolve, 50))
    if (writer.log.head().sequence === sequence && (await writer.digest()) === digest) return digest
  }
}

describe('snapshot and tail', () => {
  it('come to the state of a full replay, bit for bit', async () => {
    const options = { snapshots: { everyEvents: 500, logRatio: 0 }, core: { idsPerGeneration: 1_000 } }
    let writer = await start(options)
    await perform(writer, opening(20))
    for (let round = 0; round < 12; round++) {
      const commands = Array.from({ length: 250 }, (_, index) => [
        transfer(index % 20, (index + round) % 20, BigInt(index)),
        {
          ...transfer((index + 1) % 20, (index + 3) % 20, 3n),
          kind: 'PlaceHold' as const,
          timeoutNs: index % 3 === 0 ? 1_000_000n : undefined,
        },
      ])
      await perform(writer, commands.flat())
      if (round % 4 !== 3) continue
      const digest = await settledDigest(writer)
      expect(replayLog(dataDir, 0, { ...options, until: writer.log.head() }).digest).toBe(digest)
      expect(writer.status().snapshot?.newest?.sequence).toBeGreaterThan(500n)
      await writer.stop()
      writer = await start(options)
      expect(writer.recovery.replayed.events).toBe(0n)
      expect(await writer.digest()).toBe(digest)
    }
    expect(replayLog(dataDir, 0, { until: writer.log.head() }).trialBalance).toEqual(new Map([['EUR', 0n]]))
  })

  it('come to the same state when the newest snapshot is damaged, and when none is left', async () => {
    let writer = await start()
    await perform(writer, opening(5))
    await writer.stop()
    writer = await start()
    await perform(writer, [transfer(0, 1, 5n)])
    const digest = await writer.digest()
    await writer.stop()
    const folder = snapshotsFolder(dataDir, 0)
    const [older, newer] = readdirSync(folder).sort()
    truncateSync(path.join(folder, newer!), 1_000)

    writer = await start()
    expect(writer.recovery).toMatchObject({
      snapshot: { sequence: 11n },
      unusable: [{ file: path.join('snapshots', '0', newer!), reason: 'the file is cut off or has grown' }],
      replayed: { events: 1n },
    })
    expect(await writer.digest()).toBe(digest)
    await writer.stop()

    for (const name of readdirSync(folder)) truncateSync(path.join(folder, name), 50)
    writer = await start()
    expect(writer.recovery).toMatchObject({ snapshot: undefined, replayed: { events: 12n } })
    expect(writer.recovery.unusable.map(({ file }) => path.basename(file))).toContain(older)
    expect(await writer.digest()).toBe(digest)
    await writer.stop()

    rmSync(folder, { recursive: true })
    writer = await start()
    expect(writer.recovery).toMatchObject({ snapshot: undefined, unusable: [], replayed: { events: 12n } })
    expect(await writer.digest()).toBe(digest)
  })

  it('are refused where the log is another history of the same length', async () => {
    const writer = await start()
    await perform(writer, opening(5))
    await writer.stop()
    const other = mkdtempSync(path.join(os.tmpdir(), 'purser-writer-'))
    try {
      const stranger = await startEmbeddedWriter({ dataDir: other })
      await perform(stranger, opening(5))
      await stranger.stop()
      rmSync(path.join(dataDir, 'log'), { recursive: true })
      cpSync(path.join(other, 'log'), path.join(dataDir, 'log'), { recursive: true })
    } finally {
      rmSync(other, { recursive: true })
    }
    await expect(start()).rejects.toMatchObject({ code: 'log_regressed' })
  })

  it('are refused where the log is gone', async () => {
    const writer = await start()
    await perform(writer, opening(5))
    await writer.stop()
    rmSync(path.join(dataDir, 'log'), { recursive: true })
    await expect(start()).rejects.toThrow(/ends at sequence 0, but .* knows it up to sequence 11/)
  })
})
