/** docs/event-format.md: what others make of a real topic, with tools that are not ours, is what our own reader makes of it. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { emptyChain, chainAfter } from '../eventlog/file/layout/segments.ts'
import { seal } from '../eventlog/handoff/seal.ts'
import { createKafka, createProducer } from '../eventlog/kafka/kafkajs/client.ts'
import { decodeFrameRecord, encodeFrameRecord } from '../eventlog/kafka/events/record.ts'
import { topicNames } from '../eventlog/kafka/settings.ts'
import { encodeEvent } from '../schemas/encode-event.ts'
import { decodeEvents, EVENT_KINDS, type WalletEvent } from '../schemas/events.ts'
import type { Frame } from '../schemas/frames.ts'
import { NIL_ID } from '../schemas/ids.ts'
import { withKafka } from './support/kafka.ts'
import { haveTools } from './support/tools.ts'

const text = readFileSync(new URL('../docs/event-format.md', import.meta.url), 'utf8')
const [, command = ''] = /```sh\n(.*?)\n```/s.exec(text) ?? []
const [, script = ''] = /```python\n(.*?)```/s.exec(text) ?? []

test('the script stays short: that is what it is for', () => {
  expect(script.trim().split('\n').length).toBeLessThanOrEqual(35)
  expect([...script.matchAll(/^import (.*)$/gm)].map((match) => match[1])).toEqual([
    'hashlib, json, struct, sys, zlib',
  ])
})

const side = { number: 7, version: 3n, debitsPosted: 12n, debitsPending: 0n, creditsPosted: 2n ** 40n, creditsPending: 0n } // prettier-ignore

function event(sequence: bigint, memo: string): WalletEvent {
  return {
    sequence,
    recordedAtNs: 1_700_000_000_000_000_000n + sequence,
    effectiveAtNs: 1_700_000_000_000_000_000n,
    receivedAtNs: 1_700_000_000_000_000_000n,
    kind: 'TransferPosted', command: 'Transfer', refusal: undefined,
    transferId: { high: 1n, low: sequence }, relatedId: NIL_ID, reference: NIL_ID,
    fingerprint: 99n, currency: sequence % 2n === 0n ? 'EUR' : 'GEMS2024', scale: 2, amount: 2n ** 41n + sequence,
    expiresAtNs: 0n, debit: side, credit: { ...side, number: Number(sequence) },
    code: 0, partition: 0, linkIndex: 0, memo, owner: '', namedAccounts: '',
  }
} // prettier-ignore

/** A chain of frames: none, one, many events; texts of all lengths; repetitive bytes and bytes that do not compress. */
function frames(): readonly Frame[] {
  const contents: readonly (readonly WalletEvent[])[] = [
    [],
    [event(1n, '')],
    Array.from({ length: 300 }, (_, index) => event(BigInt(index + 2), 'é'.repeat(index % 129))),
    [event(302n, Buffer.from(Array.from({ length: 200 }, (_, index) => 33 + ((index * index * 7) % 90))).toString())],
  ] // prettier-ignore
  let chain = emptyChain(0)
  return contents.map((events) => {
    const frame = seal(
      {
        schemaVersion: 1,
        epoch: 1n,
        firstSequence: chain.sequence + 1n,
        count: events.length,
        timeNs: 1_700_000_000_000_000_000n,
        nextCommandOffset: 0n,
        nextCommandIndex: 0,
        payload: Buffer.concat(events.map(encodeEvent)),
      },
      chain,
      chain.sequence,
    )
    chain = chainAfter(frame)
    return frame
  })
}

/** What the script should print. */
function lines(all: readonly Frame[]): readonly object[] {
  return all.flatMap((frame) => [
    {
      partition: frame.partition,
      epoch: Number(frame.epoch),
      first: Number(frame.firstSequence),
      count: frame.count,
      hash: Buffer.from(frame.hash).toString('hex'),
    },
    ...decodeEvents(frame.payload).map(({ sequence, kind, amount, currency, debit, credit }) => ({
      sequence: Number(sequence),
      kind: EVENT_KINDS[kind],
      amount: Number(amount),
      currency,
      debit: debit.number,
      credit: credit.number,
    })),
  ])
}

if (haveTools('the topics with tools that are not ours', 'kcat', 'python3'))
  await withKafka('the topics with tools that are not ours', (kafka) => {
    describe('a topic, read by kcat and the documented script', () => {
      test('gives the frames and events that our own reader gives', async () => {
        const settings = await kafka.deployment()
        const { events } = topicNames(settings)
        const values = frames().map((frame) => encodeFrameRecord(frame.bytes))
        // Both kinds are there: as they are, and compressed.
        expect(new Set(values.map((value) => value.toString('latin1', 0, 4)))).toEqual(new Set(['PRSR', 'PRSZ'])) // prettier-ignore
        const producer = createProducer(createKafka(settings, () => undefined))
        await producer.connect()
        await producer.send({
          topic: events,
          acks: -1,
          messages: values.map((value) => ({ value, partition: 0 })),
        })
        await producer.disconnect()

        const own = values.map((value) => {
          const read = decodeFrameRecord(value)
          if (read.kind !== 'frame') throw new Error(read.reason)
          return read.frame
        })
        const pasted = command
          .replace('localhost:9092', kafka.brokers.join(','))
          .replace('purser.events', events)
          .replace('python3 decode.py', 'python3 -c "$SCRIPT"')
        expect(pasted).toContain('$SCRIPT')
        const { stdout, stderr } = await bash(pasted)
        expect(stderr).toBe('')
        const printed = stdout.trim().split('\n').map((line) => JSON.parse(line) as object) // prettier-ignore
        expect(printed).toEqual(lines(own))
        expect(printed).toHaveLength(4 + 302)
      })

      test('notices a changed byte', async () => {
        const [, , , frame] = frames()
        const value = Buffer.from(frame!.bytes)
        value[200]! ^= 1
        const length = Buffer.alloc(4)
        length.writeUInt32BE(value.length)
        const { stderr } = await bash('python3 -c "$SCRIPT"', Buffer.concat([length, value]))
        expect(stderr).toContain('AssertionError: torn')
      })
    })
  })

function bash(line: string, input?: Uint8Array): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', line], { env: { ...process.env, SCRIPT: script } })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (some: string) => (stdout += some))
    child.stderr.setEncoding('utf8').on('data', (some: string) => (stderr += some))
    child.stdin.end(input)
    child.once('close', () => resolve({ stdout, stderr }))
  })
}
