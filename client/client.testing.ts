/** For tests of the client: a platform and a client for the length of a test, and what they are made to say. */
import { afterEach, expect } from 'vitest'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { makeUuidV7, type Id } from '../schemas/ids.ts'
import { connectBulk, type BulkClient, type BulkOptions } from './client.ts'
import { BulkError } from './errors.ts'
import { fakePlatform, type FakeOptions, type FakePlatform } from './fake-platform.testing.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

export async function platformOf(options: FakeOptions = {}): Promise<FakePlatform> {
  const platform = await fakePlatform(options)
  stops.push(platform.stop)
  return platform
}

export async function connected(
  options: FakeOptions = {},
  clientOptions: Partial<BulkOptions> = {},
): Promise<{ platform: FakePlatform; client: BulkClient }> {
  const platform = await platformOf(options)
  return { platform, client: await connectBulk({ url: platform.url, ...clientOptions }) }
}

let made = 0
export function newId(): Id {
  const bits = new Uint8Array(16)
  new DataView(bits.buffer).setUint32(6, ++made)
  return makeUuidV7(1_800_000_000_000, bits)
}

export function transfer(more: Partial<Command> = {}): Command {
  return { kind: 'Transfer', id: newId(), debit: newId(), credit: newId(), amount: 5n, currency: 'EUR', ...more }
} // prettier-ignore

export function slotsOf(count: number): Uint8Array {
  return encodeCommands(Array.from({ length: count }, () => transfer()))
}

/** The error with which it was rejected. */
export async function errorOf(promise: Promise<unknown>): Promise<BulkError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(BulkError)
  return error as BulkError
}
