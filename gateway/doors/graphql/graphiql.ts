/** GraphiQL with Purser's tour in its tabs. The page holds all its files, so that it opens without the internet. */
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { randomBytes } from 'node:crypto'
import { formatId, makeUuidV7 } from '../../../schemas/ids.ts'
import { tourTabs } from './tour.ts'

/** Placeholder in the page for the tabs. */
const MARK = '"tabs of the tour"'

/** The page before and behind the tabs. It has nine megabytes, so it is made once, when first asked for. */
let parts: readonly [Buffer, Buffer] | undefined

/**
 * The page. Each has new ids in its tour.
 * @param title of the window
 */
export function graphiqlPage(title = 'Purser'): Buffer {
  parts ??= split(renderGraphiQL({ title, defaultTabs: MARK.slice(1, -1) as never }))
  const tabs = tourTabs(() => formatId(makeUuidV7(Date.now(), randomBytes(10))))
  // A tag within a text would end the script that holds it.
  return Buffer.concat([parts[0], Buffer.from(JSON.stringify(tabs).replaceAll('<', '\\u003c')), parts[1]])
}

function split(page: string): readonly [Buffer, Buffer] {
  const at = page.lastIndexOf(MARK)
  if (at < 0) throw new Error('GraphiQL’s page does not hold its options.')
  return [Buffer.from(page.slice(0, at)), Buffer.from(page.slice(at + MARK.length))]
}
