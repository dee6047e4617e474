/** What a GraphQL caller learns of an error: a code, the field if there is one, and nothing internal. */
import { randomUUID } from 'node:crypto'
import {
  GraphQLError,
  Kind,
  visit,
  type ASTNode,
  type DocumentNode,
  type GraphQLFormattedError,
} from 'graphql'
import { OutageError } from '../../../projectors/clickhouse/view-store.ts'
import { badInput, codeOf, fault, isRetryable, type Fault } from '../../errors.ts'

/** `Variable "$input" got invalid value "x" at "input.transfers[3].amount"; …` (graphql-js, execution/values). */
const VARIABLE = /^Variable "\$(\w+)"(?:.* at "([^"]+)")?/s

/** `…; Field "id" of required type "UUID!" was not provided.`, `…; Field "fee" is not defined by type "TransferInput".` */
const FIELD = /; Field "(\w+)" (?:of required type|is not defined)/

/** Turns anything thrown into the error that the caller may see. The rest goes to the log, under a correlation id. */
export function answerOf(error: unknown, log: (line: string) => void): Error {
  if (error instanceof OutageError) return viewsUnavailable()
  if (!(error instanceof GraphQLError)) return hidden(error, undefined, log)
  if (codeOf(error) !== undefined) return withVariableField(error)
  const cause = rootCause(error)
  if (cause !== undefined) {
    if (cause instanceof OutageError) return viewsUnavailable(error)
    const code = codeOf(cause)
    if (code !== undefined)
      return new GraphQLError(cause.message, {
        ...nodesAndPath(error),
        extensions: (cause as GraphQLError).extensions,
      })
    if (!(cause instanceof GraphQLError)) return hidden(cause, error, log)
  }
  const field = variableField(error.message)
  if (field !== undefined) return badInput(field, sentence(error.message))
  if (error.message.startsWith('Syntax Error'))
    return fault('GRAPHQL_PARSE_FAILED', error.message, {}, nodesAndPath(error))
  return fault('BAD_REQUEST', error.message, {}, nodesAndPath(error))
}

/**
 * An error as every transport sends it: with `code` and `retryable`, without what the pipeline keeps for itself
 * (statuses, causes). Errors of parsing and validation have no `retryable` of their own; the list of codes has it.
 */
export function publicError(error: unknown, log: (line: string) => void): GraphQLFormattedError {
  const known = answerOf(error, log) as GraphQLError
  const { message, locations, path, extensions = {} } = known.toJSON()
  const code = codeOf(known) ?? 'BAD_REQUEST'
  const { http: _http, unexpected: _unexpected, originalError: _cause, ...told } = extensions
  return {
    message,
    ...(locations === undefined ? {} : { locations }),
    ...(path === undefined ? {} : { path }),
    extensions: { ...told, code, retryable: isRetryable(code) },
  }
}

/** Names the field in an error about a literal of the query: the arguments and input fields around the literal. */
export function withLiteralField(error: GraphQLError, document: DocumentNode): GraphQLError {
  const node = error.nodes?.[0]
  const isValue = node !== undefined && (node.kind.endsWith('Value') || node.kind === Kind.OBJECT_FIELD)
  if (!isValue || error.extensions['field'] !== undefined) return error
  const field = fieldOf(node, document)
  return field === undefined ? error : withField(error, field)
}

/** The path of a value within the arguments of its field: `input.transfers[3].amount`. */
function fieldOf(node: ASTNode, document: DocumentNode): string | undefined {
  let found: string | undefined
  visit(document, {
    enter(current, key, parent, _path, ancestors) {
      if (current !== node) return
      const chain = [...ancestors, ...(parent === undefined ? [] : [parent]), current]
      found = nameOf(chain, key)
    },
  })
  return found
}

function nameOf(chain: readonly (ASTNode | readonly ASTNode[])[], key: string | number | undefined): string {
  let name = ''
  chain.forEach((item, index) => {
    if ('kind' in item) {
      if (item.kind === Kind.ARGUMENT) name = item.name.value
      if (item.kind === Kind.OBJECT_FIELD) name += `.${item.name.value}`
      return
    }
    const owner = chain[index - 1]
    const next = chain[index + 1]
    if (owner !== undefined && 'kind' in owner && owner.kind === Kind.LIST)
      name += `[${next === undefined ? key : item.indexOf(next as ASTNode)}]`
  })
  return name
}

function withVariableField(error: Fault): Fault {
  if (error.extensions['field'] !== undefined) return error
  const field = variableField(error.message)
  return field === undefined ? error : withField(error, field)
}

/** The field that an error about a variable names. If the field is missing or unknown, its own name comes last. */
function variableField(message: string): string | undefined {
  const variable = VARIABLE.exec(message)
  if (variable === null) return undefined
  const own = FIELD.exec(message)?.[1]
  return `${variable[2] ?? variable[1]!}${own === undefined ? '' : `.${own}`}`
}

function withField(error: GraphQLError, field: string): GraphQLError {
  return new GraphQLError(sentence(error.message), {
    ...nodesAndPath(error),
    extensions: { ...error.extensions, field },
  })
}

/** Leaves out the value that graphql-js puts in front of the fault: a whole input object would say too much. */
function sentence(message: string): string {
  const wrong = /^Variable .*?; (.*)$/s.exec(message)
  return wrong?.[1] ?? message
}

function nodesAndPath(error: GraphQLError): {
  nodes?: readonly ASTNode[]
  path?: readonly (string | number)[]
} {
  return {
    ...(error.nodes === undefined ? {} : { nodes: error.nodes }),
    ...(error.path === undefined ? {} : { path: error.path }),
  }
}

function rootCause(error: GraphQLError): Error | undefined {
  let cause: Error | undefined = error.originalError
  while (cause instanceof GraphQLError && cause.originalError !== undefined) cause = cause.originalError
  return cause
}

function viewsUnavailable(place?: GraphQLError): Fault {
  return fault(
    'VIEWS_UNAVAILABLE',
    'The views cannot be read just now. Ask again in a moment.',
    {},
    place === undefined ? {} : nodesAndPath(place),
  )
}

function hidden(error: unknown, place: GraphQLError | undefined, log: (line: string) => void): Fault {
  const correlationId = randomUUID()
  log(
    `gateway: fault ${correlationId}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  )
  return fault(
    'INTERNAL',
    'Something went wrong on our side. The correlation id finds it in the log.',
    { correlationId },
    place === undefined ? {} : nodesAndPath(place),
  )
}
