/** Finding what a read names, also if it came to be a moment ago. */
import { badInput } from '../errors.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { AccountIdentity } from '../read/views.ts'
import type { RequestContext } from '../services.ts'
import { accountModel, type AccountModel } from './account.ts'

/** What the argument `after` of a read means. */
export const AFTER_TEXT = 'What the answer has to include. Waits a while for it, then fails with NOT_YET.'

/**
 * What is not in the views may be on its way into them: before an answer says that there is no such thing, it waits until
 * they include what the feed had brought when it was asked for.
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

/** The account that a read is about. @throws Fault BAD_USER_INPUT where there is none */
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
