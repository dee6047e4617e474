/**
 * Whether a transfer's currency exists at all. Whether it is the one of its accounts is for the core to say; a code that
 * nobody has configured and that its debit account is not in is a mistake in the request.
 */
import type { Command } from '../schemas/commands.ts'
import { formatId } from '../schemas/ids.ts'
import { badInput } from './errors.ts'
import type { Services } from './services.ts'

/** @throws Fault BAD_USER_INPUT that names the field */
export async function checkCurrency(services: Services, command: Command, path: string): Promise<void> {
  const { currency, debit } = command
  if (currency === undefined || debit === undefined || services.commands.currencies.has(currency)) return
  const { views, feed } = services
  const id = formatId(debit)
  const account =
    views.rememberedIdentity(id) ?? (await views.identity(await views.points.at(feed.position()), id))
  if (account?.currency !== currency)
    throw badInput(`${path}.currency`, `There is no currency ${currency} here.`)
}
