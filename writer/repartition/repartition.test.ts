/** The laws of another number of partitions: whatever a deployment has been through, the new one comes to the same. */
import fc from 'fast-check'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Command } from '../../schemas/commands.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { formatId, parseId, type Id } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { rounds } from '../../test/support/rounds.ts'
import { accountIdOf, idOf, NOW_MS } from '../core/harness.testing.ts'
import { booksOf, eventsIn, runToEnd, sendByDoor, World, type Books } from './worlds.testing.ts'

const ACCOUNTS = 7
const SECOND = 1_000_000_000n

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'purser-repartition-'))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

/** Somebody who sends commands at random, as doors would hand them on, and remembers them. */
class Client {
  readonly sent: Command[] = []
  /** Doors claim ids; those of before there were claims do not. */
  isClaiming = false
  private made = 0
  private readonly world: World
  private holds: { id: Id; debit: Id; credit: Id; isOver: boolean }[] = []
  private readonly posted: { id: Id; debit: Id; credit: Id; left: bigint }[] = []

  /** @param before who did this before it, and whose holds may still be open */
  constructor(world: World, before?: Client) {
    this.world = world
    if (before === undefined) return
    this.made = before.made + 10_000
    this.holds = [...before.holds]
  }

  account(index: number): Id {
    return accountIdOf(1 + (index % ACCOUNTS))
  }

  newId(): Id {
    return idOf(++this.made + 1_000, NOW_MS + 1)
  }

  /** Opens all accounts: the first may be overdrawn without end, the others start with something. */
  open(): void {
    for (let index = 0; index < ACCOUNTS; index++) {
      const own = { system: index === 0, amount: index === 0 ? undefined : 0n, owner: `owner ${index}` }
      this.send({ kind: 'OpenAccount', id: this.newId(), debit: this.account(index), currency: 'EUR', scale: 2, ...own })
    }
    for (let index = 1; index < ACCOUNTS; index++)
      this.send({ kind: 'Transfer', id: this.newId(), debit: this.account(0), credit: this.account(index), amount: 100n })
  } // prettier-ignore

  /** One thing at random; what it is follows from the numbers alone. */
  act(what: number, from: number, to: number, size: number): void {
    const { world } = this
    const id = this.newId()
    const pair = { debit: this.account(from), credit: this.account(to) }
    const amount = BigInt(size % 60)
    const isApart = partitionOf(pair.debit, world.partitions) !== partitionOf(pair.credit, world.partitions)
    const common = { id, code: size, memo: size % 3 === 0 ? `memo ${size} žluť` : '', ...(size % 5 === 0 ? { reference: idOf(size, 5) } : {}) } // prettier-ignore
    switch (what % 11) {
      case 0:
      case 1:
      case 2: {
        const [event] = this.send({ ...common, kind: 'Transfer', ...pair, amount, currency: 'EUR', across: isApart, coordination: size % 2 === 0 ? 'saga' : 'tcc' }) // prettier-ignore
        if (event?.kind === 'TransferPosted') this.posted.push({ id, ...pair, left: amount })
        return
      }
      case 3:
      case 4: {
        if (isApart) return
        const timeout = size % 2 === 0 ? { timeoutNs: BigInt(size) * SECOND } : {}
        const [event] = this.send({ ...common, kind: 'PlaceHold', ...pair, amount, ...timeout })
        if (event?.kind === 'HoldPlaced') this.holds.push({ id, ...pair, isOver: false })
        return
      }
      case 5:
        return this.endHold(from, { ...common, kind: 'PostHold', ...(size % 4 === 0 ? {} : { amount, keepOpen: size % 4 === 1 }) }) // prettier-ignore
      case 6:
        return this.endHold(from, { ...common, kind: 'VoidHold' })
      case 7: {
        const kinds = ['FreezeAccount', 'UnfreezeAccount', 'CloseAccount'] as const
        this.send({
          id,
          kind: kinds[size % 3]!,
          debit: size % 3 === 0 || size % 7 === 0 ? pair.debit : accountIdOf(99),
        })
        if (size % 2 === 0) this.send({ id: this.newId(), kind: 'UnfreezeAccount', debit: pair.debit })
        return
      }
      case 8:
        this.send({ id, kind: 'ChangeAccount', debit: pair.debit, owner: `owner ${size}`, ...(size % 2 === 0 ? { amount: BigInt(size) } : {}) }) // prettier-ignore
        return
      case 9: {
        const original = this.posted[from % Math.max(1, this.posted.length)]
        if (original === undefined || original.left === 0n) return
        const part = size % 2 === 0 ? original.left : 1n + (amount % original.left)
        const { core } = world.deployment.harnesses[partitionOf(original.credit, world.partitions)]!
        const [event] = this.send({ ...common, kind: 'ReverseTransfer', debit: original.credit, credit: original.debit, related: original.id, amount: part, leftToReverse: original.left, checkedSequence: core.sequence(), part: part < original.left, force: size % 3 === 0 }) // prettier-ignore
        if (event !== undefined && event.refusal === undefined) original.left -= part
        return
      }
      default: {
        if (isApart) return
        const group: Command[] = [1, 2].map((member): Command => ({ ...common, id: member === 1 ? id : this.newId(), kind: 'Transfer', ...pair, amount: amount * BigInt(member), linked: member === 1, ifDebit: size % 4 === 0 ? { version: 3n } : undefined })) // prettier-ignore
        this.sendAll(group)
      }
    }
  }

