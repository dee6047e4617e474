import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { graphql } from './graphql-client.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

const failed = (code: string): object => ({ data: null, errors: [{ message: code, extensions: { code } }] })

/** A platform that gives these answers in turn, the last one from then on. */
async function answering(
  ...answers: readonly object[]
): Promise<{ readonly url: string; readonly asked: () => number }> {
  let asked = 0
  const server = createServer((_request, response) => {
    const answer = answers[Math.min(asked++, answers.length - 1)]
    response.end(JSON.stringify(answer))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked }
}

test('views that are not so far yet are asked again', async () => {
  const { url, asked } = await answering(failed('NOT_YET'), failed('NOT_YET'), { data: { is: 'there' } })
  expect(await graphql(url, '{ is }')).toEqual({ is: 'there' })
  expect(asked()).toBe(3)
})

test('any other error is told at once', async () => {
  const { url, asked } = await answering(failed('POSITION_AHEAD'), { data: { is: 'there' } })
  await expect(graphql(url, '{ is }')).rejects.toThrow('answered: POSITION_AHEAD')
  expect(asked()).toBe(1)
})
