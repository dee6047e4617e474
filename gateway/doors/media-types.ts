/** Media types, as `Content-Type` and `Accept` write them (RFC 9110, sections 8.3.1 and 12.5.1). */

export interface MediaType {
  /** Type and subtype, in lower case. */
  readonly essence: string
  /** Names in lower case. Values as given, without quotes. */
  readonly parameters: ReadonlyMap<string, string>
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const ESSENCE = new RegExp(`^\\s*(${TOKEN}/${TOKEN})\\s*`)
const PARAMETER = new RegExp(`^;\\s*(?:(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?\\s*`)

/** One media type; undefined if the text is none. */
export function parseMediaType(text: string): MediaType | undefined {
  const essence = ESSENCE.exec(text)
  if (essence === null) return undefined
  const parameters = new Map<string, string>()
  let rest = text.slice(essence[0].length)
  while (rest !== '') {
    const match = PARAMETER.exec(rest)
    if (match === null) return undefined
    const [all, name, token, quoted] = match
    if (name !== undefined) parameters.set(name.toLowerCase(), token ?? quoted!.replaceAll(/\\(.)/g, '$1'))
    rest = rest.slice(all.length)
  }
  return { essence: essence[1]!.toLowerCase(), parameters }
}

/**
 * The offered type that an `Accept` header prefers; among equals, the first offered.
 * @param accept undefined or empty: anything is welcome
 * @param offered in lower case
 */
export function preferredType<Offered extends string>(
  accept: string | undefined,
  offered: readonly Offered[],
): Offered | undefined {
  const ranges = rangesOf(accept)
  let best: Offered | undefined
  let bestQuality = 0
  for (const type of offered) {
    const quality = qualityOf(type, ranges)
    if (quality > bestQuality) [best, bestQuality] = [type, quality]
  }
  return best
}

interface Range {
  readonly essence: string
  readonly quality: number
}

function rangesOf(accept: string | undefined): readonly Range[] {
  if (accept === undefined || accept.trim() === '') return [{ essence: '*/*', quality: 1 }]
  return accept.split(',').flatMap((text) => {
    const type = parseMediaType(text)
    // We write only UTF-8.
    if (type === undefined || !/^utf-?8$/i.test(type.parameters.get('charset') ?? 'utf-8')) return []
    const quality = Number(type.parameters.get('q') ?? 1)
    return Number.isNaN(quality)
      ? []
      : [{ essence: type.essence, quality: Math.min(Math.max(quality, 0), 1) }]
  })
}

/** The most specific range decides: the type itself, then `family/*`, then anything. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const family = `${type.slice(0, type.indexOf('/'))}/*`
  for (const essence of [type, family, '*/*']) {
    const matching = ranges.filter((range) => range.essence === essence)
    if (matching.length > 0) return Math.max(...matching.map(({ quality }) => quality))
  }
  return 0
}
