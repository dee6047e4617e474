/**
 * What an operator or a bad disk does to a data folder while nothing runs, and what has to come of it: damage to what was
 * durable is refused with nothing changed, an older copy put back is noticed, a damaged snapshot costs time only.
 */
import path from 'node:path'
import { LogCorruptError, LogRegressedError } from '../../eventlog/errors.ts'
import { readFramesSync } from '../../eventlog/file/read/reader.ts'
import { openLog } from '../../eventlog/file/recovery/open-log.ts'
import { unitsSync } from '../../eventlog/file/layout/units.ts'
import { BLOCK_BYTES } from '../../eventlog/file/layout/segments.ts'
import { sameBytes } from '../../schemas/frames.ts'
import { DATA_FOLDER, PARTITION } from './file-writer.ts'
import { insist, SimulationFailure } from './insist.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import type { Truth } from './truth.ts'
import type { World } from './world.ts'

type Image = Map<string, Uint8Array<ArrayBuffer>>

export const LOG_FOLDER = path.join(DATA_FOLDER, 'log', String(PARTITION))
const SNAPSHOT_FOLDER = path.join(DATA_FOLDER, 'snapshots', String(PARTITION))

export class Damage {
  private readonly world: World
  private readonly disk: SimulatedDisk
  private readonly truth: Truth
  private copy: { readonly files: Image; readonly sequence: bigint } | undefined

  constructor(world: World, disk: SimulatedDisk, truth: Truth) {
    this.world = world
    this.disk = disk
    this.truth = truth
  }

  /** Turns a bit among bytes that were acknowledged: the log is refused, and untouched. The bit is then turned back. */
  flipBit(): void {
    const { random } = this.world
    const { disk } = this.disk
    const files = disk.list(LOG_FOLDER).filter((name) => name.endsWith('.seg'))
    const places = files.map((name) => ({
      file: path.join(LOG_FOLDER, name),
      bytes: this.acknowledgedBytes(name),
    }))
    const place = random.pick(places.length > 0 ? places : [{ file: '', bytes: 0 }])
    if (place.bytes === 0) return
    const byte = random.below(place.bytes)
    const bit = random.below(8)
    this.world.fault('bit flip')
    this.world.trace(`bit ${bit} of byte ${byte} of ${place.file} is turned`)
    disk.flipBit(place.file, byte, bit)
    const before = disk.files()
    this.refuses(0n, before, `a turned bit at byte ${byte} of ${place.file}`)
    disk.flipBit(place.file, byte, bit)
    this.world.cover('corruption refused')
  }

  /** Keeps a copy of the log, as a backup would. */
  keepCopy(): void {
    if (this.hasUntold()) return
    this.copy = { files: this.logFiles(), sequence: this.truth.sequence }
  }

  /** Puts an older copy of the log in place of it: refused, because snapshots or views know more. Then the log is back. */
  putOldCopy(): void {
    const { copy } = this
    if (copy === undefined || copy.sequence >= this.truth.sequence) return
    const now = this.logFiles()
    this.replaceLog(copy.files)
    this.world.fault('older copy put back')
    this.refuses(this.truth.sequence, undefined, `a log that went back to ${copy.sequence}`)
    this.replaceLog(now)
    this.world.cover('older copy refused')
  }

  /** Damages or removes the newest snapshot. */
  damageSnapshot(): void {
    const { random } = this.world
    const { disk } = this.disk
    const newest = disk
      .list(SNAPSHOT_FOLDER)
      .filter((name) => name.endsWith('.snap'))
      .at(-1)
    if (newest === undefined) return
    const file = path.join(SNAPSHOT_FOLDER, newest)
    const size = disk.files().get(file)!.length
    if (size === 0 || random.chance(0.15)) {
      this.world.fault('snapshot removed')
      disk.remove(file)
      disk.syncFolder(SNAPSHOT_FOLDER)
      return
    }
    this.world.fault('snapshot damaged')
    disk.flipBit(file, random.below(size), random.below(8))
  }

  /** Bytes of a segment that hold frames of the accepted chain, its header with them. */
  private acknowledgedBytes(name: string): number {
    const file = this.disk.disk.open(path.join(LOG_FOLDER, name), 'read')
    try {
      let end = 0
      for (const unit of unitsSync(file, BLOCK_BYTES))
        if (this.truth.placeOf(unit.frame.hash) !== undefined) end = unit.byte + unit.bytes
      return end
    } finally {
      file.close()
    }
  }

  /** True if the log holds a frame that nobody has been told of: it may come to be, or another in its place. */
  private hasUntold(): boolean {
    const { disk } = this.disk
    return disk
      .list(LOG_FOLDER)
      .filter((name) => name.endsWith('.seg'))
      .some((name) => {
        const file = disk.open(path.join(LOG_FOLDER, name), 'read')
        for (const unit of unitsSync(file, BLOCK_BYTES))
          if (this.truth.placeOf(unit.frame.hash) === undefined) return true
        return false
      })
  }

  private refuses(durableAtLeast: bigint, before: Image | undefined, what: string): void {
    const { disk } = this.disk
    const isKnown = (error: unknown): boolean =>
      error instanceof LogCorruptError || error instanceof LogRegressedError
    let isOpened = false
    try {
      const { appender } = openLog(disk, DATA_FOLDER, { partition: PARTITION, durableAtLeast })
      isOpened = true
      const head = appender.head()
      appender.close()
      const frames = [...readFramesSync(disk, DATA_FOLDER, PARTITION, 1n, head)]
      throw new SimulationFailure(`${what} was not noticed: ${frames.length} frames read`)
    } catch (error) {
      if (!isKnown(error)) throw error
      this.world.trace((error as Error).message)
      if (isOpened || before === undefined) return
      const after = disk.files()
      for (const [file, bytes] of before)
        insist(sameBytes(bytes, after.get(file)!), `${file} untouched`, 'changed')
    }
  }

  private logFiles(): Image {
    return new Map([...this.disk.disk.files()].filter(([file]) => file.startsWith(LOG_FOLDER)))
  }

  private replaceLog(files: Image): void {
    const { disk } = this.disk
    for (const file of this.logFiles().keys()) disk.remove(file)
    disk.syncFolder(LOG_FOLDER)
    for (const [file, bytes] of files) disk.put(file, bytes)
  }
}
