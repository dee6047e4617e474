/**
 * Settles requests of the lane in which a command has to be looked up first. Their commands are settled one by one, as
 * bulk HTTP does it.
 */
import type { Command } from '../../schemas/commands.ts'
import type { LaneFault } from '../../schemas/lane-results.ts'
import type { Currency } from '../../schemas/money.ts'
import { failGroups, offerItems, routeItems, type CommandItem } from '../commands/command-items.ts'
import { badInput, codeOf } from '../errors.ts'
import type { Services } from '../services.ts'
import type { LaneRequest } from './request.ts'

/**
 * Settles every command of the request.
 * @param waits called before anything is offered, with the partitions that the request will wait for; if it throws,
 *   nothing is offered
 * @throws Fault BUSY, WRITER_STOPPED if no partition took anything
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
  name(items, faults, 'linked_with_fault')
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

/**
 * Sets the lane's fault of each item that failed since the last call.
 * @param badInputMeans the lane's name for bad input at this stage
 */
function name(
  items: readonly CommandItem[],
  faults: (LaneFault | undefined)[],
  badInputMeans: LaneFault,
): void {
  items.forEach(({ command, settled }, index) => {
    if (!(settled instanceof Error) || faults[index] !== undefined) return
    // The check has reported every other error of an opening: only its scale can be wrong here.
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
