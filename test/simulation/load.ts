/** What clients ask: commands of every kind, many of them wrong in every way that doors let pass. */
import type { Command, CommandKind } from '../../schemas/commands.ts'
import type { Condition } from '../../schemas/conditions.ts'
import { makeUuidV7, type Id } from '../../schemas/ids.ts'
import {
  AMOUNT_MAX,
  EVENT_ROW_BYTES_MAX,
  ID_AHEAD_MS_MAX,
  LINKED_TRANSFERS_MAX,
} from '../../schemas/limits.ts'
import type { Model } from '../model/model.ts'
import { isAboutAccount } from '../model/rules.ts'
import { keyOf } from '../model/wallet.ts'
import type { SeedOptions } from './options.ts'
import type { Random } from './random.ts'

/** Commands sent before that may be sent again. */
const REMEMBERED_MAX = 400

export class Load {
  private readonly random: Random
  private readonly options: SeedOptions
  private readonly model: Model
  private readonly nowNs: () => bigint
  private readonly sent: Command[] = []
  private readonly holds: Id[] = []
  private readonly transfers: Command[] = []

  constructor(random: Random, options: SeedOptions, model: Model, nowNs: () => bigint) {
    this.random = random
    this.options = options
    this.model = model
    this.nowNs = nowNs
  }

  /** The accounts to begin with, so that most commands find some. */
  opening(): Command[] {
    return [0, 1, 2, 3].map((number) => ({
      kind: 'OpenAccount',
      id: this.newId(),
      debit: accountId(number),
      ...(number < 2 ? { system: true } : { amount: 100n }),
      currency: 'CZK',
      scale: 2,
    }))
  }

  /** The commands of one offer. */
  offer(): Command[] {
    const { random } = this
    const { load, writer } = this.options
    const commands: Command[] = []
    const count = random.between(1, load.commandsPerOfferMax)
    // A group has to fit a frame, whatever its texts; what is left of one that is too long may be as long as is allowed.
    const groupMax = Math.floor(writer.payloadBytes / EVENT_ROW_BYTES_MAX)
    const isTooLongPossible = groupMax >= LINKED_TRANSFERS_MAX
    while (commands.length < count) {
      if (!random.chance(load.linked)) commands.push(this.command())
      else if (isTooLongPossible && random.chance(0.03))
        commands.push(...this.group(LINKED_TRANSFERS_MAX + 1))
      else commands.push(...this.group(random.between(2, Math.min(groupMax, 6))))
    }
    // Doors let no offer end in the middle of a group.
    const last = commands.at(-1)!
    if (last.linked === true) commands[commands.length - 1] = { ...last, linked: false }
    for (const command of commands) this.remember(command)
    return commands
  }

  /** A void for every hold that the model knows to be open. */
  voids(): Command[] {
    return [...this.model.wallet.holds.values()].map((hold) => ({
      kind: 'VoidHold',
      id: this.newId(),
      related: hold.id,
    }))
  }

  private group(members: number): Command[] {
    return Array.from({ length: members }, (_, index) => {
      const command = this.command()
      // A group that runs into an account command has not ended.
      return isAboutAccount(command.kind) ? command : { ...command, linked: index < members - 1 }
    })
  }

  private command(): Command {
    const { random } = this
    const { load } = this.options
    const before = this.sent.length > 0 ? this.earlier() : undefined
    if (before !== undefined && random.chance(load.repeats)) return before
    if (before !== undefined && random.chance(load.reused)) return this.changed(before)
    const command = this.fresh()
    if (!random.chance(load.oddIds)) return command
    return { ...command, id: this.oddId() }
  }

  /** Late ones mostly, but also some that the core has forgotten. */
  private earlier(): Command {
    const { random, sent } = this
    const back = random.chance(0.7) ? Math.min(sent.length, 20) : sent.length
    const { linked: _, ...alone } = sent[sent.length - 1 - random.below(back)]!
    return alone
  }

