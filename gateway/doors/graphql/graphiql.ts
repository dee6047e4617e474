/** GraphiQL, with its own files in the page, so that it opens without the internet, and with Purser's tour in its tabs. */
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { randomBytes } from 'node:crypto'
import { formatId, makeUuidV7 } from '../../../schemas/ids.ts'
import { tourTabs } from './tour.ts'

/** Stands in the page where the tabs go. */
const MARK = '"tabs of the tour"'

/** The page before and behind the tabs: nine megabytes, so made once, and only when somebody asks. */
let parts: readonly [Buffer, Buffer] | undefined

/**
 * The page. The tour's ids are new in each.
 * @param title of the window
 */
export function graphiqlPage(title = 'Purser'): Buffer {
  parts ??= split(renderGraphiQL({ title, defaultTabs: MARK.slice(1, -1) as never }))
  const tabs = tourTabs(() => formatId(makeUuidV7(Date.now(), randomBytes(10))))
  // Within a script, a tag in a text would end it.
  return Buffer.concat([parts[0], Buffer.from(JSON.stringify(tabs).replaceAll('<', '\\u003c')), parts[1]])
}

function split(page: string): readonly [Buffer, Buffer] {
  const at = page.lastIndexOf(MARK)
  if (at < 0) throw new Error('GraphiQL’s page does not hold its options.')
  return [Buffer.from(page.slice(0, at)), Buffer.from(page.slice(at + MARK.length))]
}
