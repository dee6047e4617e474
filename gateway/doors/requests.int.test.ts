import fc from 'fast-check'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { paramsOfSearch } from './graphql/graphql-request.ts'
import { rawRequest, requestText, type RawAnswer } from './raw.testing.ts'
import { gatewayUnderTest, openAccounts, uuid, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

let under: GatewayUnderTest
let accounts: readonly string[]
beforeAll(async () => {
  under = await gatewayUnderTest()
  accounts = (await openAccounts(under, 2)).accounts
})
afterAll(() => under.stop())

const RESPONSE = 'application/graphql-response+json'

function get(search: string, accept = RESPONSE): Promise<Response> {
  return fetch(`${under.url}/graphql?${search}`, { headers: { accept } })
}

function post(
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(under.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: RESPONSE, ...headers },
    body,
  })
}

/** Status and first code of an answer in either shape. */
async function told(answer: Response | Promise<Response>): Promise<string> {
  const { status } = await answer
  const body = (await (await answer).json()) as {
    error?: { code: string; retryable: unknown }
    errors?: { extensions: { code: string; retryable: unknown } }[]
  }
  const { code, retryable } = body.error ??
    body.errors?.[0]?.extensions ?? { code: 'no error', retryable: false }
  return `${status} ${code}${typeof retryable === 'boolean' ? '' : ', retryable not said'}`
}

describe('a query string', () => {
  const QUERY = 'query=%7B__typename%7D'
  test.each([
    ['variables that are no JSON', `${QUERY}&variables=notjson`],
    ['variables that are a list', `${QUERY}&variables=%5B%5D`],
    ['variables that are a text', `${QUERY}&variables=%22x%22`],
    ['extensions that are no JSON', `${QUERY}&extensions=notjson`],
    ['extensions that are a number', `${QUERY}&extensions=5`],
    ['a query given twice', `${QUERY}&query=%7Ba%7D`],
    ['variables given twice', `${QUERY}&variables=%7B%7D&variables=%7B%7D`],
    ['a name given twice in two ways to write it', `${QUERY}&quer%79=x`],
    ['a parameter that there is not', `${QUERY}&variable=%7B%7D`],
    ['no query', 'variables=%7B%7D'],
    ['an empty query', 'query='],
    ['nothing', ''],
    ['bytes that are no UTF-8', 'query=%7B%20a(b%3A%22M%FCller%22)%20%7D'],
    ['half an escape', 'query=%7'],
    ['an operation that the document does not have', `${QUERY}&operationName=Other`],
  ])('%s is 400, and no fault of ours', async (_what, search) => {
    for (const accept of [RESPONSE, 'application/json'])
      if (accept === RESPONSE || !search.includes('operationName'))
        expect(await told(get(search, accept))).toBe('400 BAD_REQUEST')
    expect(under.lines).toEqual([])
  })

  test('a key twice in its variables, or a number that no double holds, is named', async () => {
    const variables = (text: string): Promise<Response> =>
      get(`${QUERY}&variables=${encodeURIComponent(text)}`)
    const twice = await variables('{"a":{"amount":"1","amount":"1000"}}')
    expect(await twice.json()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'a.amount' } }],
    })
    expect(await told(variables('{"a":4503599627370497.5}'))).toBe('400 BAD_USER_INPUT')
  })

  test('is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.boolean(), fc.maxSafeInteger())),
        fc.boolean(),
        (query, variables, plus) => {
          const encode = (text: string): string => {
            const encoded = encodeURIComponent(text)
            return plus ? encoded.replaceAll('%20', '+') : encoded
          }
          const search = `query=${encode(query)}&variables=${encode(JSON.stringify(variables))}&operationName=`
          expect(paramsOfSearch(search)).toEqual({ query, variables })
        },
      ),
    )
  })
})

