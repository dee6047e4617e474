/** The simulated disk of one machine: the disk in memory, with the faults of one seed. */
import { createMemoryDisk, type DiskOperation, type MemoryDisk } from '../../eventlog/disk/memory-disk.ts'
import type { FaultOptions } from './options.ts'
import type { World } from './world.ts'

/** How long power loss waits for the operation that it was planned for. */
const PLAN_NS = 20_000_000n

const NAMING: ReadonlySet<DiskOperation> = new Set<DiskOperation>(['create', 'rename', 'syncFolder'])

export class SimulatedDisk {
  readonly disk: MemoryDisk
  private readonly world: World
  private readonly faults: FaultOptions
  private isHealed = false
  /** Operations until power is lost in the middle of one; 0: not planned. Of the kind `powerLossAt`, if that is given. */
  private untilPowerLoss = 0
  /** `group`: a sync of the log that has several frames to make durable. */
  private powerLossAt: DiskOperation | 'group' | undefined
  /** Writes to segments since the last sync of one. */
  private segmentWrites = 0
  private failNext: DiskOperation | undefined
  private isFull = false
  private readsFailing = 0

  constructor(world: World, faults: FaultOptions) {
    this.world = world
    this.faults = faults
    this.disk = createMemoryDisk()
    this.arm()
  }

  /** Power is lost at one of the next operations. */
  planPowerLoss(): void {
    if (this.untilPowerLoss > 0) return
    const { random } = this.world
    this.powerLossAt = random.pick([
      undefined,
      'group',
      'group',
      'group',
      'group',
      'syncFolder',
      'create',
      'rename',
    ])
    this.untilPowerLoss = this.powerLossAt === undefined ? random.between(1, 25) : 1
    // What is waited for may never come.
    this.world.schedule(PLAN_NS, 'a plan is given up', () => {
      this.powerLossAt = undefined
    })
  }

  planFailure(operation: DiskOperation): void {
    this.failNext ??= operation
  }

  planReadFailure(): void {
    this.readsFailing = this.world.random.between(1, 3)
  }

  /** There is no room for a while. */
  fillUp(): void {
    if (this.isFull) return
    this.isFull = true
    this.world.fault('disk full')
    this.world.schedule(BigInt(this.world.random.below(30_000_000)), 'room on the disk', () => {
      this.isFull = false
    })
  }

  /** The machine went down: what was not synced is in any state. */
  losePower(): void {
    this.world.fault('power loss')
    this.disk.crash((choices) => this.world.random.below(choices))
    this.untilPowerLoss = 0
    this.failNext = undefined
    this.arm()
  }

  writeBack(): void {
    this.world.fault('write-back')
    this.disk.writeBack((choices) => this.world.random.below(choices))
  }

  /** No more faults, for ever. */
  heal(): void {
    this.isHealed = true
    this.isFull = false
    this.failNext = undefined
    this.readsFailing = 0
    this.untilPowerLoss = 0
  }

  /** Does something as the operator would, on a disk that behaves. */
  quietly<Result>(work: () => Result): Result {
    const before = this.isHealed
    this.isHealed = true
    try {
      return work()
    } finally {
      this.isHealed = before
    }
  }

  private arm(): void {
    const { world, faults } = this
    this.disk.setFaults((operation, _, file) => {
      const isSegment = file.endsWith('.seg')
      const kind = operation === 'sync' && isSegment && this.segmentWrites > 1 ? 'group' : operation
      if (isSegment && operation === 'write') this.segmentWrites++
      if (isSegment && operation === 'sync') this.segmentWrites = 0
      if (this.isHealed) return undefined
      const isCounted = this.untilPowerLoss > 0 && (this.powerLossAt ?? kind) === kind
      if (isCounted && --this.untilPowerLoss === 0) {
        world.fault('power loss in the middle of an operation')
        return 'crash'
      }
      if (this.isFull && (operation === 'write' || operation === 'create')) {
        world.cover('disk full')
        return 'ENOSPC'
      }
      // Snapshots make far more names than the log does, and nothing is lost with them.
      const isSpared = file.includes('snapshots') && NAMING.has(operation) && world.random.chance(0.9)
      if (this.failNext === operation && !isSpared) {
        this.failNext = undefined
        world.fault(`${operation} failed`)
        world.cover(`${operation} failed`)
        return 'EIO'
      }
      if (operation === 'write' && faults.shortWrite > 0 && world.random.chance(faults.shortWrite * 0.3)) {
        world.fault('short write')
        return 'short'
      }
      return undefined
    })
    this.disk.setReadFaults(() => {
      if (this.isHealed || this.readsFailing === 0) return undefined
      this.readsFailing--
      world.fault('read failed')
      return world.random.chance(0.5) ? 'EIO' : 'short'
    })
  }
}

/** True for what the disk throws, and for what the log makes of it. */
export function isDiskTrouble(error: unknown): boolean {
  return error instanceof Error && /\b(EIO|ENOSPC|EBADF)\b/.test(error.message)
}
