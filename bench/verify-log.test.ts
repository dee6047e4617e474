import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { startEmbeddedWriter } from '../writer/embedded.ts'
import { fillLog } from './filler.ts'
import { CommandGenerator } from './generator.ts'
import { SerialSet } from './serial-set.ts'
import { verifyLog } from './verify-log.ts'
import { workloadOf } from './workloads.ts'

describe('a set of serials', () => {
  test('holds what was added, once, and tells where it differs from another', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(3_000_000), { minLength: 1, maxLength: 50 }), (serials) => {
        const one = new SerialSet()
        const other = new SerialSet()
        for (const serial of serials) expect(one.add(serial)).toBe(true)
        for (const serial of serials) expect(one.add(serial)).toBe(false)
        expect(one.count()).toBe(serials.length)
        for (const serial of serials.slice(1)) other.add(serial)
        expect(one.differsFrom(other)).toBe(serials[0])
        expect(other.differsFrom(one)).toBe(serials[0])
        other.addAll(one.toBytes())
        expect(other.count()).toBe(serials.length)
        expect(one.differsFrom(other)).toBeUndefined()
      }),
    )
  })

  test('takes the highest serial there is, and nothing above', () => {
    const set = new SerialSet()
    expect(() => set.add(2 ** 32)).toThrow(RangeError)
    expect(() => set.add(-1)).toThrow(RangeError)
  })
})

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

async function logOf(serialsFrom: readonly number[]): Promise<string> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'purser-bench-test-'))
  folders.push(dataDir)
  const writer = await startEmbeddedWriter({ dataDir })
  for (const [index, firstSerial] of serialsFrom.entries()) {
    const generator = new CommandGenerator(workloadOf('holds'), { accounts: 256, seed: index, firstSerial })
    const outcomes = await fillLog(writer, generator, index === 0 ? 256 : 0, 5_000)
    expect(outcomes.events).toBe(index === 0 ? 5_256 : 5_000)
  }
  await writer.stop()
  return dataDir
}

function serials(from: number, to: number): SerialSet {
  const set = new SerialSet()
  for (let serial = from; serial < to; serial++) set.add(serial)
  return set
}

describe('the log after a benchmark', () => {
  test('holds every acknowledged command once, and money sums to zero', async () => {
    const dataDir = await logOf([0])
    const count = verifyLog(dataDir, 256, serials(0, 5_000))
    expect(count).toMatchObject({ events: 5_256, accountsOpened: 256 })
    expect(count.accepted + count.refused).toBe(5_000)
    expect(count.refused).toBeGreaterThan(0)
    expect(count.trialBalance).toEqual(new Map([['EUR', 0n]]))
  })

  test('is found wanting if a command was acknowledged that is not in it, or is in it unacknowledged', async () => {
    const dataDir = await logOf([0])
    expect(() => verifyLog(dataDir, 256, serials(0, 5_001))).toThrow('command 5000 was acknowledged')
    expect(() => verifyLog(dataDir, 256, serials(0, 4_999))).toThrow('command 4999 was acknowledged')
  })

  test('is found wanting if a command stands in it twice', async () => {
    const dataDir = await logOf([0, 4_000])
    expect(() => verifyLog(dataDir, 256, serials(0, 9_000))).toThrow('command 4000 stands in the log twice')
  })
})
