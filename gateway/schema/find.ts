/** Finds what a read names, even if it was made a moment ago. */
import { badInput } from '../errors.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { AccountIdentity } from '../read/views.ts'
import type { RequestContext } from '../services.ts'
import { accountModel, type AccountModel } from './account.ts'

/** The description of the argument `after`. */
export const AFTER_TEXT = 'What the answer has to include. Waits a while for it, then fails with NOT_YET.'

/**
 * Looks something up. If it is not in the views, it may be on its way into them. Before the answer says that it does
 * not exist, this waits until the views include what the feed had brought when the request came.
 * @throws Fault NOT_YET
 */
export async function findAt<Found>(
  { services: { feed }, point: request }: RequestContext,
  point: ReadPoint,
  find: (point: ReadPoint) => Promise<Found | undefined>,
): Promise<{ readonly found: Found; readonly point: ReadPoint } | undefined> {
  const now = await find(point)
  if (now !== undefined) return { found: now, point }
  const later = await request.later(feed.position())
  if (later === point) return undefined
  const found = await find(later)
  return found === undefined ? undefined : { found, point: later }
}

/**
 * The account that a read names.
 * @throws Fault BAD_USER_INPUT if there is none
 */
export async function accountOf(
  context: RequestContext,
  id: string,
  point: ReadPoint,
): Promise<{ readonly found: AccountIdentity; readonly point: ReadPoint }> {
  const found = await findAt(context, point, (at) => context.services.views.identity(at, id))
  if (found === undefined) throw badInput('accountId', 'There is no account with this id.')
  return found
}

export async function readAccount(
  { services }: RequestContext,
  id: string,
  point: ReadPoint,
): Promise<AccountModel | undefined> {
  const row = await services.views.account(point, id)
  return row === undefined ? undefined : accountModel(row, row.status, point)
}