describe('a body', () => {
  const QUERY = '{"query":"{ __typename }"}'
  /** A path, and a body that it takes. */
  const DOORS = [['/graphql', QUERY], ['/commands', '{"commands":[]}'], ['/imports/x/times', '{"partition":0}'], ['/imports/x/known', '{"rows":[]}']] as const // prettier-ignore

  test.each(DOORS)('%s: compressed ones are 415, and nothing of them is echoed', async (path, body) => {
    for (const encoding of ['gzip', 'GZIP', 'br', 'deflate', 'identity, gzip', 'x-unknown']) {
      const answer = await post(path, Uint8Array.from(gzipSync(body)), { 'content-encoding': encoding })
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
      expect(await told(answer), encoding).toBe('415 UNSUPPORTED_MEDIA_TYPE')
    }
    // One that does not say that it is compressed is just no UTF-8.
    const silent = await post(path, Uint8Array.from(gzipSync(body)))
    const text = await silent.text()
    expect(silent.status).toBe(400)
    expect(text.length).toBeLessThan(200)
    expect((await post(path, body, { 'content-encoding': 'identity' })).status).not.toBe(415)
  })

  test.each(DOORS)('%s: the type is application/json in any case, its character set UTF-8', async (path, body) => {
    for (const type of ['APPLICATION/JSON', 'Application/Json; Charset=UTF-8', 'application/json;charset="utf-8"', ' application/json ; x=y', 'application/json;'])
      expect((await post(path, body, { 'content-type': type })).status, type).not.toBe(415)
    for (const type of ['application/json; charset=latin1', 'application/json; charset=utf-16', 'application/jsonp', 'application/graphql', 'json', 'text/json', 'application/json, text/plain', 'application/json; charset='])
      expect(await told(post(path, body, { 'content-type': type })), type).toBe('415 UNSUPPORTED_MEDIA_TYPE')
  }) // prettier-ignore

  test.each(DOORS)('%s: bytes that are no UTF-8 are 400: two names never become one', async (path) => {
    for (const name of [[0xfc], [0xf6], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xe2, 0x82]]) {
      const body = Uint8Array.from([...Buffer.from('{"query":"{ a(b: \\"M'), ...name, ...Buffer.from('ller\\") }"}')]) // prettier-ignore
      const answer = await post(path, body)
      expect(await told(answer)).toBe('400 BAD_REQUEST')
    }
    const utf16 = Uint8Array.from(Buffer.from(`\ufeff${QUERY}`, 'utf16le'))
    expect(await told(post(path, utf16))).toBe('400 BAD_REQUEST')
  })

  test('a byte order mark in front of UTF-8 changes nothing', async () => {
    const answer = await post('/graphql', `\ufeff${QUERY}`)
    expect(await answer.json()).toEqual({ data: { __typename: 'Query' } })
  })

  test.each(DOORS)('%s: what is no JSON object is 400', async (path) => {
    for (const body of ['', ' ', 'x', '{', '[]', 'null', '5', '"x"', '{"query":', `${QUERY}${QUERY}`, "{'query':1}", '{"query":NaN}', `${'['.repeat(200)}${']'.repeat(200)}`])
      expect(await told(post(path, body)), body).toBe('400 BAD_REQUEST')
  }) // prettier-ignore

  test('parameters that there are not, and of other types, are 400', async () => {
    for (const body of ['{}', '{"query":null}', '{"query":5}', '{"query":["{a}"]}', '{"query":"{__typename}","variables":[]}', '{"query":"{__typename}","variables":"{}"}', '{"query":"{__typename}","operationName":5}', '{"query":"{__typename}","extensions":1}', '{"query":"{__typename}","variable":{}}'])
      expect(await told(post('/graphql', body)), body).toBe('400 BAD_REQUEST')
    expect(await told(post('/graphql', '{"query":"{__typename}","variables":null,"operationName":null,"extensions":null}'))).toBe('200 no error')
  }) // prettier-ignore

  test('a key twice is refused with its name, and nothing of the request happens', async () => {
    const [from, to] = accounts as [string, string]
    const command = (amount: string): string =>
      `{"kind":"transfer","id":"${uuid()}","debitAccountId":"${from}","creditAccountId":"${to}",${amount},"currency":"EUR"}`
    const balance = async (): Promise<unknown> =>
      (await under.data<{ balance: unknown }>(`{ balance(accountId: "${from}") { version balance { minor } } }`)).balance // prettier-ignore
    const before = await balance()
    const bulk = await under.post('/commands', `{"commands":[${command('"amount":"1"')},${command('"amount":"1","amount":"1000"')}]}`) // prettier-ignore
    expect(bulk).toMatchObject({
      status: 400,
      body: { error: { code: 'BAD_USER_INPUT', field: 'commands[1].amount' } },
    })
    const query = 'mutation($i: TransferInput!) { transfer(input: $i) { __typename } }'
    const input = command('"amount":"1","amou\\u006et":"1000"').replace('"kind":"transfer",', '')
    const mutation = await post('/graphql', `{"query":"${query}","variables":{"i":${input}}}`)
    expect(mutation.status).toBe(400)
    expect(await mutation.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'i.amount' } }] }) // prettier-ignore
    expect(await told(post('/graphql', `{"query":"{ __typename }","query":"{ __schema { __typename } }"}`))).toBe('400 BAD_USER_INPUT') // prettier-ignore
    expect(await balance()).toEqual(before)
  })

  test('a number with more digits than it keeps is refused with its name', async () => {
    for (const number of ['4503599627370497.5', '1.00000000000000001', '9007199254740993', '1e999']) {
      const bulk = await under.post('/commands', `{"commands":[{"kind":"transfer","amount":${number}}]}`)
      expect(bulk, number).toMatchObject({
        status: 400,
        body: { error: { code: 'BAD_USER_INPUT', field: 'commands[0].amount' } },
      })
    }
  })
})

