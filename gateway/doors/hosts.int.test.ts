import fc from 'fast-check'
import type { IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Fault } from '../errors.ts'
import { AllowedHosts, hostOf } from './hosts.ts'
import { rawRequest, requestText, type RawAnswer } from './raw.testing.ts'
import { gatewayUnderTest, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

let under: GatewayUnderTest
beforeAll(async () => {
  under = await gatewayUnderTest({ allowHosts: ['Purser.Example', '192.0.2.7', '2001:db8::7'] })
})
afterAll(() => under.stop())

function ask(
  lines: readonly string[],
  target = 'GET /livez HTTP/1.1',
  body = '',
  address = '127.0.0.1',
): Promise<RawAnswer> {
  const port = under.gateway.port
  return rawRequest(port, requestText([target, ...lines, 'Connection: close'], body), address)
}

const JSON_POST = (path: string): string => `POST ${path} HTTP/1.1`
const QUERY = '{"query":"{ __typename }"}'
const POSTED = ['Content-Type: application/json', `Content-Length: ${QUERY.length}`]
/** What asks for a WebSocket, and for the bulk lane. */
const SOCKET = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Protocol: graphql-transport-ws'] // prettier-ignore
const LANE = ['Upgrade: purser-bulk/1']

describe('the host that a request names', () => {
  test.each([
    'localhost', 'localhost:4000', 'LOCALHOST:1', 'localhost.', 'localhost:', '127.0.0.1', '127.8.9.10:80', '[::1]:4000',
    '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]:4000', 'purser.example', 'PURSER.example.:443', '192.0.2.7:1', '[2001:DB8:0::7]',
  ])('%s is served', async (host) => {
    expect((await ask([`Host: ${host}`])).status).toBe(200)
  }) // prettier-ignore

  test.each([
    'evil.example', 'evil.example:4000', 'localhost.evil.example', '127.0.0.1.evil.example', 'evil.localhost', 'xlocalhost',
    'purser.example.evil', 'sub.purser.example', 'user@localhost', 'localhost@evil.example', 'localhost:4000:1', 'localhost:99999',
    'localhost/..', 'localhost,evil.example', '127.1', '2130706433', '0x7f.0.0.1', '0177.0.0.1', '127.0.0.1%00', '10.0.0.1', '0.0.0.0',
    '[::]', '[fe80::1%25lo]', '[2001:db8::8]', 'local host', 'lоcalhost', '', '.',
  ])('%j is 421, with a sentence and a code', async (host) => {
    const answer = await ask([`Host: ${host}`])
    expect(answer.status).toBe(421)
    expect(answer.json()).toMatchObject({ error: { code: 'MISDIRECTED_REQUEST', retryable: false } })
    expect(answer.body).toContain('--allow-host')
  }) // prettier-ignore

  test('is checked before routing: on every path, method and upgrade, and nothing of the request happens', async () => {
    const evil = 'Host: evil.example:4000'
    const before = under.admitted.length
    const answers = [
      ...(await Promise.all(
        ['/', '/livez', '/readyz', '/graphql?query=%7B__typename%7D', '/commands', '/imports/x', '/imports/x/known', '/nowhere'].map(
          (path) => ask([evil], `GET ${path} HTTP/1.1`),
        ),
      )),
      await ask([evil], 'OPTIONS * HTTP/1.1'),
      await ask([evil], 'HEAD /livez HTTP/1.1'),
      await ask([evil], 'CONNECT evil.example:443 HTTP/1.1'),
      await ask([evil, 'Expect: everything', ...POSTED], JSON_POST('/commands'), QUERY),
      await ask([evil, ...POSTED], JSON_POST('/graphql'), QUERY),
      await ask([evil, ...POSTED], JSON_POST('/commands'), QUERY),
      await rawRequest(under.gateway.port, requestText(['GET /graphql HTTP/1.1', evil, 'Connection: Upgrade', ...SOCKET])),
      await rawRequest(under.gateway.port, requestText(['GET /commands HTTP/1.1', evil, 'Connection: Upgrade', ...LANE])),
      await rawRequest(under.gateway.port, requestText(['GET /nowhere HTTP/1.1', evil, 'Connection: Upgrade', ...SOCKET])),
    ] // prettier-ignore
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 421))
    expect(under.admitted.length).toBe(before)
  })

  test('is one: several, or none in HTTP/1.1, are 400; what forwards claim does not count', async () => {
    expect((await ask(['Host: localhost', 'Host: localhost'])).status).toBe(400)
    expect((await ask(['Host: localhost', 'host: evil.example'])).status).toBe(400)
    expect((await ask([])).status).toBe(400)
    expect((await ask(['Host: evil.example', 'X-Forwarded-Host: localhost', 'Forwarded: host=localhost'])).status).toBe(421) // prettier-ignore
    expect((await ask(['Host: localhost', 'X-Forwarded-Host: evil.example'])).status).toBe(200)
  })

  test('may be missing in HTTP/1.0, which health checks speak and browsers do not', async () => {
    expect((await ask([], 'GET /livez HTTP/1.0')).status).toBe(200)
    expect((await ask(['Host: evil.example'], 'GET /livez HTTP/1.0')).status).toBe(421)
  })

  test('stands in a target of absolute form as well, and both count', async () => {
    const absolute = (host: string): string => `GET http://${host}/livez HTTP/1.1`
    expect((await ask(['Host: localhost'], absolute('localhost:4000'))).status).toBe(200)
    expect((await ask(['Host: localhost'], absolute('evil.example'))).status).toBe(421)
    expect((await ask(['Host: evil.example'], absolute('localhost'))).status).toBe(421)
    expect((await ask(['Host: localhost'], absolute('localhost@evil.example'))).status).toBe(421)
    const query = await ask(['Host: localhost'], 'GET HTTP://localhost?query=x HTTP/1.1')
    expect(query.status).toBe(404)
  })

  test('may be the address that was called, as probes do: an address is no name that could be pointed elsewhere', () => {
    const hosts = new AllowedHosts(['0.0.0.0'])
    const called = (host: string, localAddress: string): string => {
      const request = {
        headersDistinct: { host: [host] },
        httpVersion: '1.1',
        url: '/',
        socket: { localAddress },
      }
      try {
        hosts.check(request as unknown as IncomingMessage)
        return 'served'
      } catch (error) {
        return String((error as Fault).extensions['code'])
      }
    }
    for (const localAddress of ['10.1.2.3', '::ffff:10.1.2.3']) {
      expect(called('10.1.2.3:4000', localAddress)).toBe('served')
      expect(called('10.1.2.4:4000', localAddress)).toBe('MISDIRECTED_REQUEST')
    }
    expect(called('[2001:db8::1]', '2001:db8:0::1')).toBe('served')
    // What was listened on is called by its own name, too.
    expect(called('0.0.0.0:4000', '10.1.2.3')).toBe('served')
    expect(called('pod-7.example', '10.1.2.3')).toBe('MISDIRECTED_REQUEST')
  })

  test('is compared in one form: case, a last dot, ports and ways to write an address change nothing', () => {
    const port = fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined })
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9-]{0,10}){0,3}$/)
    fc.assert(
      fc.property(name, port, fc.boolean(), fc.boolean(), (plain, number, upper, dotted) => {
        const written = `${upper ? plain.toUpperCase() : plain}${dotted ? '.' : ''}`
        expect(hostOf(number === undefined ? written : `${written}:${number}`)).toBe(plain)
      }),
    )
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(hostOf(`[${address}]:1`)).toBe(hostOf(`[${address.toUpperCase()}]`))
        expect(hostOf(address)).toBe(hostOf(`[${address}]`))
      }),
    )
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(hostOf(`[::ffff:${address}]`)).toBe(address)
      }),
    )
  })
})

