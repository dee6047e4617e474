/** GraphQL over HTTP as these commands need it: one POST, data or a failure. */
import { setTimeout } from 'node:timers/promises'
import { askPlatform } from './ask.ts'
import { CommandFailure } from './output/failure.ts'

const ANSWER_MS_MAX = 60_000
/** Between an answer that the views are not so far yet and the next question. The gateway has waited before it said so. */
const NOT_YET_PAUSE_MS = 200

interface Answer<Data> {
  readonly data?: Data | null
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[]
}

/**
 * Runs one operation. Views that are not so far yet are asked again, within the time that an answer may take.
 * @param answerMsMax default: a minute
 * @throws CommandFailure `platform_unavailable` if there is no answer, or the answer is an error
 */
export async function graphql<Data>(
  url: string,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
  answerMsMax = ANSWER_MS_MAX,
): Promise<Data> {
  const deadlineMs = performance.now() + answerMsMax
  let answer = await send<Data>(url, query, variables, answerMsMax)
  while (isTooEarly(answer) && performance.now() < deadlineMs) {
    await setTimeout(NOT_YET_PAUSE_MS)
    answer = await send<Data>(url, query, variables, answerMsMax)
  }
  const { data, errors } = answer
  if (errors !== undefined || data === undefined || data === null)
    throw new CommandFailure(
      'platform_unavailable',
      `The platform at ${url} answered: ${errors?.map(({ message }) => message).join('; ') ?? 'nothing'}`,
    )
  return data
}

function isTooEarly({ errors }: Answer<unknown>): boolean {
  return errors?.some(({ extensions }) => extensions?.code === 'NOT_YET') === true
}

async function send<Data>(
  url: string,
  query: string,
  variables: Readonly<Record<string, unknown>>,
  answerMsMax: number,
): Promise<Answer<Data>> {
  const answer = await askPlatform(url, '/graphql', answerMsMax, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json',
    },
    body: JSON.stringify({ query, variables }),
  })
  return answer as Answer<Data>
}
