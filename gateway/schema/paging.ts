/** Pages: which rows a connection asks for, and what it reports about the rest. */
import { PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX } from '../bounds.ts'
import { badInput } from '../errors.ts'
import type { CursorKey } from '../positions/tokens.ts'
import type { PageInfoModel } from './node.ts'

export interface PageArguments {
  readonly first?: number | null | undefined
  readonly after?: CursorKey | null | undefined
  readonly last?: number | null | undefined
  readonly before?: CursorKey | null | undefined
}

export interface PageSize {
  readonly items: number
  readonly backward: boolean
}

/**
 * Reads `first` and `last`. Without either, a page has the newest items.
 * @throws Fault BAD_USER_INPUT that names the argument
 */
export function pageSize({ first, last }: PageArguments, field: string): PageSize {
  if (typeof first === 'number' && typeof last === 'number')
    throw badInput(`${field}last`, 'Give "first" or "last", not both.')
  if (typeof first === 'number') return { items: itemsOf(first, `${field}first`), backward: false }
  return { items: itemsOf(last ?? PAGE_ITEMS_DEFAULT, `${field}last`), backward: true }
}

/** Checks a number of items against the bounds of a page. */
export function itemsOf(items: number, field: string): number {
  if (items < 1 || items > PAGE_ITEMS_MAX)
    throw badInput(field, `A page has 1 to ${PAGE_ITEMS_MAX} items, not ${items}.`)
  return items
}

/** Cuts rows, read in reading order with one more than asked for, to a page in list order. */
export function cutPage<Row>(
  rows: readonly Row[],
  { items, backward }: PageSize,
  { after, before }: PageArguments,
  keyOf: (row: Row) => CursorKey,
): { readonly rows: readonly Row[]; readonly pageInfo: PageInfoModel } {
  const more = rows.length > items
  const page = rows.slice(0, items)
  if (backward) page.reverse()
  const first = page[0]
  const last = page.at(-1)
  return {
    rows: page,
    pageInfo: {
      hasNextPage: backward ? Boolean(before) : more,
      hasPreviousPage: backward ? more : Boolean(after),
      startCursor: first === undefined ? undefined : keyOf(first),
      endCursor: last === undefined ? undefined : keyOf(last),
    },
  }
}