  /** Voids what is open and would lie apart. */
  endHoldsApart(partitions: number): number {
    const apart = this.holds.filter(({ debit, credit, isOver }) => !isOver && partitionOf(debit, partitions) !== partitionOf(credit, partitions)) // prettier-ignore
    let ended = 0
    for (const hold of apart) {
      const [event] = this.send({ kind: 'VoidHold', id: this.newId(), related: hold.id }, hold.debit)
      if (event?.kind === 'HoldVoided') ended += 1
      hold.isOver = true
    }
    return ended
  }

  send(command: Command, at = command.debit!): ReturnType<Client['sendAll']> {
    return this.sendAll([command], at)
  }

  sendAll(commands: readonly Command[], at = commands[0]!.debit!) {
    const { deployment, partitions } = this.world
    this.sent.push(...commands)
    const to = partitionOf(at, partitions)
    const events = this.isClaiming ? sendByDoor(this.world, to, commands)! : deployment.submit(to, commands)
    deployment.settle(events)
    return events.filter(({ transferId }) => formatId(transferId) === formatId(commands[0]!.id)).filter(({ kind }) => kind !== 'HoldExpired') // prettier-ignore
  }

  /** A door claims an id and dies; so does the next one, of another account. Returns the id. */
  claimInVain(): Id {
    const { deployment, partitions } = this.world
    const id = this.newId()
    for (let code = 0; code < partitions; code++) deployment.submit(partitionOf(id, partitions), [{ kind: 'ClaimId', id, code }]) // prettier-ignore
    return id
  }

  private endHold(which: number, command: Omit<Command, 'related'>): void {
    const hold = this.holds[which % Math.max(1, this.holds.length)]
    if (hold === undefined) return
    const [event] = this.send({ ...command, related: hold.id }, hold.debit)
    if (event?.kind === 'HoldPosted' || event?.kind === 'HoldVoided') hold.isOver = true
  }
}

function expectSameBooks(old: Books, fresh: Books): void {
  expect(fresh.entries).toEqual(old.entries)
  expect([...fresh.told.keys()].sort()).toEqual([...old.told.keys()].sort())
  for (const [id, { partition: _, ...told }] of old.told) expect(fresh.told.get(id)).toMatchObject(told)
  expect(fresh.inTransit).toBe(0n)
  for (const [account, times] of old.times)
    for (const [index, time] of fresh.times.get(account)!.entries()) {
      expect(time - times[index]!).toBeGreaterThanOrEqual(0n)
      expect(time - times[index]!).toBeLessThan(10_000n)
    }
}

