/**
 * Several gateways share one topic, and offsets come late, twice or never. Every client is still told its own outcomes.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { withinRecord } from '../../eventlog/queue/offer-offsets.ts'
import type { CommandOffset } from '../../eventlog/ports.ts'
import { sealed } from '../../test/support/memory-log.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { makeUuidV7, type Id } from '../../schemas/ids.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import { NO_CROSSINGS } from './crossings/no-crossings.testing.ts'
import { PendingCommands, type PendingOffer } from './pending.ts'
import { RecentEvents } from './recent-events.ts'
import { ID_WORDS, putIdWords, type FrameRows } from '../../schemas/frame-rows.ts'

const GATEWAYS = 3

interface Command {
  readonly id: number
  readonly body: bigint
  /** Time of receipt: the same for the commands of one offer, and for no other. */
  readonly receivedAtNs: bigint
}

function idOf(index: number): Id {
  return makeUuidV7(1_700_000_000_000, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, index]))
}

function eventOf({ id, body, receivedAtNs }: Command, sequence: bigint): WalletEvent {
  return sampleEvent({ sequence, receivedAtNs, transferId: idOf(id), fingerprint: body })
}

/** The topic, the writer behind it and the log: every id makes one event, of the first command that carries it. */
class World {
  readonly records: (readonly Command[])[] = []
  readonly frames: Frame[] = []
  readonly events: { readonly command: Command; readonly sequence: bigint }[] = []
  next: CommandOffset = { offset: 0n, index: 0 }

  store(commands: readonly Command[]): bigint {
    this.records.push(commands)
    return BigInt(this.records.length - 1)
  }

  /** Consumes at most so many commands, in one frame. */
  consume(most: number): void {
    const before = this.frames.at(-1)
    const first = before === undefined ? 1n : lastSequence(before) + 1n
    const events: WalletEvent[] = []
    for (let left = most; left > 0; left--) {
      const record = this.records[Number(this.next.offset)]
      if (record === undefined) break
      const command = record[this.next.index]!
      if (!this.events.some((event) => event.command.id === command.id)) {
        const sequence = first + BigInt(events.length)
        this.events.push({ command, sequence })
        events.push(eventOf(command, sequence))
      }
      const index = this.next.index + 1
      this.next =
        index < record.length
          ? { offset: this.next.offset, index }
          : { offset: this.next.offset + 1n, index: 0 }
    }
    const frame = sealed(0, events, first, before?.hash ?? new Uint8Array(32))
    const { offset, index } = this.next
    this.frames.push({ ...frame, nextCommandOffset: offset, nextCommandIndex: index })
  }

  hasUnconsumed(): boolean {
    return this.next.offset < BigInt(this.records.length)
  }
}

interface Record {
  readonly offers: readonly { readonly offer: PendingOffer; readonly commands: readonly Command[] }[]
  readonly commands: readonly Command[]
  attempts: number
  /** The last attempt that has arrived, or will. */
  arrived: number
  offset: bigint | undefined
}

class Gateway {
  readonly told = new Map<Command, string>()
  readonly offered: Command[] = []
  readonly lost = new Set<Command>()
  readonly pending: PendingCommands
  record: Record | undefined
  readonly #world: World
  #waiting: { offer: PendingOffer; commands: readonly Command[] }[] = []
  #delivered = 0
  #late: (readonly Command[])[] = []

  constructor(world: World, generationBytes: number, keptBytesMax: number) {
    this.#world = world
    this.pending = new PendingCommands(new RecentEvents(generationBytes), keptBytesMax)
  }

  offer(commands: readonly Command[]): void {
    const ids = new Int32Array(commands.length * ID_WORDS)
    commands.forEach(({ id }, index) => putIdWords(ids, index * ID_WORDS, idOf(id)))
    const tell = (index: number, how: string): void => {
      expect(this.told.has(commands[index]!)).toBe(false)
      this.told.set(commands[index]!, how)
    }
    const earlier = (index: number, rows: FrameRows, byte: number): void =>
      tell(index, rows.fingerprint(byte) === commands[index]!.body ? 'replayed' : 'reused')
    const offer = this.pending.add({
      count: commands.length,
      ids,
      offeredAtMs: 0,
      ...NO_CROSSINGS,
      onEvent: (index, rows, byte) => {
        expect(rows.fingerprint(byte)).toBe(commands[index]!.body)
        tell(index, 'own')
      },
      onEarlier: earlier,
      onFound: (index, rows, byte) => {
        const { receivedAtNs, body } = commands[index]!
        const isOwn = rows.isReceivedAt(byte, Number(receivedAtNs), 0) && rows.fingerprint(byte) === body
        if (isOwn) tell(index, 'own')
        else earlier(index, rows, byte)
      },
      onSkipped: () => {
        throw new Error('no frame is a mark')
      },
      onEventless: (index, { frame, mayBeOwn }) => {
        // As the views tell it, once they include the frame.
        const { id, body, receivedAtNs } = commands[index]!
        const event = this.#world.events.find(({ command }) => command.id === id)!
        expect(event.sequence).toBeLessThanOrEqual(lastSequence(frame))
        const isOwn = mayBeOwn && event.command.receivedAtNs === receivedAtNs
        tell(index, event.command.body !== body ? 'reused' : isOwn ? 'own' : 'replayed')
      },
      onUnknown: (from) => {
        for (let index = from; index < commands.length; index++) tell(index, 'unknown')
      },
    })
    this.#waiting.push({ offer, commands })
    this.offered.push(...commands)
  }

