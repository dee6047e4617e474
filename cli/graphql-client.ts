/** GraphQL over HTTP as these commands need it: one POST, data or a failure. */
import { askPlatform } from './ask.ts'
import { CommandFailure } from './output/failure.ts'

const ANSWER_MS_MAX = 60_000

/**
 * Runs one operation.
 * @throws CommandFailure `platform_unavailable` if there is no answer, or the answer is an error
 */
export async function graphql<Data>(
  url: string,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
): Promise<Data> {
  const response = await askPlatform(url, '/graphql', ANSWER_MS_MAX, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json',
    },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = response as { data?: Data; errors?: readonly { message: string }[] }
  if (errors !== undefined || data === undefined || data === null)
    throw new CommandFailure(
      'platform_unavailable',
      `The platform at ${url} answered: ${errors?.map(({ message }) => message).join('; ') ?? 'nothing'}`,
    )
  return data
}