describe('the origin of a page', () => {
  const post = (origin: string, host = 'localhost:4000'): Promise<RawAnswer> =>
    ask([`Host: ${host}`, `Origin: ${origin}`, ...POSTED], JSON_POST('/graphql'), QUERY)

  test('is that of the host, or nothing is served: 403', async () => {
    for (const origin of ['http://localhost:4000', 'http://LOCALHOST:4000'])
      expect((await post(origin)).status, origin).toBe(200)
    expect((await post('https://purser.example', 'purser.example')).status).toBe(200)
    expect((await post('http://purser.example', 'purser.example:80')).status).toBe(200)
    for (const origin of ['http://evil.example', 'http://localhost:3000', 'http://localhost', 'https://localhost:4001', 'null', '', 'file://', 'localhost:4000', 'chrome-extension://abc']) {
      const answer = await post(origin)
      expect(answer.status, origin).toBe(403)
      expect(answer.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN', retryable: false } }] })
    } // prettier-ignore
  })

  test('counts at every door, for sockets too', async () => {
    const foreign = ['Host: localhost:4000', 'Origin: http://evil.example']
    const before = under.admitted.length
    const answers = [
      await ask([...foreign, ...POSTED], JSON_POST('/commands'), QUERY),
      await ask([...foreign, ...POSTED], JSON_POST('/imports/x/times'), QUERY),
      await ask(foreign, 'GET /graphql?query=%7B__typename%7D HTTP/1.1'),
      await rawRequest(under.gateway.port, requestText(['GET /graphql HTTP/1.1', ...foreign, 'Connection: Upgrade', ...SOCKET])),
      await rawRequest(under.gateway.port, requestText(['GET /commands HTTP/1.1', ...foreign, 'Connection: Upgrade', ...LANE])),
    ] // prettier-ignore
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 403))
    expect(under.admitted.length).toBe(before)
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])(
    'a form of another site cannot send anything: type %j is 415 at every door',
    async (type) => {
      for (const path of ['/graphql', '/commands', '/imports/x/times', '/imports/x/known']) {
        const lines = ['Host: localhost', ...(type === '' ? [] : [`Content-Type: ${type}`]), `Content-Length: ${QUERY.length}`] // prettier-ignore
        const answer = await ask(lines, JSON_POST(path), QUERY)
        expect(answer.status, path).toBe(415)
        expect(answer.body).toContain('UNSUPPORTED_MEDIA_TYPE')
      }
    },
  )

  test('nothing of all this was a fault of ours', () => {
    expect(under.lines).toEqual([])
  })
})
