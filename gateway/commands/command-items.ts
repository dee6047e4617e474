/**
 * Commands that are settled one by one. Each goes to its own partition. Some are filled in, or found wrong, before they
 * are offered. A linked group goes as a whole or not at all. Both bulk doors use this, the binary lane only where it
 * must.
 */
import type { Command } from '../../schemas/commands.ts'
import { OutageError } from '../../projectors/clickhouse/view-store.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { crossPartition, placedWithin } from '../submit/command-router.ts'
import { badInput, codeOf, fault, isRetryable, type Fault } from '../errors.ts'
import type { Outcome } from '../outcomes/outcomes.ts'
import { prepareReversal } from './reversals.ts'
import type { Services } from '../services.ts'

/** A command that is ready to be offered, or is settled already. */
export interface CommandItem {
  /** Undefined if the client sent something that is no command. */
  command: Command | undefined
  /** True if it is linked with the next one. Something that is no command may claim this as well. */
  readonly linked: boolean
  partition: number
  settled: Outcome | Fault | undefined
}

/**
 * Finds the partition of each item, and fills in what a reversal undoes. A command that is wrong is settled with the
 * reason.
 */
export async function routeItems(services: Services, items: readonly CommandItem[]): Promise<void> {
  await Promise.all(items.map((item, index) => routeItem(services, item, `commands[${index}]`)))
}

async function routeItem(services: Services, item: CommandItem, path: string): Promise<void> {
  const { command } = item
  if (command === undefined || item.settled !== undefined) return
  try {
    if (command.kind !== 'ReverseTransfer') {
      await services.scales.check(command, path)
      Object.assign(item, await services.router.route(command, path))
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

/**
 * Settles every command of a linked group that has a wrong member or lies in several partitions: none of it is offered.
 */
export function failGroups(items: readonly CommandItem[]): void {
  for (let first = 0; first < items.length;) {
    let last = first
    while (items[last]!.linked && last + 1 < items.length && !isAboutAccount(items[last + 1]!)) last++
    if (last > first) {
      const group = items.slice(first, last + 1)
      routeEnds(group)
      failGroup(group, first)
    }
    first = last + 1
  }
}

/** A hold that is placed within its group ends there, where no door can have found it yet. */
function routeEnds(group: readonly CommandItem[]): void {
  const commands = group.map(({ command }) => command)
  group.forEach((item, index) => {
    const placed = item.settled === undefined ? placedWithin(commands, index) : undefined
    if (placed !== undefined) item.partition = group[placed]!.partition
  })
}

/** A command about an account stands alone. A command linked with it is wrong; the account's own is not. */
export function isAboutAccount({ command }: CommandItem): boolean {
  return command?.kind.endsWith('Account') === true
}

function failGroup(group: readonly CommandItem[], first: number): void {
  const bad = group.findIndex(({ settled }) => settled !== undefined)
  const isInSeveral = group.some(
    ({ partition, command }) => partition !== group[0]!.partition || command?.across === true,
  )
  group.forEach((item, index) => {
    if (item.settled !== undefined) return
    if (bad >= 0) item.settled = linkedWith(group[bad]!.settled!, first + bad, first + index)
    else if (isInSeveral) item.settled = crossPartition(`commands[${first + index}]`, 'group')
  })
}

/** Why a command fails with the one that it is linked with. It is retryable if the cause is. */
function linkedWith(cause: Outcome | Fault, bad: number, own: number): Fault {
  const text = `Linked with commands[${bad}], which cannot be taken`
  const code = cause instanceof Error ? codeOf(cause) : undefined
  if (code === undefined || !isRetryable(code)) return badInput(`commands[${own}].linked`, `${text}.`)
  return fault(code, `${text} just now. Nothing happened.`)
}

/**
 * Offers the commands that are not settled, in one offer per partition, and waits for the outcomes.
 * @param waits called before anything is offered, with the partitions that the request will wait for; if it throws,
 *   nothing is offered
 * @throws Fault BUSY, WRITER_STOPPED if no partition took anything: the whole request may be sent again
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
  if (byPartition.size > 0) waits(awaited(byPartition, services.submitter.partitions))
  let taken = 0
  let refusal: unknown
  const offers = [...byPartition].map(async ([partition, group]) => {
    try {
      const settled = await services.submitter.all(
        group.map(({ command }) => command!),
        partition,
      )
      taken++
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

/** The partitions that decide commands, and those that keep their ids. */
function awaited(
  byPartition: ReadonlyMap<number, readonly CommandItem[]>,
  partitions: number,
): readonly number[] {
  const homes = [...byPartition.values()]
    .flat()
    .map(({ command }) => (partitions === 1 ? 0 : partitionOf(command!.id, partitions)))
  return [...new Set([...byPartition.keys(), ...homes])]
}
