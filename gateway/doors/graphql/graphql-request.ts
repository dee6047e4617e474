/** The parameters of a GraphQL request, from the query string of a GET or the body of a POST. Nothing is guessed. */
import { fault, type Fault } from '../../errors.ts'
import { objectOf, parseObject } from '../http.ts'
import { show } from '../../commands/values.ts'

export interface GraphqlParams {
  readonly query: string
  readonly operationName?: string
  readonly variables?: Readonly<Record<string, unknown>>
}

const PARAMETERS = ['query', 'operationName', 'variables', 'extensions'] as const

/** @throws Fault BAD_REQUEST; BAD_USER_INPUT that names the field */
export function paramsOfBody(body: Buffer): GraphqlParams {
  return checkParams(parseObject(body))
}

/**
 * Reads the query string of a GET. A parameter without a value counts as missing.
 * @param search the text behind the question mark
 * @throws Fault BAD_REQUEST, also for a parameter given twice; BAD_USER_INPUT that names the field
 */
export function paramsOfSearch(search: string): GraphqlParams {
  const given = new Map<string, string>()
  for (const part of search.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decoded(equals < 0 ? part : part.slice(0, equals))
    if (given.has(name)) throw wrong(`The parameter ${show(name)} is given twice. Send it once.`)
    given.set(name, equals < 0 ? '' : decoded(part.slice(equals + 1)))
  }
  const raw: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, text] of given) {
    if (text === '') continue
    const isJson = name === 'variables' || name === 'extensions'
    raw[name] = isJson && text.trim() !== 'null' ? objectOf(text, `The parameter ${name}`) : text
    if (isJson && text.trim() === 'null') raw[name] = null
  }
  return checkParams(raw)
}

/**
 * Checks the parameters of a JSON body.
 * @throws Fault BAD_REQUEST
 */
export function checkParams(raw: Readonly<Record<string, unknown>>): GraphqlParams {
  for (const name of Object.keys(raw))
    if (raw[name] !== null && !PARAMETERS.some((known) => known === name))
      throw wrong(`There is no parameter ${show(name)} here, but ${PARAMETERS.join(', ')}.`)
  const { query, operationName, variables, extensions } = raw
  if (typeof query !== 'string' || query === '') throw wrong('The parameter query has to be the text of a GraphQL document.') // prettier-ignore
  if (!isAbsent(operationName) && typeof operationName !== 'string')
    throw wrong('The parameter operationName has to be a text.')
  for (const [name, value] of Object.entries({ variables, extensions }))
    if (!isAbsent(value) && (typeof value !== 'object' || Array.isArray(value)))
      throw wrong(`The parameter ${name} has to be a JSON object.`)
  return {
    query,
    ...(isAbsent(operationName) || operationName === '' ? {} : { operationName: operationName }),
    ...(isAbsent(variables) ? {} : { variables: variables as Readonly<Record<string, unknown>> }),
  }
}

/**
 * Decodes a part of a query string. Bytes that are not UTF-8 are refused: decoded leniently, they would all become the
 * same character.
 */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw wrong('The query string is not percent-encoded UTF-8.')
  }
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null
}

function wrong(message: string): Fault {
  return fault('BAD_REQUEST', message)
}
