import { beforeEach, describe, expect, it } from 'vitest'
import type { FrameToSeal } from '../../eventlog/handoff/log-messages.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents } from '../../schemas/events.ts'
import { horizonAfter } from '../../schemas/frame-notes.ts'
import { BATCH_COMMANDS_MAX, EVENT_ROW_BYTES } from '../../schemas/limits.ts'
import { createCore, type WalletCore } from '../core/core.ts'
import { WriterLoop, type Slab } from './loop.ts'
import { accountId, newId, openAccount, transfer } from '../../test/support/commands.ts'

/** Room for eight rows: the core keeps back what a row might take that names its accounts. */
const SLAB_BYTES = 8 * EVENT_ROW_BYTES + 80
const START_NS = BigInt(Date.now()) * 1_000_000n

/** A loop in a world of two small slabs and a clock that stands until it is set. */
let core: WalletCore
let free: Slab[]
let frames: FrameToSeal[]
let payloads: Uint8Array[]
let nowNs: bigint
let loop: WriterLoop

function build(slabBytes = SLAB_BYTES, idsPerGeneration?: number): void {
  core = createCore({ partition: 0, ...(idsPerGeneration === undefined ? {} : { idsPerGeneration }) })
  const slabs = [0, 1].map((index) => ({ index, payload: new Uint8Array(slabBytes) }))
  free = [...slabs]
  frames = []
  payloads = []
  nowNs = START_NS
  loop = new WriterLoop(
    { core, epoch: 5n, nextCommandOffset: 100n },
    {
      nowNs: () => nowNs,
      claim: () => free.shift(),
      toLog: (frame) => {
        frames.push(frame)
        payloads.push(slabs[frame.slab]!.payload.slice(0, frame.payloadBytes))
      },
    },
  )
  released = (): void => {
    free = [...slabs]
  }
}
/** All slabs are free again. */
let released: () => void

beforeEach(() => build())

function take(commands: readonly Command[]): void {
  loop.take({ slots: encodeCommands(commands), count: commands.length })
}

/** Steps until nothing is left to do, with a disk that is always quick enough. */
function run(): void {
  for (;;) {
    released()
    if (loop.step() === 'idle') return
  }
}

const kinds = (): string[][] =>
  payloads.map((payload) => decodeEvents(payload).map(({ kind, refusal }) => refusal ?? kind))

