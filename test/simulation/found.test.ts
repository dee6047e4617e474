/** What seeds have found, each as a scenario of its own: a seed's meaning changes with the code, these do not. */
import { expect, test } from 'vitest'
import { createMemoryDisk } from '../../eventlog/disk/memory-disk.ts'
import { openLog } from '../../eventlog/file/recovery/open-log.ts'
import { allFrames, appendGroup } from '../../eventlog/log-on-disk.testing.ts'

test('a segment whose name was never made durable, because its maker died, is durable once a log is opened on it', () => {
  const disk = createMemoryDisk()
  const options = { partition: 0, segmentBytesMax: 16_384 }
  const first = openLog(disk, 'data', options)
  appendGroup(first, [1], 10_000)
  // The folder's sync fails while the next segment is made: the process ends there.
  disk.setFaults((operation) => (operation === 'syncFolder' ? 'EIO' : undefined))
  expect(() => appendGroup(first, [1], 10_000)).toThrow(/EIO/)
  disk.kill()
  disk.setFaults(undefined)
  const second = openLog(disk, 'data', options)
  const told = appendGroup(second, [1], 100)
  disk.crash()
  expect(allFrames(disk, 'data', 0).at(-1)!.hash).toEqual(told[0]!.hash)
})
