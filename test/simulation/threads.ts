/**
 * Threads of a simulated process, as far as they show: what one sends another comes later, in order; what takes time keeps
 * a thread busy, and messages wait; and when the process dies, nothing of it runs any more.
 */
import type { World } from './world.ts'

/** One simulated process. */
export class Process {
  readonly world: World
  private readonly latencyNs: number
  private readonly died: (error: unknown) => void
  private alive = true
  private pausedUntilNs = 0n

  /** @param died told what was thrown by a task of this process; it is dead by then */
  constructor(world: World, latencyNs: number, died: (error: unknown) => void) {
    this.world = world
    this.latencyNs = latencyNs
    this.died = died
  }

  isAlive(): boolean {
    return this.alive
  }

  /** Ends the process where it stands. */
  end(): void {
    this.alive = false
  }

  /** Runs a task later, unless the process has died by then. */
  schedule(delayNs: bigint, what: string, task: () => void): void {
    this.world.schedule(delayNs, what, () => {
      const leftNs = this.pausedUntilNs - this.world.nowNs()
      if (leftNs <= 0n) this.run(task)
      else if (this.alive) this.schedule(leftNs, what, task)
    })
  }

  /** Nothing of it runs for a while, and it does not know. */
  pause(ns: bigint): void {
    this.pausedUntilNs = this.world.nowNs() + ns
  }

  /** Runs a task now, if the process lives. What it throws kills the process. */
  run(task: () => void): void {
    if (!this.alive) return
    try {
      task()
    } catch (error) {
      this.fail(error)
    }
  }

  fail(error: unknown): void {
    if (!this.alive) return
    this.alive = false
    this.died(error)
  }

  /** How long a message or a turn takes, by chance. */
  latency(): bigint {
    return BigInt(1 + this.world.random.below(this.latencyNs))
  }

  /** A timer that can be set anew or forgotten. */
  timer(what: string): (delayNs: bigint | undefined, task: () => void) => void {
    let turn = 0
    return (delayNs, task) => {
      const own = ++turn
      if (delayNs === undefined) return
      this.schedule(delayNs, what, () => {
        if (own === turn) task()
      })
    }
  }
}

/** Messages from one thread to another: each comes later, none overtakes another. */
export class Channel<Message> {
  private readonly process: Process
  private readonly what: string
  private readonly deliver: (message: Message) => void
  private readonly waiting: Message[] = []
  private lastAtNs = 0n

  constructor(process: Process, what: string, deliver: (message: Message) => void) {
    this.process = process
    this.what = what
    this.deliver = deliver
  }

  /** @param afterNs time that the sender is still busy with what it says is done */
  post(message: Message, afterNs = 0n): void {
    const { world } = this.process
    this.waiting.push(message)
    const atNs = world.nowNs() + afterNs + this.process.latency()
    this.lastAtNs = atNs > this.lastAtNs ? atNs : this.lastAtNs + 1n
    this.process.schedule(this.lastAtNs - world.nowNs(), this.what, () => {
      this.take()
    })
  }

  /** Delivers the next message before its time: it was on its way when the world stopped for the sender. */
  take(): void {
    const message = this.waiting.shift()
    if (message !== undefined) this.deliver(message)
  }

  hasWaiting(): boolean {
    return this.waiting.length > 0
  }
}

/** Takes messages one at a time, is busy with each for a while, and lets more be taken together with one. */
export class BusyThread<Message> {
  private readonly process: Process
  private readonly work: (first: Message) => void
  private readonly busyNs: () => bigint
  private readonly inbox: Message[] = []
  private isBusy = false

  constructor(process: Process, busyNs: () => bigint, work: (first: Message) => void) {
    this.process = process
    this.busyNs = busyNs
    this.work = work
  }

  deliver(message: Message): void {
    this.inbox.push(message)
    this.go()
  }

  /** Takes the next message out of turn. */
  next(): Message | undefined {
    return this.inbox.shift()
  }

  private go(): void {
    const first = this.isBusy ? undefined : this.inbox.shift()
    if (first === undefined) return
    this.isBusy = true
    const busyNs = this.busyNs()
    this.work(first)
    this.process.schedule(busyNs, 'thread free', () => {
      this.isBusy = false
      this.go()
    })
  }
}