describe('the loop', () => {
  it('says in three frames, one behind the other, up to which millisecond ids are expired', () => {
    build(SLAB_BYTES, 2)
    take([openAccount('cash', -1n), ...['a', 'b', 'c', 'd', 'e'].map((name) => openAccount(name))])
    run()
    expect(core.idHorizonMs()).toBeGreaterThan(0)
    // The same command again makes no event.
    const again = openAccount('f')
    for (let hours = 1n; hours <= 2n; hours++) {
      nowNs = START_NS + hours * 3_600_000_000_000n + 1_234_567n
      const before = frames.length
      for (let frame = 0; frame < 3; frame++) {
        take([again])
        run()
      }
      expect(frames.slice(before).reduce(horizonAfter, -1)).toBe(core.idHorizonMs())
    }
  })

  it('opens its epoch with a frame without events that consumes nothing', () => {
    expect(loop.open()).toBe(true)
    expect(frames).toMatchObject([
      { epoch: 5n, firstSequence: 1n, count: 0, payloadBytes: 0, nextCommandOffset: 100n },
    ])
  })

  it('puts all that waits into one frame', () => {
    take([openAccount('cash', -1n), openAccount(1)])
    take([transfer('cash', 1, 10n)])
    take([transfer(1, 'cash', 11n)])
    expect(loop.step()).toBe('framed')
    expect(kinds()).toEqual([['AccountOpened', 'AccountOpened', 'TransferPosted', 'insufficient_funds']])
    expect(frames).toMatchObject([{ firstSequence: 1n, count: 4, nextCommandOffset: 104n }])
    expect(loop).toMatchObject({ batchesDecided: 3, frames: 1 })
    expect(loop.step()).toBe('idle')
  })

  it('goes on in the next frame where one is full, gap-free, with every command consumed once', () => {
    take([openAccount('cash', -1n), openAccount(1)])
    take(Array.from({ length: 19 }, () => transfer('cash', 1, 1n)))
    run()
    expect(frames.map(({ count }) => count)).toEqual([8, 8, 5])
    expect(frames.map(({ firstSequence }) => firstSequence)).toEqual([1n, 9n, 17n])
    expect(frames.map(({ nextCommandOffset }) => nextCommandOffset)).toEqual([108n, 116n, 121n])
    expect(core.account(2)!.creditsPosted).toBe(19n)
  })

  it('never splits a linked group between frames', () => {
    take([openAccount('cash', -1n), openAccount(1)])
    take(Array.from({ length: 9 }, (_, index) => ({ ...transfer('cash', 1, 1n), linked: index % 3 !== 2 })))
    run()
    const links = payloads.map((payload) => decodeEvents(payload).map(({ linkIndex }) => linkIndex))
    expect(links).toEqual([
      [0, 0, 1, 2, 3],
      [1, 2, 3, 1, 2, 3],
    ])
  })

  it('consumes commands without events promptly, by a frame of their own', () => {
    const command = openAccount(1)
    take([command])
    run()
    take([command, command])
    expect(loop.step()).toBe('framed')
    expect(frames.at(-1)).toMatchObject({
      count: 0,
      firstSequence: 2n,
      payloadBytes: 0,
      nextCommandOffset: 103n,
    })
  })

  it('makes a frame of its own of a batch without commands, in its turn: a mark between those before it and those behind', () => {
    take([])
    run()
    expect(frames).toMatchObject([{ firstSequence: 1n, count: 0, payloadBytes: 0, nextCommandOffset: 100n }])
    take([])
    take([openAccount('cash', -1n)])
    run()
    take([])
    run()
    expect(kinds()).toEqual([[], [], ['AccountOpened'], []])
    expect(frames.map(({ isSkip }) => isSkip)).toEqual([true, true, undefined, true])
    expect(frames.map(({ nextCommandOffset }) => nextCommandOffset)).toEqual([100n, 100n, 101n, 101n])
  })

  it('decides at most as many commands a frame as one batch may have, and the rest of a batch with it', () => {
    build(3 * BATCH_COMMANDS_MAX * EVENT_ROW_BYTES)
    const command = openAccount(1)
    for (let batch = 0; batch < 5; batch++)
      take(Array.from({ length: BATCH_COMMANDS_MAX / 2 }, () => command))
    run()
    expect(frames.map(({ nextCommandOffset }) => nextCommandOffset - 100n)).toEqual([8192n, 16384n, 20480n])
  })

  it('decides nothing while no slab is free, and goes on where it was', () => {
    take([openAccount('cash', -1n), openAccount(1)])
    take(Array.from({ length: 20 }, () => transfer('cash', 1, 1n)))
    expect([loop.step(), loop.step(), loop.step(), loop.step()]).toEqual([
      'framed',
      'framed',
      'blocked',
      'blocked',
    ])
    expect(core.sequence()).toBe(16n)
    released()
    expect(loop.step()).toBe('framed')
    expect(core.sequence()).toBe(22n)
  })

  it('expires holds before it decides, also when they fill several frames', () => {
    take([openAccount('cash', -1n), openAccount(1)])
    const holds = Array.from({ length: 10 }, () => ({
      ...transfer('cash', 1, 1n),
      kind: 'PlaceHold' as const,
      timeoutNs: 1_000n,
    }))
    take(holds)
    run()
    const before = frames.length
    expect(loop.nextDeadlineNs()).toBeGreaterThan(nowNs)
    nowNs += 1_000_000n
    take([
      {
        kind: 'PostHold',
        id: newId(),
        related: holds[9]!.id,
        debit: accountId('cash'),
        credit: accountId(1),
        currency: 'EUR',
      },
    ])
    run()
    expect(kinds().slice(before)).toEqual([
      Array.from({ length: 8 }, () => 'HoldExpired'),
      ['HoldExpired', 'HoldExpired', 'hold_not_open'],
    ])
    expect(loop.nextDeadlineNs()).toBe(0n)
  })

  it('stamps frames that never go back in time, though the clock does', () => {
    take([openAccount('cash', -1n), openAccount(1)])
    run()
    nowNs -= 10_000_000_000n
    take([transfer('cash', 1, 1n)])
    run()
    expect(frames[1]!.timeNs).toBeGreaterThan(frames[0]!.timeNs)
    expect(frames[1]!.timeNs).toBe(core.recordedAtNs())
  })

  it('makes of its frames what a replay makes of them', () => {
    take([openAccount('cash', -1n), openAccount(1), openAccount(2)])
    take(
      Array.from({ length: 40 }, (_, index) => transfer(index % 3 === 0 ? 'cash' : 1, 2, BigInt(index % 4))),
    )
    run()
    const replayed = createCore({ partition: 0 })
    for (const payload of payloads) replayed.apply(payload)
    expect(replayed.save()).toEqual(core.save())
  })

  it('stops where not even an empty frame would do', () => {
    build(EVENT_ROW_BYTES - 8)
    take([openAccount(1)])
    expect(() => loop.step()).toThrow(/no progress/)
  })
})