describe('an answer', () => {
  test('keeps the order of the fields in the query, however its fields are resolved', async () => {
    const field = fc.constantFrom(
      '__typename',
      `balance(accountId: "${accounts[0]}") { version balance { minor } position }`,
      `history(accountId: "${accounts[0]}", first: 2) { pageInfo { hasNextPage } nodes { kind position memo } }`,
      'trialBalance { sum { minor } currency }',
      `account(id: "${accounts[1]}") { status owner id }`,
      `transfer(id: "${uuid()}") { id }`,
    )
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 2, maxLength: 8 }), async (fields) => {
        const query = `{ ${fields.map((text, index) => `f${index}: ${text}`).join(' ')} }`
        const answer = await under.graphql<Record<string, unknown>>(query)
        expect(Object.keys(answer.data!)).toEqual(fields.map((_, index) => `f${index}`))
      }),
      { numRuns: 25 },
    )
    const nested = await under.data<{ account: object }>(
      `{ account(id: "${accounts[0]}") { owner balance { position version } status history(first: 1) { nodes { kind } } id } }`,
    )
    expect(Object.keys(nested.account)).toEqual(['owner', 'balance', 'status', 'history', 'id'])
  })

  /** One variable wrong in each of the ways in which it can be. */
  const WRONG: readonly (readonly [string, string, string])[] = [
    ['a scalar of ours', '$a: UUID!, $n: Int', '{"a":"x"}'],
    ['a scalar of GraphQL', '$a: UUID!, $n: Int', '{"a":"018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e","n":"x"}'],
    ['one that is missing', '$a: UUID!, $n: Int', '{}'],
    ['null where there has to be one', '$a: UUID!, $n: Int', '{"a":null}'],
  ]
  test.each(WRONG)(
    'a variable that is wrong has one status, whatever its kind: %s',
    async (_what, types, variables) => {
      const body = `{"query":"query(${types}) { history(accountId: $a, first: $n) { position } }","variables":${variables}}`
      expect(await told(post('/graphql', body))).toBe('400 BAD_USER_INPUT')
      expect(await told(post('/graphql', body, { accept: 'application/json' }))).toBe('200 BAD_USER_INPUT')
    },
  )

  test('so has an enum, a field of an input, and an input with a field too many', async () => {
    const status = (query: string, variables: string): Promise<string> =>
      told(post('/graphql', `{"query":"${query}","variables":${variables}}`))
    const filter = 'query($f: HistoryFilter) { history(accountId: \\"018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e\\", filter: $f) { position } }' // prettier-ignore
    expect(await status(filter, '{"f":{"direction":"SIDEWAYS"}}')).toBe('400 BAD_USER_INPUT')
    expect(await status(filter, '{"f":{"nothing":1}}')).toBe('400 BAD_USER_INPUT')
    expect(await status(filter, '{"f":5}')).toBe('400 BAD_USER_INPUT')
    const at = 'query($at: AsOf) { balance(accountId: \\"018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e\\", at: $at) { position } }' // prettier-ignore
    expect(await status(at, '{"at":{}}')).toBe('400 BAD_USER_INPUT')
  })

  test.each([
    ['that cannot be parsed', '{ balance(', 'GRAPHQL_PARSE_FAILED'],
    ['that is not valid', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['with a literal that is wrong', '{ account(id: "x") { id } }', 'BAD_USER_INPUT'],
    ['that is too long', `{ __typename #${'x'.repeat(70_000)}\n}`, 'OPERATION_TOO_COMPLEX'],
  ])('a text %s says its code, and that asking again does not help', async (_what, query, code) => {
    const body = JSON.stringify({ query })
    for (const accept of [RESPONSE, 'application/json', 'text/event-stream']) {
      const answer = await post('/graphql', body, { accept })
      expect(answer.status).toBe(accept === RESPONSE ? 400 : 200)
      const text = await answer.text()
      const json = accept.startsWith('text/') ? /^data: (.+)$/m.exec(text)![1]! : text
      expect(JSON.parse(json)).toMatchObject({ errors: [{ extensions: { code, retryable: false } }] })
      expect(json).not.toContain('"http"')
    }
  })
})

