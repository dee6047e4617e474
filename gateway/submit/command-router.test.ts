/** The partition that decides a command which names a hold or a transfer instead of accounts. */
import { describe, expect, test } from 'vitest'
import type { Command } from '../../schemas/commands.ts'
import { EVENT_KINDS, type EventKind } from '../../schemas/events.ts'
import { formatId, makeUuidV7, type Id } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { CommandRouter } from './command-router.ts'
import type { FoundRow } from '../outcomes/recent-events.ts'
import type { Views } from '../read/views.ts'

const PARTITIONS = 3
const NOW_MS = Date.now()

let made = 0
/** An id whose hash says `home`, made at `timeMs`. */
function idFor(home: number, timeMs = NOW_MS): Id {
  for (;;) {
    const bits = new Uint8Array(10)
    new DataView(bits.buffer).setUint32(4, ++made)
    const id = makeUuidV7(timeMs, bits)
    if (partitionOf(id, PARTITIONS) === home) return id
  }
}

interface Event {
  readonly id: Id
  readonly partition: number
  readonly recordedAtMs: number
  /** A refusal, if it is not said. */
  readonly kind?: EventKind
  readonly code?: number
}

/** What the gateway knows: events that the feed brought lately, and those that the views hold. */
function router(
  recent: () => readonly Event[],
  inViews: readonly Event[] = [],
  elsewhereWaitMs = 0,
): CommandRouter {
  const views = {
    points: { current: () => ({}), at: () => Promise.resolve({}) },
    events: (_: unknown, id: string) =>
      Promise.resolve(
        inViews
          .filter((event) => formatId(event.id) === id)
          .map(({ partition, recordedAtMs, kind = 'TransferRefused', code = 0 }) => ({
            partition,
            kind,
            command: kind === 'IdClaimed' ? 'ClaimId' : 'PostHold',
            code,
            recordedAtNs: BigInt(recordedAtMs) * 1_000_000n,
          })),
      ),
  }
  return new CommandRouter({
    partitions: PARTITIONS,
    views: views as unknown as Views,
    elsewhereWaitMs,
    find: (ids) => {
      const event = recent().find(({ id }) => BigInt.asIntN(32, id.low) === BigInt(ids[2]!))
      if (event === undefined) return undefined
      const rows = {
        frame: { partition: event.partition },
        kind: () => EVENT_KINDS[event.kind ?? 'TransferRefused'],
        code: () => event.code ?? 0,
        recordedAtNs: () => BigInt(event.recordedAtMs) * 1_000_000n,
      }
      return { rows, byte: 0 } as unknown as FoundRow
    },
    reached: () => new Map(),
  })
}

const post = (id: Id, related: Id): Command => ({ kind: 'PostHold', id, related })

describe('a command that names a hold', () => {
  test.each(['the last events', 'the views'])(
    'goes to where the hold was placed, as %s say',
    async (where) => {
      const hold = { id: idFor(1), partition: 2, recordedAtMs: NOW_MS - 5_000 }
      const known = where === 'the views' ? router(() => [], [hold]) : router(() => [hold])
      expect((await known.route(post(idFor(0), hold.id), 'input')).partition).toBe(2)
    },
  )

  test('that nobody knows goes where its id says, every time', async () => {
    const hold = idFor(1)
    for (let attempt = 0; attempt < 3; attempt++)
      expect((await router(() => []).route(post(idFor(0), hold), 'input')).partition).toBe(1)
  })

  test.each(['the last events', 'the views'])(
    'an id that has an outcome goes to where that is, as %s say, whatever has become known since',
    async (where) => {
      const hold = { id: idFor(1), partition: 2, recordedAtMs: NOW_MS - 5_000 }
      const refused = { id: idFor(0, NOW_MS - 6_000), partition: 1, recordedAtMs: NOW_MS - 5_500 }
      const known = where === 'the views' ? router(() => [], [hold, refused]) : router(() => [hold, refused])
      expect((await known.route(post(refused.id, hold.id), 'input')).partition).toBe(1)
    },
  )

  test('that is younger than the command: what another gateway may just have told of the command is waited for', async () => {
    const hold = { id: idFor(1), partition: 2, recordedAtMs: NOW_MS + 1_000 }
    const refused = { id: idFor(0), partition: 1, recordedAtMs: NOW_MS + 500 }
    let isHere = false
    const known = router(() => (isHere ? [hold, refused] : [hold]), [], 2_000)
    setTimeout(() => (isHere = true), 50)
    expect((await known.route(post(refused.id, hold.id), 'input')).partition).toBe(1)
    // And if nobody has, it goes to the hold.
    expect((await router(() => [hold], [], 20).route(post(idFor(0), hold.id), 'input')).partition).toBe(2)
  })
})

describe('a command whose id was claimed', () => {
  const hold = { id: idFor(1), partition: 2, recordedAtMs: NOW_MS - 5_000 }
  const claim = { id: idFor(0, NOW_MS - 6_000), partition: 0, recordedAtMs: NOW_MS - 5_500, kind: 'IdClaimed', code: 1 } as const // prettier-ignore

  test.each(['the last events', 'the views'])(
    'goes to the partition that it was claimed for, as %s say, whatever has become known since',
    async (where) => {
      const known = where === 'the views' ? router(() => [], [hold, claim]) : router(() => [hold, claim])
      expect((await known.route(post(claim.id, hold.id), 'input')).partition).toBe(1)
    },
  )

  test('is not found where its id is named as a hold: nothing was made with it yet', async () => {
    const named = { ...claim, id: idFor(0) }
    expect((await router(() => [named]).route(post(idFor(1), named.id), 'input')).partition).toBe(0)
    expect((await router(() => [], [named]).route(post(idFor(1), named.id), 'input')).partition).toBe(0)
  })
})

describe('a transfer or hold to another partition', () => {
  const transfer: Command = { kind: 'Transfer', id: idFor(0), debit: idFor(1), credit: idFor(2), amount: 1n }

  test('goes to where the debit account lives, with its condition on that account', async () => {
    for (const kind of ['Transfer', 'PlaceHold'] as const) {
      const asked: Command = { ...transfer, kind, ifDebit: { version: 1n } }
      expect(await router(() => []).route(asked, 'input')).toEqual({
        partition: 1,
        command: { ...asked, across: true },
      })
    }
  })

  test.each([
    ['ifCreditVersion', { version: 1n }],
    ['ifCreditAvailableAtLeast', { availableAtLeast: 0n }],
  ])('goes nowhere with a condition on the other one: %s', async (field, ifCredit) => {
    const known = router(() => [])
    await expect(known.route({ ...transfer, ifCredit }, 'input')).rejects.toMatchObject({
      message: expect.stringContaining('A condition is judged where the debit account lives') as string,
      extensions: { code: 'CROSS_PARTITION', field: `input.${field}` },
    })
    // Within one partition it is as good as any.
    const within = { ...transfer, credit: idFor(1), ifCredit }
    expect((await known.route(within, 'input')).command).toEqual(within)
  })
})