/** Every command again, where a door would send it: none makes an event. */
function expectRemembered(world: World, sent: readonly Command[], { told }: Books): void {
  for (const command of sent) {
    const id = formatId(command.id)
    const at = told.get(id)!.partition
    // Transfers and holds go by the debit account, what ends a hold and reverses by the first outcome.
    if (command.debit !== undefined && command.kind !== 'ReverseTransfer')
      expect([command, at]).toEqual([command, partitionOf(command.debit, world.partitions)])
    const again = world.deployment.submit(at, [{ ...command, linked: false }])
    expect(again.filter(({ transferId }) => formatId(transferId) === id)).toEqual([])
  }
}

/** By every door an id counts in the partition that has its outcome, and nowhere else; no id is claimed but for that. */
function expectCountedOnce(world: World, sent: readonly Command[], { told, claims }: Books): void {
  const { partitions } = world
  const needed = [...told].flatMap(([id, { partition }]) => {
    const home = partitionOf(parseId(id)!, partitions)
    return home === partition ? [] : [[id, home, partition]]
  })
  expect([...claims].map(([id, { home, partition }]) => [id, home, partition]).sort()).toEqual(needed.sort())
  const living = Array.from({ length: partitions }, (_, partition) =>
    [...Array(ACCOUNTS).keys()].map((index) => accountIdOf(1 + index)).find((id) => partitionOf(id, partitions) === partition)) // prettier-ignore
  for (const command of sent) {
    const at = told.get(formatId(command.id))!.partition
    expect(sendByDoor(world, at, [{ ...command, linked: false }])).toEqual([])
    for (const [other, debit] of living.entries()) {
      if (other === at || debit === undefined) continue
      const again: Command = { kind: 'Transfer', id: command.id, debit, credit: accountIdOf(1), amount: 1n, currency: 'EUR', across: other !== partitionOf(accountIdOf(1), partitions) } // prettier-ignore
      expect(sendByDoor(world, other, [again]) ?? []).toEqual([])
    }
  }
}

/** Holds that expire in a year's time, with the deadlines that they have. */
function expiries(world: World): string[] {
  return world.deployment.pass(365 * 86_400_000).filter(({ kind }) => kind === 'HoldExpired').map(({ transferId, expiresAtNs, amount }) => `${formatId(transferId)} ${expiresAtNs} ${amount}`).sort() // prettier-ignore
}

const actions = fc.array(fc.tuple(fc.nat(10), fc.nat(6), fc.nat(6), fc.nat(200)), { minLength: 20, maxLength: 80 }) // prettier-ignore

it('from 1 to 3 to 2 partitions every account has its history, every id its outcome, every open hold its deadline', () => {
  let run = 0
  let holdsKept = 0
  let split = 0
  fc.assert(
    fc.property(actions, actions, fc.boolean(), (first, second, isClaiming) => {
      const [one, three, two] = [1, 3, 2].map((count) => path.join(dir, `${++run} ${count}`)) as [string, string, string] // prettier-ignore
      const world = new World(one, 1)
      const client = new Client(world)
      client.open()
      for (const action of first) client.act(...action)
      client.endHoldsApart(3)
      world.save()
      const made = runToEnd(one, 1, three, 3)
      split += made.split
      holdsKept += made.holdsOpen
      const old = booksOf(one, 1)
      const books = booksOf(three, 3)
      expectSameBooks(old, books)
      expect(made.events).toBe(eventsIn(one, 1)[0]!.length)
      expectRemembered(new World(three, 3), client.sent, books)
      expectCountedOnce(new World(three, 3), client.sent, books)
      expect(expiries(new World(three, 3))).toEqual(expiries(world))

      const wider = new World(three, 3)
      const later = new Client(wider, client)
      later.isClaiming = isClaiming
      const inVain = [1, 2, 3].map(() => later.claimInVain())
      for (const action of second) later.act(...action)
      later.endHoldsApart(2)
      wider.save()
      runToEnd(three, 3, two, 2)
      const latest = booksOf(two, 2)
      expectSameBooks(booksOf(three, 3), latest)
      expectRemembered(new World(two, 2), [...client.sent, ...later.sent], latest)
      const narrower = new World(two, 2)
      expectCountedOnce(narrower, [...client.sent, ...later.sent], latest)
      // What was claimed and never used is free, once.
      for (const id of inVain) {
        const debits = [0, 1].map((partition) => [1, 2, 3, 4, 5].map(accountIdOf).find((one) => partitionOf(one, 2) === partition)!) // prettier-ignore
        const made = debits.map((debit) => sendByDoor(narrower, partitionOf(debit, 2), [{ kind: 'FreezeAccount', id, debit }])) // prettier-ignore
        expect(made[0]).toHaveLength(1)
        expect(made[1] ?? []).toEqual([])
      }
      expect(expiries(new World(two, 2))).toEqual(expiries(wider))
    }),
    { numRuns: rounds(8, 15) },
  )
  expect(split).toBeGreaterThan(0)
  expect(holdsKept).toBeGreaterThan(0)
})

