/**
 * When the core's state is kept, and how it gets out of the core without stopping it.
 *
 * A snapshot begins between two frames (snapshot-rule.ts says when): from there on the core keeps what it changes. Once the
 * frame before is durable, so that no snapshot ever knows more than the log, the state goes out slice by slice, one between
 * two steps of the loop, into room that the other side gives back when a slice is on the disk. One snapshot at a time.
 *
 * It owns no thread, clock or timer: the core thread hands them in, and so does the simulator.
 */
import type { FrameReceipt } from '../../eventlog/handoff/log-messages.ts'
import type { SectionLength, StateCopy, WalletCore } from '../core/core.ts'
import type { SnapshotPosition } from './snapshot-format.ts'
import { SnapshotRule, type SnapshotRuleOptions } from './snapshot-rule.ts'

/** Steps of a copy between two steps of the loop: one slice, or as much work towards one. */
const STEPS_AT_ONCE = 1

/** What takes one snapshot to the disk. */
export interface SnapshotSink {
  /** Room for the next slice, at a multiple of 8 bytes; undefined while all of it waits for the disk: `room` is told. */
  claim(): Uint8Array | undefined
  /** Takes the first `bytes` bytes of what was claimed last. */
  send(bytes: number): void
  /** All is sent: the file is to be made durable under its name, and older ones to be removed. */
  finish(): void
  /** Nothing more will come, and nothing more is to be told. Not after `finish`. */
  abandon(): void
}

/** What a sink tells: `room` any number of times, then `saved` or `failed` once. */
export interface SinkListener {
  room(): void
  /** The snapshot is durable. */
  saved(fileBytes: number): void
  /** @param reason for people */
  failed(reason: string): void
}

export interface SnapshotPorts {
  /** Wall time, nanoseconds since 1970. */
  nowNs(): bigint
  /** Milliseconds that only go forward. */
  nowMs(): number
  /** Runs a task when the messages that have arrived meanwhile are in, after a step of the loop if one is due. */
  soon(task: () => void): void
  /** Begins a file. A failure is told the listener, later. */
  beginSnapshot(
    position: SnapshotPosition,
    sections: readonly SectionLength[],
    listener: SinkListener,
  ): SnapshotSink
  /** Something that a status shows has changed. */
  changed(): void
  /** Takes a line for the operator. */
  notice(line: string): void
}

/** A snapshot that a start can use. */
export interface KeptSnapshot {
  readonly sequence: bigint
  /** Wall time, nanoseconds since 1970. */
  readonly takenAtNs: bigint
  readonly fileBytes: number
  /** From its beginning until it was durable; undefined if an earlier writer made it. */
  readonly durationMs: number | undefined
}

export interface SnapshotKeeperStart {
  readonly core: WalletCore
  readonly partition: number
  readonly epoch: bigint
  readonly rule: SnapshotRuleOptions
  /** What was loaded. */
  readonly newest: KeptSnapshot | undefined
}

/** A snapshot under way. */
interface Saving {
  readonly copy: StateCopy
  readonly sequence: bigint
  readonly takenAtNs: bigint
  readonly beganMs: number
  /** The frame that it stands behind, counted from this writer's first. */
  readonly frame: number
  /** Once that frame is durable. */
  sink: SnapshotSink | undefined
  isFinishing: boolean
}

export class SnapshotKeeper {
  /** The newest snapshot that a start can use. */
  newest: KeptSnapshot | undefined
  private readonly start: SnapshotKeeperStart
  private readonly ports: SnapshotPorts
  private readonly rule: SnapshotRule
  private saving: Saving | undefined
  private isProceeding = false
  /** No snapshot comes after the one under way. */
  private isLast = false
  /** Called when no snapshot is under way any more. */
  private onEnded: () => void = () => undefined

  constructor(start: SnapshotKeeperStart, ports: SnapshotPorts) {
    this.start = start
    this.ports = ports
    this.newest = start.newest
    this.rule = new SnapshotRule(start.rule, ports.nowMs())
  }

  /** True from the moment that a snapshot shows until it is durable or given up. */
  isUnderWay(): boolean {
    return this.saving !== undefined
  }

  /** Begins a snapshot behind a frame that was just handed over, if it is time. `frame`: its number from this writer's first. */
  framed(frame: number): void {
    const nowMs = this.ports.nowMs()
    this.rule.framed(nowMs)
    if (this.saving === undefined && this.rule.isDue(this.eventsSince(), this.fileBytes(), nowMs))
      this.begin(frame)
  }

  /** Says that a frame is durable. */
  durable(frame: number, receipt: FrameReceipt): void {
    const { saving } = this
    if (saving?.frame === frame && saving.sink === undefined) this.write(saving, receipt)
  }

