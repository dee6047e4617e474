/** A real state's snapshot, and everything that one flipped bit or one cut can make of it: the one before is started from. */
import path from 'node:path'
import { expect, it } from 'vitest'
import { createMemoryDisk } from '../../eventlog/disk/memory-disk.ts'
import { loadCore } from '../core/core.ts'
import { Harness, accountIdOf, idOf } from '../core/harness.testing.ts'
import { loadNewestSnapshot, saveSnapshot, snapshotsFolder } from './snapshot-folder.ts'

const OPTIONS = { partition: 0, idsPerGeneration: 4 }
const NEWEST = path.join(snapshotsFolder('/data', 0), '00000000000000000003.snap')

const disk = createMemoryDisk()
const harness = new Harness(OPTIONS)

function save(): void {
  saveSnapshot(disk, '/data', {
    partition: 0,
    sequence: harness.core.sequence(),
    epoch: 1n,
    chainHash: new Uint8Array(32).fill(9),
    nextCommandOffset: harness.core.sequence(),
    nextCommandIndex: 0,
    takenAtNs: 1n,
    logOffset: 0n,
    sections: harness.core.save(),
  })
}
harness.submit([{ kind: 'OpenAccount', id: idOf(1), debit: accountIdOf(1), currency: 'EUR', scale: 2, system: true }]) // prettier-ignore
save()
harness.submit([
  { kind: 'OpenAccount', id: idOf(2), debit: accountIdOf(2), currency: 'EUR', scale: 2 },
  { kind: 'PlaceHold', id: idOf(3), debit: accountIdOf(1), credit: accountIdOf(2), currency: 'EUR', amount: 5n },
]) // prettier-ignore
save()
const whole = disk.files().get(NEWEST)!

/** What is started from with these bytes in the newest file. */
function startedFrom(bytes: Uint8Array): { sequence: bigint | undefined; unusable: number } {
  disk.put(NEWEST, bytes)
  const { usable, unusable } = loadNewestSnapshot(disk, '/data', 0, ({ sections }) =>
    loadCore(OPTIONS, sections),
  )
  return { sequence: usable?.state.sequence(), unusable: unusable.length }
}

it('whole, it is what is started from', () => {
  expect(startedFrom(whole)).toEqual({ sequence: 3n, unusable: 0 })
})

it('whichever bit is flipped, the one before is started from [J10]', () => {
  const bytes = whole.slice()
  for (let byte = 0; byte < bytes.length; byte++)
    for (let bit = 0; bit < 8; bit++) {
      bytes[byte]! ^= 1 << bit
      const { sequence, unusable } = startedFrom(bytes)
      if (sequence !== 1n || unusable !== 1) expect.fail(`bit ${bit} of byte ${byte}: from ${sequence}`)
      bytes[byte]! ^= 1 << bit
    }
})

it('wherever it is cut, the one before is started from [J10]', () => {
  for (let length = 0; length < whole.length; length++)
    expect(startedFrom(whole.subarray(0, length))).toEqual({ sequence: 1n, unusable: 1 })
})
