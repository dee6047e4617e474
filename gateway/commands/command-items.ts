/**
 * Commands that are settled one by one: each goes to its own partition, some are filled in or known to be wrong before,
 * and a linked group goes as a whole or not at all. Both lanes use it, the binary one only where it has to.
 */
import type { Command } from '../../schemas/commands.ts'
import { OutageError } from '../../projectors/clickhouse/view-store.ts'
import { crossPartition } from '../submit/command-homes.ts'
import { badInput, codeOf, fault, isRetryable, type Fault } from '../errors.ts'
import type { Outcome } from '../outcomes/outcomes.ts'
import { prepareReversal } from './reversals.ts'
import type { Services } from '../services.ts'

/** A command on its way: ready to be offered, or settled before. */
export interface CommandItem {
  /** Undefined: what was sent is no command. */
  command: Command | undefined
  /** All or nothing with the next one; also of what is no command, as far as it says so. */
  readonly linked: boolean
  partition: number
  settled: Outcome | Fault | undefined
}

/** Finds the partition of each item, and fills in what a reversal undoes. A command that is wrong is settled with why. */
export async function routeItems(services: Services, items: readonly CommandItem[]): Promise<void> {
  await Promise.all(items.map((item, index) => routeItem(services, item, `commands[${index}]`)))
}

async function routeItem(services: Services, item: CommandItem, path: string): Promise<void> {
  const { command } = item
  if (command === undefined || item.settled !== undefined) return
  try {
    if (command.kind !== 'ReverseTransfer') {
      await services.scales.check(command, path)
      item.partition = await services.homes.of(command, path)
      return
    }
    Object.assign(item, await prepareReversal(services, command, path))
  } catch (error) {
    if (error instanceof OutageError)
      item.settled = fault('VIEWS_UNAVAILABLE', 'The views cannot be read just now. Nothing happened.')
    else if (codeOf(error) === undefined) throw error
    else item.settled = error as Fault
  }
}

/** A linked group of which one cannot be offered, or that lies in several partitions, is not offered at all. */
export function failGroups(items: readonly CommandItem[]): void {
  for (let first = 0; first < items.length;) {
    let last = first
    while (items[last]!.linked && last + 1 < items.length && !isAboutAccount(items[last + 1]!)) last++
    if (last > first) failGroup(items.slice(first, last + 1), first)
    first = last + 1
  }
}

/** A command about an account stands alone: what is linked with it is wrong, and it is not. */
export function isAboutAccount({ command }: CommandItem): boolean {
  return command?.kind.endsWith('Account') === true
}

function failGroup(group: readonly CommandItem[], first: number): void {
  const bad = group.findIndex(({ settled }) => settled !== undefined)
  const elsewhere = group.findIndex(({ partition }) => partition !== group[0]!.partition)
  group.forEach((item, index) => {
    if (item.settled !== undefined) return
    if (bad >= 0) item.settled = linkedWith(group[bad]!.settled!, first + bad, first + index)
    else if (elsewhere >= 0) item.settled = crossPartition(`commands[${first + index}]`)
  })
}

/** Why a command goes down with another one: it may be sent again as it is if that one may. */
function linkedWith(cause: Outcome | Fault, bad: number, own: number): Fault {
  const text = `Linked with commands[${bad}], which cannot be taken`
  const code = cause instanceof Error ? codeOf(cause) : undefined
  if (code === undefined || !isRetryable(code)) return badInput(`commands[${own}].linked`, `${text}.`)
  return fault(code, `${text} just now. Nothing happened.`)
}

/**
 * Offers what is left, a partition at a time, and waits for the outcomes.
 * @param waits told, before anything is offered, of which partitions it will wait for; what it throws ends it
 * @throws Fault BUSY, WRITER_STOPPED where nothing was taken anywhere: the request as a whole may be sent again
 */
export async function offerItems(
  services: Services,
  items: readonly CommandItem[],
  waits: (partitions: readonly number[]) => void = () => undefined,
): Promise<void> {
  const byPartition = new Map<number, CommandItem[]>()
  for (const item of items) {
    if (item.settled !== undefined || item.command === undefined) continue
    const group = byPartition.get(item.partition)
    if (group === undefined) byPartition.set(item.partition, [item])
    else group.push(item)
  }
  if (byPartition.size > 0) waits([...byPartition.keys()])
  let taken = 0
  let refusal: unknown
  const offers = [...byPartition].map(async ([partition, group]) => {
    try {
      const settling = services.submitter.all(
        group.map(({ command }) => command!),
        partition,
      )
      taken++
      const settled = await settling
      group.forEach((item, index) => (item.settled = settled[index]!))
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      refusal = error
      for (const item of group) item.settled = error as Fault
    }
  })
  await Promise.all(offers)
  if (taken === 0 && refusal !== undefined) throw refusal as Fault
}