it('every claim stands beside its command by recorded time, as if a door had sent it', () => {
  const world = new World(path.join(dir, 'old'), 1)
  const client = new Client(world)
  client.open()
  world.save()
  runToEnd(path.join(dir, 'old'), 1, path.join(dir, 'new'), 3)
  const events = eventsIn(path.join(dir, 'new'), 3).flat()
  const claims = events.filter(({ kind }) => kind === 'IdClaimed')
  expect(claims.length).toBeGreaterThan(3)
  for (const claim of claims) {
    expect(claim).toMatchObject({ command: 'ClaimId', amount: 0n, currency: '', debit: { number: 0 }, credit: { number: 0 }, partition: partitionOf(claim.transferId, 3) }) // prettier-ignore
    const claimed = events.find((event) => event !== claim && event.partition === claim.code && formatId(event.transferId) === formatId(claim.transferId))! // prettier-ignore
    // Time stands still in this world: a claim may have to let rows pass that stand a nanosecond apart.
    const aheadNs = claimed.recordedAtNs - claim.recordedAtNs
    expect(aheadNs > -100n && aheadNs < 10n).toBe(true)
    expect(claim.receivedAtNs).toBe(claimed.receivedAtNs)
  }
})

it('the same logs give the same bytes', () => {
  const world = new World(path.join(dir, 'old'), 1)
  const client = new Client(world)
  client.open()
  world.save()
  const logs = ['a', 'b'].map((name) => {
    const { to } = runToEnd(path.join(dir, 'old'), 1, path.join(dir, name), 3)
    return to.map(({ partition }) => readFileSync(path.join(dir, name, 'log', String(partition), `${'1'.padStart(20, '0')}.seg`))) // prettier-ignore
  })
  expect(logs[0]).toEqual(logs[1])
})

it('open holds whose accounts would live apart are counted, and nothing is written', () => {
  const world = new World(path.join(dir, 'old'), 1)
  const client = new Client(world)
  client.open()
  const pairs = [1, 2, 3, 4, 5].flatMap((one) => [2, 3, 4, 5, 6].map((other) => [one, other] as const))
  const [from, to] = pairs.find(([one, other]) => partitionOf(client.account(one), 3) !== partitionOf(client.account(other), 3))! // prettier-ignore
  for (let times = 0; times < 2; times++) client.act(3, from, to, 7)
  world.save()
  expect(() => runToEnd(path.join(dir, 'old'), 1, path.join(dir, 'new'), 3)).toThrow(
    expect.objectContaining({ refusal: 'holds_across', count: 2, message: expect.stringContaining('2 open holds would have their two accounts in different partitions') as string }) as Error, // prettier-ignore
  )
  expect(() => eventsIn(path.join(dir, 'new'), 3)).not.toThrow()
  expect(eventsIn(path.join(dir, 'new'), 3)).toEqual([[], [], []])
})