  /** The same id with another body. */
  private changed(command: Command): Command {
    switch (this.random.below(4)) {
      case 0:
        // A system account has no limit, so that an amount says nothing of it.
        if (command.system === true) return { ...command, memo: 'another memo' }
        return { ...command, amount: command.amount === 7n ? 8n : 7n }
      case 1:
        return { ...command, code: (command.code ?? 0) + 1 }
      case 2:
        return { ...command, memo: 'another memo' }
      default:
        return this.withId(this.fresh(), command.id)
    }
  }

  private withId(command: Command, id: Id): Command {
    return { ...command, id }
  }

  private fresh(): Command {
    const { random } = this
    const { holds } = this.options.load
    const roll = random.next()
    if (roll < 0.05) return this.openAccount()
    if (roll < 0.1) return this.accountStatus()
    if (roll < 0.16 && this.transfers.length > 0) return this.reversal()
    if (roll < 0.16 + holds * 0.5) return this.move('PlaceHold')
    if (roll < 0.16 + holds && this.holds.length > 0) return this.ending()
    return this.move('Transfer')
  }

  private openAccount(): Command {
    const { random } = this
    const limit = random.pick([0n, undefined, 50n, 1_000n, 'none', -1n, AMOUNT_MAX] as const)
    return {
      kind: 'OpenAccount',
      id: this.newId(),
      debit: this.account(),
      ...(limit === 'none' ? { system: true } : { amount: limit }),
      currency: random.pick(['CZK', 'CZK', 'CZK', 'EUR']),
      scale: random.chance(0.9) ? 2 : 0,
      owner: random.chance(0.5) ? 'somebody' : '',
    }
  }

  private accountStatus(): Command {
    const { random } = this
    if (random.chance(0.3)) {
      const amount = random.pick([0n, 20n, 50n, 1_000n, -1n, AMOUNT_MAX, undefined])
      const owner = amount === undefined || random.chance(0.3) ? 'somebody else' : ''
      return { kind: 'ChangeAccount', id: this.newId(), debit: this.account(), amount, owner }
    }
    const kind = random.pick<CommandKind>([
      'FreezeAccount',
      'UnfreezeAccount',
      'UnfreezeAccount',
      'CloseAccount',
    ])
    return { kind, id: this.newId(), debit: this.account() }
  }

  private move(kind: 'Transfer' | 'PlaceHold'): Command {
    const { random } = this
    const timeoutMs = kind === 'PlaceHold' ? random.below(this.options.load.holdTimeoutMsMax + 1) : 0
    return {
      kind,
      id: this.newId(),
      debit: this.account(),
      credit: this.account(),
      amount: this.amount(),
      ifDebit: this.condition(),
      ifCredit: this.condition(),
      timeoutNs: timeoutMs > 0 ? BigInt(timeoutMs) * 1_000_000n + random.bigBelow(1_000n) : undefined,
      memo: random.chance(0.1) ? 'x'.repeat(random.below(257)) : '',
      code: random.below(5),
      reference: random.chance(0.2) ? this.newId() : undefined,
      effectiveAtNs: random.chance(0.1) ? random.pick([this.nowNs() - 5n, 0n, -1n]) : undefined,
      receivedAtNs: this.nowNs(),
      ...(random.chance(0.5) ? { currency: random.chance(0.95) ? 'CZK' : random.pick(['EUR', 'XYZ']) } : {}),
    }
  }

  private ending(): Command {
    const { random } = this
    const kind = random.chance(0.6) ? 'PostHold' : 'VoidHold'
    const amount = kind === 'PostHold' && random.chance(0.7) ? this.amount() : undefined
    const open = [...this.model.wallet.holds.values()]
    const related = open.length > 0 && random.chance(0.6) ? random.pick(open).id : random.pick(this.holds)
    const keepOpen = amount !== undefined && random.chance(0.7)
    return {
      kind,
      id: this.newId(),
      related,
      amount,
      keepOpen,
      ifDebit: this.condition(),
    }
  }

