import { queryError } from '../errors.ts'

/** A piece of a query that means something: blanks and comments are left out. */
export interface Token {
  /** `word` is a bare name, keyword or number; `name` a quoted identifier; `string` a literal; `symbol` one other character. */
  readonly kind: 'word' | 'name' | 'string' | 'symbol'
  readonly start: number
  readonly end: number
}

const BLANK = /[\s\0]/
const WORD = /[\p{L}\p{N}_]+/uy
const HEREDOC = /\$(\w*)\$/y

/**
 * Yields the tokens of a text in ClickHouse SQL, one at a time, so that a caller can stop where data begins.
 * Quotes end at their like, unless doubled or after a backslash; `--`, `#!` and `# ` comment out the line.
 * @throws QueryError (SYNTAX_ERROR) for a quote or comment that does not end
 */
export function* tokens(text: string): Generator<Token, void, void> {
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    const next = text[at + 1]
    if (BLANK.test(char)) {
      at++
    } else if ((char === '-' && next === '-') || (char === '#' && (next === '!' || next === ' '))) {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end + 1
    } else if (char === '/' && next === '*') {
      at = endAfter(text, '*/', at + 2, 'comment')
    } else if (char === "'" || char === '"' || char === '`') {
      const end = endOfQuoted(text, at)
      yield { kind: char === "'" ? 'string' : 'name', start: at, end }
      at = end
    } else {
      const end = endOfWord(text, at) ?? endOfHeredoc(text, at)
      if (end === undefined) {
        yield { kind: 'symbol', start: at, end: at + 1 }
        at++
      } else {
        yield { kind: char === '$' ? 'string' : 'word', start: at, end }
        at = end
      }
    }
  }
}

/** The bare word of a token in capitals, or nothing if it is anything else: keywords are recognised by this. */
export function keyword(text: string, token: Token | undefined): string | undefined {
  return token?.kind === 'word' ? text.slice(token.start, token.end).toUpperCase() : undefined
}

/** True if the token is exactly this one character, outside quotes. */
export function isSymbol(text: string, token: Token | undefined, symbol: string): boolean {
  return token?.kind === 'symbol' && text[token.start] === symbol
}

function endOfQuoted(text: string, start: number): number {
  const quote = text[start]!
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at + 1
      at++
    }
  }
  throw queryError('SYNTAX_ERROR', `Syntax error: the quote at position ${start + 1} does not end.`)
}

function endOfWord(text: string, start: number): number | undefined {
  WORD.lastIndex = start
  return WORD.test(text) ? WORD.lastIndex : undefined
}

function endOfHeredoc(text: string, start: number): number | undefined {
  HEREDOC.lastIndex = start
  const tag = HEREDOC.exec(text)?.[0]
  return tag === undefined ? undefined : endAfter(text, tag, start + tag.length, 'heredoc')
}

function endAfter(text: string, mark: string, from: number, what: string): number {
  const end = text.indexOf(mark, from)
  if (end < 0)
    throw queryError('SYNTAX_ERROR', `Syntax error: the ${what} at position ${from + 1} does not end.`)
  return end + mark.length
}