it('an id that has expired unused stays expired, however many more ids each partition remembers from now on', () => {
  const few = { idsPerGeneration: 16 }
  const world = new World(path.join(dir, 'old'), 1, few)
  const client = new Client(world)
  client.open()
  const id = (number: number): Id => idOf(number, NOW_MS - 1_000_000 + number * 1_000)
  for (let number = 1; number <= 60; number++)
    client.send({ kind: 'Transfer', id: id(number * 2), debit: client.account(0), credit: client.account(1), amount: 1n }) // prettier-ignore
  const unused: Command = { kind: 'Transfer', id: id(21), debit: client.account(0), credit: client.account(1), amount: 1n } // prettier-ignore
  expect(client.send(unused)).toEqual([])
  world.save()
  runToEnd(path.join(dir, 'old'), 1, path.join(dir, 'three'), 3, few)
  runToEnd(path.join(dir, 'three'), 3, path.join(dir, 'two'), 2)
  for (const [name, partitions] of [['three', 3], ['two', 2]] as const) {
    const fresh = new World(path.join(dir, name), partitions)
    const across = partitionOf(unused.debit!, partitions) !== partitionOf(unused.credit!, partitions)
    const at = partitionOf(unused.debit!, partitions)
    expect(fresh.deployment.submit(at, [{ ...unused, across }])).toEqual([])
    expect(fresh.deployment.submit(at, [{ ...unused, id: idOf(1, NOW_MS + 20), across }])).toHaveLength(1)
  }
}) // prettier-ignore

it('transfers that are under way are counted, and nothing is written', () => {
  const world = new World(path.join(dir, 'old'), 2)
  const [from, to] = world.deployment.open(500n, 'EUR')
  world.deployment.submit(0, [{ kind: 'Transfer', id: idOf(7_000), debit: from!, credit: to!, amount: 5n, across: true }]) // prettier-ignore
  world.save()
  expect(() => runToEnd(path.join(dir, 'old'), 2, path.join(dir, 'new'), 1)).toThrow(
    expect.objectContaining({ refusal: 'transfers_under_way', count: 1 }) as Error,
  )
})

it('crossings that were late, cancelled, compensated or said again come to the same, and only what was said again is left out', () => {
  const world = new World(path.join(dir, 'old'), 2)
  const { deployment } = world
  const [from, to] = deployment.open(5_000n, 'EUR')
  const crossing = (number: number, coordination: 'tcc' | 'saga', credit = to!): Command => ({ kind: 'Transfer', id: idOf(8_000 + number), debit: from!, credit, amount: 5n, across: true, coordination, memo: `${number}` }) // prettier-ignore
  const nobody = [...Array(50).keys()].map((number) => accountIdOf(9_000 + number)).find((id) => partitionOf(id, 2) === 1)! // prettier-ignore
  deployment.settle(deployment.submit(0, [crossing(1, 'tcc'), crossing(2, 'saga')]))
  deployment.settle(deployment.submit(0, [crossing(3, 'tcc', nobody), crossing(4, 'saga', nobody)]))
  const late = deployment.submit(0, [crossing(5, 'tcc'), crossing(6, 'saga')])
  const reminders = deployment.pass(2_000)
  expect(reminders.map(({ kind }) => kind)).toContain('TransferReminded')
  const timedOut = deployment.pass(10_000)
  deployment.settle(timedOut)
  deployment.settle(late)
  // Credited, and the answer is lost: the step comes again, marked, and is answered again.
  const [begun] = deployment.submit(0, [crossing(7, 'saga')])
  deployment.submit(1, [deployment.follows(begun!)!.command])
  const answered = deployment.submit(1, [deployment.follows(begun!, 1)!.command])
  expect(answered.map(({ kind }) => kind)).toEqual(['StepAnswered'])
  deployment.settle(answered)
  world.save()
  const old = booksOf(path.join(dir, 'old'), 2)
  for (const count of [1, 3]) {
    const { leftOut, events } = runToEnd(path.join(dir, 'old'), 2, path.join(dir, String(count)), count)
    expect(leftOut).toBeGreaterThan(2)
    const openings = 2
    expect(events + leftOut).toBe(eventsIn(path.join(dir, 'old'), 2).flat().length - openings)
    const fresh = booksOf(path.join(dir, String(count)), count)
    expectSameBooks(old, fresh)
    const again = new World(path.join(dir, String(count)), count)
    expect(again.deployment.harnesses.reduce((sum, { core }) => sum + core.crossingsOpen(), 0)).toBe(0)
    // And crossings go on in the channels that are free.
    if (count === 1) continue
    // Ids of before count in the whole deployment now: what is opened needs others.
    for (let used = 0; used < 100; used++) again.deployment.id()
    const [source, destination] = again.deployment.open(50n, 'EUR')
    const next: Command = { kind: 'Transfer', id: idOf(9_999), debit: source!, credit: destination!, amount: 5n, across: true } // prettier-ignore
    const made = again.deployment.submit(0, [next])
    expect(again.deployment.settle(made).at(-1)!.kind).toBe('TransferCompleted')
  }
})

