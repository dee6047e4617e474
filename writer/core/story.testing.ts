/** Tables of commands in words, for tests: `transfer #1 alice bob 60 linked` and what came of it. */
import type { Command } from '../../schemas/commands.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { formatId, type Id } from '../../schemas/ids.ts'
import { createCore, type CoreOptions } from './core.ts'
import { Harness, accountIdOf, differingSections, idOf } from './harness.testing.ts'

type Row = readonly [command: string, outcome: string]

/** Optional words behind a command, each with one value behind it except `linked`. */
interface Extras {
  readonly linked: boolean
  value(word: string): string | undefined
}

export class Story {
  readonly harness: Harness
  private readonly options: Partial<CoreOptions>
  private readonly names = new Map<string, number>()
  private readonly ids = new Map<string, number>()
  private unnamed = 1_000_000

  constructor(options: Partial<CoreOptions> = {}) {
    this.options = options
    this.harness = new Harness(options)
  }

  account(name: string): Id {
    return accountIdOf(numberIn(this.names, name))
  }

  id(name: string): Id {
    return idOf(numberIn(this.ids, name))
  }

  submit(texts: readonly string[]): WalletEvent[] {
    return this.harness.submit(texts.map((text) => this.parse(text)))
  }

  /**
   * Plays the rows, each alone or with the group it is linked with. Returns them with the outcomes that they had, in
   * the words of the rows' own outcomes: the event or refusal, then `link N` and `account=balance-held` where given.
   */
  play(rows: readonly Row[]): Row[] {
    const played: Row[] = []
    for (let from = 0; from < rows.length;) {
      let end = from
      while (end < rows.length - 1 && rows[end]![0].endsWith(' linked')) end += 1
      const group = rows.slice(from, end + 1)
      from = end + 1
      const [word, time] = group[0]![0].split(' ')
      if (word === 'wait') this.harness.nowNs += BigInt(time!)
      const commands = group.map(([text]) => (text.startsWith('wait ') ? undefined : this.parse(text)))
      const asked = commands.filter((command) => command !== undefined)
      const events = asked.length === 0 ? this.harness.expire() : this.harness.submit(asked)
      group.forEach((row, index) => played.push([row[0], this.outcome(row[1], commands[index]?.id, events)]))
    }
    return played
  }

  /** Names of the state's sections in which a replay of all rows differs from the core. */
  replayed(): readonly string[] {
    const core = createCore({ partition: 0, ...this.options })
    for (const payload of this.harness.payloads) core.apply(payload)
    return differingSections(core.save(), this.harness.core.save())
  }

  private outcome(expected: string, id: Id | undefined, events: WalletEvent[]): string {
    if (expected === '') return ''
    const at = events.findIndex((event) => id === undefined || formatId(event.transferId) === formatId(id))
    const event = at < 0 ? undefined : events.splice(at, 1)[0]
    const words = expected.split(' ').slice(1)
    const told = words.map((word, index) => {
      if (word === 'link') return word
      if (words[index - 1] === 'link') return `${event?.linkIndex ?? '?'}`
      const name = word.slice(0, word.indexOf('='))
      const number = this.harness.core.lookup(this.account(name))
      const view = number === undefined ? undefined : this.harness.core.account(number)
      if (view === undefined) return `${name}=?`
      const held = view.debitsPending === 0n ? '' : `-${view.debitsPending}`
      return `${name}=${view.creditsPosted - view.debitsPosted}${held}`
    })
    return [event?.refusal ?? event?.kind ?? 'none', ...told].join(' ')
  }

  private parse(text: string): Command {
    const words = text.split(' ')
    const verb = words[0]!
    const extras: Extras = {
      linked: words.includes('linked'),
      value: (word) => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined),
    }
    const condition = (side: 'debit' | 'credit') => {
      const [version, available] = [extras.value(`${side}-version`), extras.value(`${side}-has`)]
      if (version !== undefined) return { version: BigInt(version) }
      return available === undefined ? undefined : { availableAtLeast: BigInt(available) }
    }
    const common = { linked: extras.linked, memo: extras.value('memo') ?? '' }
    if (words[1]!.startsWith('#')) {
      const [, id, second, third] = words as [string, string, string, string]
      const currency = extras.value('in')
      const conditions = { ifDebit: condition('debit'), ifCredit: condition('credit') }
      const asked = {
        ...common,
        ...conditions,
        id: this.id(id),
        ...(currency === undefined ? {} : { currency }),
      }
      const number = words.slice(2, 6).find((word) => /^-?[0-9]+$/.test(word))
      if (verb === 'post' || verb === 'void') {
        const part = number === undefined ? {} : { amount: BigInt(number) }
        return {
          ...asked,
          kind: verb === 'post' ? 'PostHold' : 'VoidHold',
          related: this.id(second),
          ...part,
          keepOpen: words.includes('keep-open'),
        }
      }
      const amount = BigInt(number ?? 0)
      if (verb === 'reverse')
        return {
          ...asked, kind: 'ReverseTransfer', related: this.id(second), debit: this.account(third),
          credit: this.account(words[4]!), amount, checkedSequence: BigInt(extras.value('checked') ?? 1_000_000),
          leftToReverse: BigInt(extras.value('left') ?? 0), force: words.includes('force'),
        } // prettier-ignore
      const move = { ...asked, debit: this.account(second), credit: this.account(third), amount }
      if (verb === 'transfer') return { ...move, kind: 'Transfer' }
      const timeout = extras.value('for')
      return { ...move, kind: 'PlaceHold', ...(timeout === undefined ? {} : { timeoutNs: BigInt(timeout) }) }
    }
    const by = extras.value('by')
    const id = by === undefined ? idOf(++this.unnamed) : this.id(by)
    const debit = this.account(words[1]!)
    if (verb === 'change') {
      const amount = extras.value('overdraft')
      const owner = extras.value('owner')
      return {
        ...common, kind: 'ChangeAccount', id, debit, owner: owner ?? '',
        ...(amount === undefined ? {} : { amount: BigInt(amount) }),
      } // prettier-ignore
    }
    if (verb !== 'open') {
      const kinds = { freeze: 'FreezeAccount', unfreeze: 'UnfreezeAccount', close: 'CloseAccount' } as const
      return { ...common, kind: kinds[verb as keyof typeof kinds], id, debit }
    }
    const [currency, scale] = words[2]!.split('/') as [string, string]
    const limit = extras.value('overdraft') ?? '0'
    const bound = limit === 'none' ? { system: true } : { amount: BigInt(limit) }
    return { ...common, kind: 'OpenAccount', id, debit, currency, scale: Number(scale), ...bound }
  }
}

function numberIn(numbers: Map<string, number>, name: string): number {
  const number = numbers.get(name) ?? numbers.size + 1
  numbers.set(name, number)
  return number
}
