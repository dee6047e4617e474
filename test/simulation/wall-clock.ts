/**
 * The wall clock of a simulated machine: it runs with the world, stands still, or is set forward and back. Clients have a
 * clock of their own, which is right.
 */
import type { World } from './world.ts'

/** Where wall clocks begin: a moment in 2026, nanoseconds since 1970. */
const BEGIN_NS = 1_780_000_000_000_000_000n
/** How far from the right time it is set at most, mostly less. */
const WRONG_MS = [3, 100, 5_000]

export class WallClock {
  private readonly world: World
  private wrongNs = 0n
  private stillNs: bigint | undefined

  constructor(world: World) {
    this.world = world
  }

  /** Nanoseconds since 1970, as this machine believes. */
  nowNs(): bigint {
    return this.stillNs ?? this.trueNs() + this.wrongNs
  }

  /** Nanoseconds since 1970, as they are. */
  trueNs(): bigint {
    return BEGIN_NS + this.world.nowNs()
  }

  /** Stops the clock for a while. */
  standStill(): void {
    if (this.stillNs !== undefined) return
    this.stillNs = this.nowNs()
    this.world.fault('clock stands still')
    this.world.schedule(BigInt(this.world.random.below(50_000_000)), 'clock goes on', () => {
      this.stillNs = undefined
    })
  }

  /** Sets it wrong. */
  jump(): void {
    const { random } = this.world
    const ms = random.pick(WRONG_MS)
    const wrongNs = BigInt(random.between(-ms, ms)) * 1_000_000n
    this.world.fault(wrongNs < this.wrongNs ? 'clock set back' : 'clock set forward')
    this.wrongNs = wrongNs
  }

  /** From here on it is right. */
  heal(): void {
    this.stillNs = undefined
    this.wrongNs = 0n
  }
}
