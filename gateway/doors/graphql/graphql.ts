/** The GraphQL pipeline that all transports share: parse, validate, admit, execute, mask. */
import {
  execute,
  parse,
  subscribe,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
  type ParseOptions,
  type Source,
} from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import { useAdmission, type Admission } from '../../admission/admission.ts'
import { QUERY_TOKENS_MAX } from '../../bounds.ts'
import { answerOf, withLiteralField } from './error-answers.ts'
import { fault } from '../../errors.ts'
import type { GraphqlParams } from './graphql-request.ts'
import { RequestPoint } from '../../read/read-points.ts'
import { boundedOperation } from './rules.ts'
import type { RequestContext, Services, Transport } from '../../services.ts'

export type GraphqlPipeline = YogaServerInstance<{ transport: Transport }, RequestContext>

/**
 * Characters of one query's text. The text is the key under which parsed queries are remembered, so this bounds that
 * memory as well.
 */
const QUERY_CHARACTERS_MAX = 64 * 1024

/** Depth of brackets in one query's text. The parser recurses; thousands of open brackets would overflow its stack. */
const QUERY_NESTING_MAX = 200

/** Strings, block strings and comments, as the GraphQL lexer reads them. Brackets inside them do not nest. */
const TEXT_WITHOUT_NESTING = /"""(?:\\"""|[\s\S])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*/g

/** The depth of brackets. */
function nestingOf(text: string): number {
  let open = 0
  let deepest = 0
  for (const [bracket] of text.replace(TEXT_WITHOUT_NESTING, '').matchAll(/[{}[\]()]/g)) {
    open += bracket === '{' || bracket === '[' || bracket === '(' ? 1 : -1
    if (open > deepest) deepest = open
  }
  return deepest
}

/**
 * Makes the pipeline: plugins, remembered documents, masked errors. It has no door: HTTP and sockets are our own
 * (graphql-http.ts, websocket.ts), so that we and not a framework's defaults decide what a stranger may send.
 */
export function createPipeline(
  schema: GraphQLSchema,
  services: Services,
  admission: Admission,
): GraphqlPipeline {
  return createYoga<{ transport: Transport }, RequestContext>({
    schema,
    graphqlEndpoint: '/graphql',
    logging: false,
    graphiql: false,
    maskedErrors: { errorMessage: '', maskError: (error) => answerOf(error, services.log) },
    context: ({ transport }) => ({
      services,
      transport,
      point: new RequestPoint(services.views.points),
      onlyBalances: false,
    }),
    plugins: [useBounds(), useReferenceExecutor(), useAdmission(admission)],
  })
}

/** An operation that is parsed and valid, and not yet admitted. */
export interface PreparedOperation {
  readonly document: DocumentNode
  /** What to execute it with. */
  args(): Promise<ExecutionArgs>
  execute(args: ExecutionArgs): OperationOutcome
  subscribe(args: ExecutionArgs): OperationOutcome
}

export type OperationOutcome = MaybePromise<ExecutionResult | AsyncIterable<ExecutionResult>>
type MaybePromise<Value> = Value | Promise<Value>

/** The pipeline for one operation. Yoga's own types leave these open. */
interface Enveloped {
  readonly schema: GraphQLSchema
  parse(query: string): DocumentNode
  validate(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[]
  contextFactory(): MaybePromise<RequestContext>
  execute(args: ExecutionArgs): OperationOutcome
  subscribe(args: ExecutionArgs): OperationOutcome
}

/**
 * Parses and validates an operation. All transports come in here.
 * @returns the operation, or the errors of its text
 * @throws GraphQLError if the text cannot be parsed or is beyond a bound
 */
export function prepareOperation(
  pipeline: GraphqlPipeline,
  transport: Transport,
  params: GraphqlParams,
): PreparedOperation | readonly GraphQLError[] {
  const enveloped = pipeline.getEnveloped({ transport, params }) as unknown as Enveloped
  const document = enveloped.parse(params.query)
  const errors = enveloped.validate(enveloped.schema, document)
  if (errors.length > 0) return errors
  return {
    document,
    args: async () => ({
      schema: enveloped.schema,
      document,
      ...(params.operationName === undefined ? {} : { operationName: params.operationName }),
      ...(params.variables === undefined ? {} : { variableValues: params.variables }),
      contextValue: await enveloped.contextFactory(),
    }),
    execute: (args) => enveloped.execute(args),
    subscribe: (args) => enveloped.subscribe(args),
  }
}

/**
 * Executes with graphql-js itself. Yoga's executor puts fields into an answer in the order in which they are resolved;
 * the specification wants the query's order (section 7.2.2).
 */
function useReferenceExecutor(): Plugin {
  return {
    onExecute: ({ setExecuteFn }) => setExecuteFn(execute),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe),
  }
}

/** Checks the bounds of text and shape before anything is executed, and adds the field to errors of validation. */
function useBounds(): Plugin {
  return {
    onParse({ params, setParseFn }) {
      const { source } = params as { source: string | Source }
      const text = typeof source === 'string' ? source : source.body
      if (text.length > QUERY_CHARACTERS_MAX)
        throw fault('OPERATION_TOO_COMPLEX', `A query has at most ${QUERY_CHARACTERS_MAX} characters.`)
      if (nestingOf(text) > QUERY_NESTING_MAX)
        throw fault('OPERATION_TOO_COMPLEX', `A query nests at most ${QUERY_NESTING_MAX} brackets.`)
      setParseFn((query: string | Source, options?: ParseOptions) =>
        parse(query, { ...options, maxTokens: QUERY_TOKENS_MAX }),
      )
    },
    onValidate({ addValidationRule, params }) {
      const { documentAST } = params as { documentAST: DocumentNode }
      addValidationRule(boundedOperation)
      return ({ result, setResult }) => {
        const errors = result as readonly GraphQLError[]
        if (errors.length > 0) setResult(errors.map((error) => withLiteralField(error, documentAST)))
      }
    },
  }
}