  /**
   * The reversal of a transfer, as the gateway would ask for it: the views were asked up to a position, and had none. One
   * that the views already show is sent unchecked, which is what a caller that skips the gateway would do.
   */
  private reversal(): Command {
    const { random, model } = this
    const transfer = random.pick(this.transfers)
    if (random.chance(0.1)) return this.bareReversal()
    const head = model.wallet.sequence
    const viewed = random.chance(0.8) ? head : random.bigBelow(head + 1n)
    const reversedAt = model.used.reversed.get(keyOf(transfer.id))
    const seen = (model.used.reversals.get(keyOf(transfer.id)) ?? []).filter(
      ({ sequence }) => sequence <= viewed,
    )
    const left = transfer.amount! - seen.reduce((sum, { amount }) => sum + amount, 0n)
    const whole = left > 0n ? left : transfer.amount!
    const part = whole > 1n && random.chance(0.4)
    const checkedSequence = reversedAt !== undefined && reversedAt <= viewed ? 0n : viewed
    return {
      kind: 'ReverseTransfer',
      id: this.newId(),
      related: random.chance(0.97) ? transfer.id : transfer.debit!,
      debit: transfer.credit!,
      credit: transfer.debit!,
      amount: part ? 1n + random.bigBelow(whole - 1n) : random.chance(0.9) ? whole : this.amount(),
      part,
      leftToReverse: left > 0n ? left : 0n,
      force: random.chance(0.5),
      checkedSequence,
      ...(reversedAt !== undefined && random.chance(0.5) ? { finding: 'already_reversed' as const } : {}),
    }
  }

  /** The reversal of what the views do not hold as a transfer that moved money: of an id that nobody used, or of a hold. */
  private bareReversal(): Command {
    const { random, model } = this
    const isHold = this.holds.length > 0 && random.chance(0.4)
    return {
      kind: 'ReverseTransfer',
      id: this.newId(),
      related: isHold
        ? random.pick(this.holds)
        : random.chance(0.8)
          ? this.newId()
          : random.pick(this.transfers).id,
      checkedSequence: random.bigBelow(model.wallet.sequence + 1n),
      finding: isHold ? 'transfer_not_reversible' : 'transfer_not_found',
    }
  }

  private amount(): bigint {
    const { random } = this
    if (!random.chance(this.options.load.oddAmounts)) return 1n + random.bigBelow(60n)
    return random.pick([0n, -1n, -(2n ** 63n), AMOUNT_MAX, 2n ** 62n])
  }

  private condition(): Condition | undefined {
    const { random } = this
    if (!random.chance(0.08)) return undefined
    return random.chance(0.5)
      ? { version: 1n + random.bigBelow(20n) }
      : { availableAtLeast: random.bigBelow(80n) }
  }

  private account(): Id {
    return accountId(this.random.below(this.options.load.accounts))
  }

  private newId(): Id {
    return this.idAt(Number(this.nowNs() / 1_000_000n) - (this.random.chance(0.1) ? this.random.below(3) : 0))
  }

  private oddId(): Id {
    const { random } = this
    const nowMs = Number(this.nowNs() / 1_000_000n)
    const kind = random.below(4)
    if (kind === 0) return this.idAt(nowMs - random.pick([100, 10_000, 1_000_000_000]))
    if (kind === 1) return this.idAt(nowMs + ID_AHEAD_MS_MAX + random.between(1, 60_000))
    if (kind === 2) return this.idAt(nowMs + random.below(ID_AHEAD_MS_MAX / 20))
    const id = this.newId()
    return { high: id.high & ~0xf000n, low: id.low }
  }

  private idAt(timeMs: number): Id {
    const bits = new Uint8Array(10)
    for (let index = 0; index < bits.length; index++) bits[index] = this.random.below(256)
    return makeUuidV7(timeMs, bits)
  }

  private remember(command: Command): void {
    this.sent.push(command)
    if (this.sent.length > REMEMBERED_MAX) this.sent.shift()
    if (command.kind === 'PlaceHold') this.holds.push(command.id)
    if (this.holds.length > 12) this.holds.shift()
    if (command.kind === 'Transfer') this.transfers.push(command)
    if (this.transfers.length > 20) this.transfers.shift()
  }
}

/** An account's id: as good as any UUID. */
function accountId(number: number): Id {
  return { high: 0x1000_0000_0000_8000n + BigInt(number), low: 0x8000_0000_0000_0000n + BigInt(number) }
}