  /** Sends what waits as one record; or sends the record that is on its way once more. */
  send(): void {
    if (this.record !== undefined) this.record.attempts++
    else if (this.#waiting.length > 0) {
      const offers = this.#waiting
      this.#waiting = []
      const commands = offers.flatMap((one) => one.commands)
      this.record = { offers, commands, attempts: 1, arrived: 0, offset: undefined }
    }
  }

  /** What was sent arrives in the topic, now, or later than what is sent after it. */
  arrive(isLate: boolean): void {
    const { record } = this
    if (record === undefined || record.arrived === record.attempts) return
    record.arrived = record.attempts
    if (isLate) this.#late.push(record.commands)
    else record.offset = this.#world.store(record.commands)
  }

  arriveLate(): void {
    const commands = this.#late.shift()
    if (commands !== undefined) this.#world.store(commands)
  }

  /** The broker's answer: to the last attempt. */
  answer(): void {
    const { record } = this
    if (record?.offset === undefined) return
    this.record = undefined
    let index = 0
    for (const { offer, commands } of record.offers) {
      const of = { recordCount: record.commands.length, isRepeated: record.attempts > 1 }
      this.pending.stored(offer, withinRecord(record.offset, index, commands.length, of))
      index += commands.length
    }
  }

  /** No answer, for too long. */
  lose(): void {
    const { record } = this
    if (record === undefined) return
    this.record = undefined
    for (const command of record.commands) this.lost.add(command)
    for (const { offer } of record.offers) this.pending.stored(offer, undefined)
  }

  deliver(): boolean {
    const frame = this.#world.frames[this.#delivered]
    if (frame === undefined) return false
    this.#delivered++
    this.pending.onFrame(frame)
    return true
  }

  hasWork(): boolean {
    return this.record !== undefined || this.#waiting.length > 0
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('offer' as const), ids: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }), body: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('send' as const) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('arrive' as const), isLate: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('arrive late' as const) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('answer' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('lose' as const) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('consume' as const), most: fc.nat(6) }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant('deliver' as const) }) },
) // prettier-ignore

test('every command is told once what became of it, and whether it was its own doing, in any order of sends, answers and frames', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(GATEWAYS - 1), step), { maxLength: 80 }),
      fc.constantFrom(0, 1e6),
      fc.constantFrom(0, 3_000, 1e6),
      (steps, generationBytes, keptBytesMax) => {
        const world = new World()
        const gateways = Array.from(
          { length: GATEWAYS },
          () => new Gateway(world, generationBytes, keptBytesMax),
        )
        let received = 0n
        for (const [at, action] of steps) {
          const gateway = gateways[at]!
          switch (action.what) {
            case 'offer': {
              const receivedAtNs = ++received
              gateway.offer(action.ids.map((id, index) => ({ id, body: BigInt((action.body + index) % 2), receivedAtNs }))) // prettier-ignore
              break
            }
            case 'send':
              gateway.send()
              break
            case 'arrive':
              gateway.arrive(action.isLate)
              break
            case 'arrive late':
              gateway.arriveLate()
              break
            case 'answer':
              gateway.answer()
              break
            case 'lose':
              gateway.lose()
              break
            case 'consume':
              world.consume(action.most)
              break
            case 'deliver':
              gateway.deliver()
          }
          for (const { pending } of gateways) expect(pending.keptBytes).toBeLessThanOrEqual(keptBytesMax)
        }
        for (const gateway of gateways)
          while (gateway.hasWork()) {
            gateway.send()
            gateway.arrive(false)
            gateway.answer()
          }
        while (world.hasUnconsumed()) world.consume(4)
        for (const gateway of gateways) {
          while (gateway.deliver());
          expect(gateway.pending.count).toBe(0)
          expect(gateway.pending.keptBytes).toBe(0)
          for (const command of gateway.offered) {
            const first = world.events.find((event) => event.command.id === command.id)?.command
            const expected = first === command ? 'own' : first?.body === command.body ? 'replayed' : 'reused'
            expect(gateway.told.get(command)).toBe(gateway.lost.has(command) ? 'unknown' : expected)
          }
        }
      },
    ),
    { numRuns: 3_000 },
  )
})

test('what stands before a place that is not known is settled at once; the frame waits for the rest', () => {
  const world = new World()
  const [ours, other] = [new Gateway(world, 1e6, 1e6), new Gateway(world, 1e6, 1e6)]
  const command = (id: number, receivedAtNs: bigint): Command => ({ id, body: 0n, receivedAtNs })
  world.consume(0)
  ours.deliver()
  const exchange = (gateway: Gateway): void => {
    gateway.send()
    gateway.arrive(false)
  }
  ours.offer([command(1, 1n)])
  exchange(ours)
  ours.answer()
  other.offer([command(2, 2n)])
  exchange(other)
  ours.offer([command(3, 3n)])
  exchange(ours)
  world.consume(3)
  ours.deliver()
  expect([...ours.told.values()]).toEqual(['own'])
  expect(ours.pending.keptBytes).toBeGreaterThan(0)
  ours.answer()
  expect([...ours.told.values()]).toEqual(['own', 'own'])
  expect(ours.pending.keptBytes).toBe(0)
})