  /** Begins a snapshot because nothing happens, if it is time. All frames are durable, `frame` the last. */
  quiet(frame: number, receipt: FrameReceipt): void {
    if (this.saving !== undefined || !this.rule.isQuietDue(this.eventsSince(), this.ports.nowMs())) return
    this.write(this.begin(frame), receipt)
  }

  /** Milliseconds until `quiet` would begin one if nothing happens; undefined if it would not. */
  quietInMs(): number | undefined {
    return this.saving === undefined ? this.rule.quietInMs(this.eventsSince(), this.ports.nowMs()) : undefined
  }

  /** Keeps the last state, if anything has happened since the newest snapshot. `receipt`: of the last durable frame. */
  async finish(frame: number, receipt: FrameReceipt): Promise<void> {
    const { saving } = this
    if (saving !== undefined) {
      // One that stands further back is of no use any more, unless it is as good as written.
      if (saving.isFinishing || saving.sequence === receipt.sequence) await this.ended()
      else this.abandon(saving)
    }
    if (this.eventsSince() === 0n) return
    this.isLast = true
    this.write(this.begin(frame), receipt)
    await this.ended()
  }

  private ended(): Promise<void> {
    return new Promise((resolve) => {
      this.onEnded = resolve
    })
  }

  private eventsSince(): bigint {
    return this.start.core.sequence() - (this.newest?.sequence ?? 0n)
  }

  private fileBytes(): number {
    return this.newest?.fileBytes ?? 0
  }

  private begin(frame: number): Saving {
    const { core } = this.start
    this.saving = {
      copy: core.beginCopy(),
      sequence: core.sequence(),
      takenAtNs: this.ports.nowNs(),
      beganMs: this.ports.nowMs(),
      frame,
      sink: undefined,
      isFinishing: false,
    }
    this.ports.changed()
    return this.saving
  }

  /** The frame before is durable: the copy may be written. */
  private write(saving: Saving, receipt: FrameReceipt): void {
    const { partition, epoch } = this.start
    if (receipt.sequence !== saving.sequence)
      throw new Error(`a snapshot at ${saving.sequence} would stand behind frame ${receipt.sequence}`)
    const position: SnapshotPosition = {
      partition,
      sequence: receipt.sequence,
      epoch,
      chainHash: receipt.hash,
      nextCommandOffset: receipt.nextCommandOffset,
      nextCommandIndex: receipt.nextCommandIndex,
      takenAtNs: saving.takenAtNs,
      logOffset: receipt.logOffset,
    }
    saving.sink = this.ports.beginSnapshot(position, saving.copy.sections, {
      room: () => {
        this.proceedSoon()
      },
      saved: (fileBytes) => {
        this.saved(saving, fileBytes)
      },
      failed: (reason) => {
        this.failed(saving, reason)
      },
    })
    this.proceedSoon()
  }

  private proceedSoon(): void {
    if (this.isProceeding) return
    this.isProceeding = true
    this.ports.soon(() => {
      this.isProceeding = false
      this.proceed()
    })
  }

  /** Makes a slice, if there is room for one. */
  private proceed(): void {
    const { saving } = this
    if (saving?.sink === undefined || saving.isFinishing) return
    const { copy, sink } = saving
    for (let steps = 0; steps < STEPS_AT_ONCE && !copy.isDone(); steps++) {
      const room = sink.claim()
      if (room === undefined) return
      const bytes = copy.step(room)
      if (bytes > 0) sink.send(bytes)
    }
    if (!copy.isDone()) {
      this.proceedSoon()
      return
    }
    copy.end()
    saving.isFinishing = true
    sink.finish()
  }

  private saved(saving: Saving, fileBytes: number): void {
    const { sequence, takenAtNs, beganMs } = saving
    const durationMs = Math.round(this.ports.nowMs() - beganMs)
    this.newest = { sequence, takenAtNs, fileBytes, durationMs }
    this.rule.saved()
    this.end()
  }

  /** A snapshot that cannot be written costs the next start time, not safety: it is told, and tried again later. */
  private failed(saving: Saving, reason: string): void {
    saving.copy.end()
    const pauseMs = this.rule.failed(this.ports.nowMs())
    const next = this.isLast ? '' : ` Another one is tried in ${pauseMs / 1_000} seconds at the earliest.`
    this.ports.notice(
      `The snapshot at sequence ${saving.sequence} could not be written: ${reason}. The log is whole without it.${next}`,
    )
    this.end()
  }

  private abandon(saving: Saving): void {
    saving.copy.end()
    saving.sink?.abandon()
    this.end()
  }

  private end(): void {
    this.saving = undefined
    this.ports.changed()
    this.onEnded()
  }
}
