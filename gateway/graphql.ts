/** The GraphQL pipeline that all transports share: parse, validate, admit, execute, mask. */
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { parse, type DocumentNode, type GraphQLError, type ParseOptions, type Source } from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import { useAdmission, type Admission } from './admission.ts'
import { QUERY_TOKENS_MAX } from './bounds.ts'
import { answerOf, withLiteralField } from './error-answers.ts'
import { fault } from './errors.ts'
import { RequestPoint } from './read-points.ts'
import { boundedOperation } from './rules.ts'
import { schema } from './schema/schema.ts'
import type { RequestContext, Services, Transport } from './services.ts'

export type GraphqlPipeline = YogaServerInstance<{ transport: Transport }, RequestContext>

/** Characters of one query's text: parsed queries are remembered by it, so it bounds that memory as well. */
const QUERY_CHARACTERS_MAX = 64 * 1024

/** Open brackets of one query's text at a time: the parser recurses, and thousands of them would end its stack. */
const QUERY_NESTING_MAX = 200

/** Strings, block strings and comments, as the GraphQL lexer sees them: brackets in them nest nothing. */
const TEXT_WITHOUT_NESTING = /"""(?:\\"""|[\s\S])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*/g

/** Brackets open at the deepest place. */
function nestingOf(text: string): number {
  let open = 0
  let deepest = 0
  for (const [bracket] of text.replace(TEXT_WITHOUT_NESTING, '').matchAll(/[{}[\]()]/g)) {
    open += bracket === '{' || bracket === '[' || bracket === '(' ? 1 : -1
    if (open > deepest) deepest = open
  }
  return deepest
}

/** Makes the pipeline. Its HTTP half takes requests whose body is known to be within bounds. */
export function createPipeline(
  services: Services,
  admission: Admission,
  options: { readonly graphiql: boolean },
): GraphqlPipeline {
  return createYoga<{ transport: Transport }, RequestContext>({
    schema,
    graphqlEndpoint: '/graphql',
    logging: false,
    // The front has counted the body already; a second count costs more than the rest (references: 2.6 ×).
    maxRequestBodySize: false,
    cors: false,
    multipart: false,
    batching: false,
    landingPage: false,
    // The console's own files, so that it opens without the internet.
    renderGraphiQL,
    graphiql: options.graphiql ? { title: 'Purser' } : false,
    maskedErrors: { errorMessage: '', maskError: (error) => answerOf(error, services.log) },
    context: ({ transport }) => ({
      services,
      transport,
      point: new RequestPoint(services.views.points),
      onlyBalances: false,
    }),
    plugins: [useBounds(), useAdmission(admission)],
  })
}

/** Bounds text and shape before anything is executed, and names fields in what validation finds. */
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
