/** Whether a text is a type of ClickHouse that a column of a view may have. The engine has the last word on its details. */

const PLAIN =
  /^(U?Int(8|16|32|64|128|256)|Float(32|64)|Bool|String|UUID|Date|Date32|IPv4|IPv6|FixedString\(\d+\)|DateTime(\('[\w/+-]+'\))?|DateTime64\(\d(, ?'[\w/+-]+')?\)|Decimal\(\d+, ?\d+\)|Decimal(32|64|128|256)\(\d+\)|Enum(8|16)\(.+\))$/
const AROUND = /^(Nullable|LowCardinality|Array|Map|Tuple)\((.*)\)$/

/** True for `UInt64`, `Array(LowCardinality(String))` and the like. */
export function isColumnType(text: string): boolean {
  if (PLAIN.test(text)) return true
  const [, around, inner = ''] = AROUND.exec(text) ?? []
  if (around === undefined) return false
  const parts = partsOf(inner)
  if (around === 'Map' ? parts.length !== 2 : around !== 'Tuple' && parts.length !== 1) return false
  // Members of a tuple may have names.
  return parts.every((part) => isColumnType(part) || isColumnType(part.replace(/^\w+ /, '')))
}

/** What commas divide, except within parentheses and quotes. */
function partsOf(text: string): string[] {
  const parts: string[] = ['']
  let depth = 0
  let isQuoted = false
  for (const sign of text) {
    if (sign === "'") isQuoted = !isQuoted
    if (!isQuoted && sign === '(') depth++
    if (!isQuoted && sign === ')') depth--
    if (!isQuoted && depth === 0 && sign === ',') parts.push('')
    else parts[parts.length - 1] += sign
  }
  return parts.map((part) => part.trim())
}
