/** Requests of the lane with a command that has to be looked up first: settled one by one, as the JSON lane does it. */
import type { Command } from '../../schemas/commands.ts'
import type { LaneFault } from '../../schemas/lane-results.ts'
import type { Currency } from '../../schemas/money.ts'
import { failGroups, offerItems, routeItems, type CommandItem } from '../commands/command-items.ts'
import { badInput, codeOf } from '../errors.ts'
import type { Services } from '../services.ts'
import type { LaneRequest } from './request.ts'

/**
 * Settles every command of the request.
 * @param waits told, before anything is offered, of which partitions it will wait for; what it throws ends it
 * @throws Fault BUSY, WRITER_STOPPED where nothing of it was taken
 */
export async function settlePrepared(
  services: Services,
  request: LaneRequest,
  waits: (partitions: readonly number[]) => void,
): Promise<void> {
  const items = request.commands().map((command): CommandItem => ({
    command,
    linked: command.linked === true,
    partition: 0,
    settled: undefined,
  }))
  const faults = new Array<LaneFault | undefined>(items.length).fill(undefined)
  items.forEach((item, index) => {
    const wrong = wrongCurrency(item.command!, services.commands.currencies)
    if (wrong === undefined) return
    faults[index] = wrong
    item.settled = badInput(undefined, wrong)
  })
  await routeItems(services, items)
  name(items, faults, 'not_reversible')
  failGroups(items)
  name(items, faults, 'linked_with_fault')
  await offerItems(services, items, waits)
  name(items, faults, 'internal')
  items.forEach(({ settled }, index) => {
    if (settled instanceof Error) request.fail(index, faults[index]!)
    else request.settle(index, settled!)
  })
}

function wrongCurrency(command: Command, currencies: ReadonlyMap<string, Currency>): LaneFault | undefined {
  if (command.kind !== 'OpenAccount') return undefined
  const known = currencies.get(command.currency!)
  if (known === undefined) return command.scale === undefined ? 'currency_unknown' : undefined
  return known.scale === command.scale ? undefined : 'scale_differs'
}

/** Names the faults that have come since. @param badInputMeans what it is by now that makes an input bad */
function name(
  items: readonly CommandItem[],
  faults: (LaneFault | undefined)[],
  badInputMeans: LaneFault,
): void {
  items.forEach(({ command, settled }, index) => {
    if (!(settled instanceof Error) || faults[index] !== undefined) return
    // What is wrong with an opening by itself, the check has told; here it can only be its scale.
    faults[index] = faultOf(settled, command?.kind === 'OpenAccount' ? 'scale_differs' : badInputMeans)
  })
}

function faultOf(error: Error, badInputMeans: LaneFault): LaneFault {
  switch (codeOf(error)) {
    case 'BAD_USER_INPUT':
      return badInputMeans
    case 'CROSS_PARTITION':
      return 'cross_partition'
    case 'NOT_YET':
    case 'VIEWS_UNAVAILABLE':
      return 'not_yet'
    case 'BUSY':
    case 'WRITER_STOPPED':
      return 'not_taken'
    case 'OUTCOME_UNKNOWN':
      return 'outcome_unknown'
    case 'NOT_DECIDED':
      return 'not_decided'
    case 'ID_IN_FUTURE':
      return 'id_in_future'
    default:
      return 'internal'
  }
}