it('holds across that have ended are moved with their posts, and those that are open are counted', () => {
  const old = path.join(dir, 'old')
  const world = new World(old, 2)
  const { deployment } = world
  const [from, to] = deployment.open(5_000n, 'EUR')
  const ask = (number: number, command: Partial<Command>): WalletEvent[] =>
    deployment.submit(0, [{ kind: 'PlaceHold', id: idOf(number), ...command }])
  const place = (number: number): void => {
    deployment.settle(
      ask(number, { debit: from!, credit: to!, amount: 100n, across: true, memo: `${number}` }),
    )
  }
  // With three partitions the hold has another channel: what has the first one now begins elsewhere then.
  const other = [...Array(50).keys()].map((number) => accountIdOf(9_000 + number)).find((id) => partitionOf(id, 2) === 0 && partitionOf(id, 3) !== partitionOf(from!, 3))! // prettier-ignore
  deployment.submit(0, [{ kind: 'OpenAccount', id: idOf(7_099), debit: other, currency: 'EUR', scale: 2, amount: 100n }]) // prettier-ignore
  const between = deployment.submit(0, [{ kind: 'Transfer', id: idOf(7_100), debit: other, credit: to!, amount: 5n, across: true }]) // prettier-ignore
  place(7_000)
  deployment.settle(between)
  deployment.settle(ask(7_001, { kind: 'PostHold', related: idOf(7_000), amount: 30n, keepOpen: true }))
  const posted = ask(7_002, { kind: 'PostHold', related: idOf(7_000), amount: 20n, keepOpen: true })
  const voided = ask(7_003, { kind: 'VoidHold', related: idOf(7_000) })
  deployment.settle(posted)
  deployment.settle(voided)
  place(7_010)
  deployment.settle(ask(7_011, { kind: 'PostHold', related: idOf(7_010), amount: 60n }))
  place(7_020)
  world.save()
  for (const count of [1, 3])
    expect(() => runToEnd(old, 2, path.join(dir, 'refused'), count)).toThrow(
      expect.objectContaining({ refusal: 'holds_across', count: 1 }) as Error,
    )
  deployment.settle(ask(7_021, { kind: 'VoidHold', related: idOf(7_020) }))
  world.save()
  const before = booksOf(old, 2)
  for (const count of [1, 3]) {
    runToEnd(old, 2, path.join(dir, String(count)), count)
    expectSameBooks(before, booksOf(path.join(dir, String(count)), count))
    const again = new World(path.join(dir, String(count)), count)
    expect(again.deployment.harnesses.map(({ core }) => core.crossingsOpen() + core.holdsOpen())).toEqual(Array(count).fill(0)) // prettier-ignore
    const repeat = {
      kind: 'PostHold',
      id: idOf(7_002),
      related: idOf(7_000),
      amount: 20n,
      keepOpen: true,
    } as const
    const at = partitionOf(from!, count)
    expect(again.deployment.submit(at, [repeat])).toEqual([])
  }
})
