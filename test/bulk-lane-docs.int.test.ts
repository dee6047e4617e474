/** docs/bulk-lane.md against the code: its tables, its example, and its bytes, sent by hand. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectBulk } from '../client/client.ts'
import { moveCents } from '../examples/bulk-lane.ts'
import { gatewayUnderTest, type GatewayUnderTest } from '../gateway/gateway-under-test.testing.ts'
import { decodeCommands, encodeCommands } from '../schemas/command-codec.ts'
import { COMMAND_KINDS, SLOT, STEP_KINDS, type Command } from '../schemas/commands.ts'
import { makeUuidV7, parseId } from '../schemas/ids.ts'
import {
  LANE_FAULT_MEANINGS,
  LANE_FAULTS,
  LANE_ID_REFUSALS,
  type LaneFault,
} from '../schemas/lane-results.ts'
import { LANE_HEADER_BYTES, LANE_KINDS, readLaneHeader, requestHeader } from '../schemas/lane.ts'

const text = readFileSync(new URL('../docs/bulk-lane.md', import.meta.url), 'utf8')
const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)\n```$/gm)].map(([, language, body]) => ({ language, body: body! })) // prettier-ignore
const dumps = blocks.filter(({ body }) => /^0000 {2}/.test(body)).map(({ body }) => body)

/** Rows of all tables whose first cell is a number: their cells. */
const rows = [...text.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, first, rest]) => [first!, ...rest!.split(' | ')]) // prettier-ignore

const account = (number: number): Command['debit'] => parseId(`00000000-0000-8000-8000-00000000000${number}`)!
const TRANSFER: Command = {
  kind: 'Transfer',
  id: parseId('018bcfe5-6800-7abc-8def-0123456789ab')!,
  debit: account(1)!,
  credit: account(2)!,
  amount: 1_250n,
  currency: 'EUR',
}

function bytesOf(dump: string): Buffer {
  return Buffer.from(dump.replace(/^[0-9a-f]{4} {2}/gm, '').replaceAll(/\s/g, ''), 'hex')
}

function dumpOf(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16)
    lines.push(`${at.toString(16).padStart(4, '0')}  ${Buffer.from(bytes.subarray(at, at + 16)).toString('hex').replaceAll(/(..)(?=.)/g, '$1 ')}`) // prettier-ignore
  return lines.join('\n')
}

/** What only the platform itself asks. */
const OWN_KINDS: readonly string[] = ['ExpireHold', 'TimeStep', 'ClaimId', ...STEP_KINDS]

describe('the tables', () => {
  test('every kind of message, fault, and refusal of an id has its row, and its number', () => {
    const kinds = rows.filter((cells) => cells.length === 5).map(([number, name]) => [name, Number(number)])
    expect(kinds).toEqual(Object.entries(LANE_KINDS).map(([name, number]) => [`\`${name}\``, number]))
    const refusals = rows.filter(([, name, ...more]) => name!.startsWith('`') && more.length === 0).map(([number, name]) => [name, Number(number)]) // prettier-ignore
    expect(refusals).toEqual(Object.entries(LANE_ID_REFUSALS).map(([name, number]) => [`\`${name}\``, number])) // prettier-ignore
    const faults = rows.filter((cells) => cells.length === 4)
    expect(faults).toEqual(
      Object.entries(LANE_FAULTS).map(([name, number]) => {
        const { retryable, message } = LANE_FAULT_MEANINGS[name as LaneFault]
        return [String(number), `\`${name}\``, retryable ? 'yes' : 'no', message]
      }),
    )
  })

  test('a command’s fields stand where the code has them', () => {
    for (const [name, word] of Object.entries(SLOT)) {
      if (name === 'kindFlagsScaleCode' || name.endsWith('Low')) continue
      const field = name.replace(/High$/, '')
      expect(text).toContain(`| ${word * 8} | \`${field}\` |`)
    }
    for (const [kind, number] of Object.entries(COMMAND_KINDS))
      expect(text.includes(`${number} ${kind}`), kind).toBe(!OWN_KINDS.includes(kind))
  })
})

describe('the bytes', () => {
  let under: GatewayUnderTest
  beforeAll(async () => {
    under = await gatewayUnderTest()
    const client = await connectBulk({ url: under.url })
    const open = (number: number, system: boolean): Promise<unknown> =>
      client.submit({ kind: 'OpenAccount', id: makeUuidV7(Date.now(), new Uint8Array(10).fill(number)), debit: account(number)!, currency: 'EUR', system }) // prettier-ignore
    await open(1, true)
    await open(2, false)
    await client.close()
  })
  afterAll(() => under.stop())

  test('the request is what the code writes for it', () => {
    const slots = encodeCommands([TRANSFER])
    const request = Buffer.concat([requestHeader(7, 0, 1, slots.length), slots])
    expect(dumps[0]).toBe(dumpOf(request))
    expect(decodeCommands(bytesOf(dumps[0]!).subarray(LANE_HEADER_BYTES))[0]).toMatchObject(TRANSFER)
  })

  test('sent by hand, behind the upgrade as it stands, it gets the answer that stands there', async () => {
    const upgrade = blocks.find(({ body }) => body.startsWith('GET '))!.body.trimEnd()
    const socket = connect(under.gateway.port, '127.0.0.1')
    let received = Buffer.alloc(0)
    socket.on('data', (chunk) => (received = Buffer.concat([received, chunk])))
    socket.write(`${upgrade.replaceAll('\n', '\r\n')}\r\n\r\n`)
    await expect.poll(() => received.includes('\r\n\r\n')).toBe(true)
    expect(received.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /)
    const hello = received.indexOf('\r\n\r\n') + 4
    await expect.poll(() => received.length).toBe(hello + 40)
    expect(readLaneHeader(received, hello)).toMatchObject({ kind: 'hello', length: 40 })
    socket.write(bytesOf(dumps[0]!))
    await expect.poll(() => received.length).toBe(hello + 40 + 32)
    expect(dumps[1]).toBe(dumpOf(received.subarray(hello + 40)))
    socket.destroy()
  })

  test('the example is the one that stands in examples/, and does what it says', async () => {
    const example = readFileSync(new URL('../examples/bulk-lane.ts', import.meta.url), 'utf8')
    expect(blocks.find(({ language }) => language === 'ts')!.body).toBe(example.trimEnd())
    expect(await moveCents(under.url)).toBe(1_000)
  })
})