describe('what is asked otherwise', () => {
  const MUTATION = (): string =>
    JSON.stringify({ query: `mutation { openAccount(input: { accountId: "${uuid()}", currency: "EUR" }) { __typename } }` }) // prettier-ignore

  test('an answer that nobody here gives is 406 with a body, before anything is executed', async () => {
    const before = under.admitted.length
    for (const accept of ['text/html', 'application/xml', 'multipart/mixed', 'application/json;q=0', 'application/json; charset=latin1', 'nonsense', ','])
      expect(await told(post('/graphql', MUTATION(), { accept })), accept).toBe('406 NOT_ACCEPTABLE')
    const subscription = JSON.stringify({ query: `subscription { transferStatus(id: "${uuid()}") { state } }` })
    expect(await told(post('/graphql', subscription))).toBe('406 NOT_ACCEPTABLE')
    expect(under.admitted.length).toBe(before)
  }) // prettier-ignore

  test('what is liked best is answered', async () => {
    const type = async (accept: string): Promise<string | null> =>
      (await post('/graphql', '{"query":"{ __typename }"}', { accept })).headers.get('content-type')
    expect(await type('*/*')).toBe('application/json; charset=utf-8')
    expect(await type('application/*')).toBe('application/json; charset=utf-8')
    expect(await type('APPLICATION/GRAPHQL-RESPONSE+JSON')).toBe('application/graphql-response+json; charset=utf-8')
    expect(await type('application/json;q=0.5, application/graphql-response+json')).toBe('application/graphql-response+json; charset=utf-8')
    expect(await type('text/event-stream, */*;q=0.1')).toBe('text/event-stream; charset=utf-8')
  }) // prettier-ignore

  test('a method that a path does not have is 405, says which it has, and has a body', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'HEAD'])
      for (const [path, allowed] of [['/graphql', 'GET, POST'], ['/commands', 'POST'], ['/imports/x', 'GET'], ['/imports/x/times', 'POST'], ['/imports/x/known', 'POST'], ['/livez', 'GET, HEAD'], ['/readyz', 'GET, HEAD']] as const) {
        if (allowed.includes(method)) continue
        const answer = await raw([`${method} ${path} HTTP/1.1`])
        expect(answer.status, `${method} ${path}`).toBe(405)
        expect(answer.headers.get('allow')).toBe(allowed)
        if (method !== 'HEAD') expect(answer.body).toContain('METHOD_NOT_ALLOWED')
      }
    expect((await raw(['HEAD /livez HTTP/1.1'])).status).toBe(200)
    expect((await raw(['CONNECT evil.example:443 HTTP/1.1'])).status).toBe(405)
    expect((await raw(['GET /graphql?query=mutation%7Ba%7D HTTP/1.1'])).status).toBe(200)
  }) // prettier-ignore

  test('what is nowhere is 404, for upgrades too; headers without end are 431', async () => {
    for (const path of ['/', '/graphql/', '/GRAPHQL', '/graphql%3f', '//graphql', '/commands/x', '/livez/', '*']) {
      const answer = await raw([`GET ${path} HTTP/1.1`])
      expect(answer.status, path).toBe(404)
      expect(answer.json()).toMatchObject({ error: { code: 'NOT_FOUND', retryable: false } })
    }
    const upgrade = await rawRequest(under.gateway.port, requestText(['GET /nowhere HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'])) // prettier-ignore
    expect(upgrade.status).toBe(404)
    expect(upgrade.json()).toMatchObject({ error: { code: 'NOT_FOUND' } })
    for (const lines of [[`GET /graphql?query=${'x'.repeat(20_000)} HTTP/1.1`], ['GET /livez HTTP/1.1', `X: ${'x'.repeat(20_000)}`]]) {
      const long = await raw(lines)
      expect(long.status).toBe(431)
      expect(long.json()).toMatchObject({ error: { code: 'BAD_REQUEST', retryable: false } })
    }
  }) // prettier-ignore

  test('lengths that lie, and expectations, have an answer within the bound', async () => {
    const head = ['POST /graphql HTTP/1.1', 'Content-Type: application/json']
    const QUERY = '{"query":"{ __typename }"}'
    expect((await raw([...head, 'Content-Length: 99999999'])).status).toBe(413)
    expect(
      (await raw([...head, 'Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n')).status,
    ).toBe(400)
    expect((await raw([...head, 'Content-Length: 5', 'Content-Length: 6'], '{}')).status).toBe(400)
    expect((await raw([...head, 'Content-Length: -1'], '{}')).status).toBe(400)
    const shorter = await raw([...head, `Content-Length: ${QUERY.length - 1}`], QUERY)
    expect(shorter.status).toBe(400)
    const chunked = `1a\r\n${QUERY}\r\n0\r\n\r\n`
    expect((await raw([...head, 'Transfer-Encoding: chunked'], chunked)).status).toBe(200)
    expect((await raw([...head, `Content-Length: ${QUERY.length}`, 'Expect: nonsense'], QUERY)).status).toBe(
      417,
    )
    const continued = await raw([...head, `Content-Length: ${QUERY.length}`, 'Expect: 100-continue'], QUERY)
    expect(continued.status).toBe(100)
    expect(continued.body).toContain('{"data":{"__typename":"Query"}}')
  })

  test('nothing of all this was a fault of ours', () => {
    expect(under.lines).toEqual([])
  })
})

function raw(lines: readonly string[], body = ''): Promise<RawAnswer> {
  const [first, ...rest] = lines
  return rawRequest(under.gateway.port, requestText([first!, 'Host: localhost', ...rest, 'Connection: close'], body)) // prettier-ignore
}
