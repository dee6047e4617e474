/** One session of `commit`: a platform and a client in processes of their own, through which one load after the other goes. */
import { Child } from './child.ts'
import type { ClientDialogue, ClientLoad } from './commit-client.ts'
import type { PlatformDialogue, Usage } from './commit-platform.ts'
import type { Shape } from './commit-shapes.ts'
import type { EchoDialogue } from './echo-server.ts'
import { LoadSeries, type LoadSizes } from './load-series.ts'
import type { Load, LoadResult } from './load.ts'
import { cpuBetween, type RoleCpu } from './role-cpu.ts'
import { SerialSet } from './serial-set.ts'
import { growthPerMillion, type RoleHeaps } from './thread-heaps.ts'

export interface SessionSizes extends LoadSizes {
  readonly dataDir: string
}

export interface Measured {
  readonly shape: Shape
  readonly workload: string
  readonly result: LoadResult
  readonly cpuSeconds: RoleCpu
  readonly diskBytes: number
  /** Of the platform's process, when the timed part began and when it was over. */
  readonly rssBytesBefore: number
  readonly rssBytes: number
  /** Bytes on the heap of each thread that a million commands leave behind. */
  readonly heapGrowthPerMillion: RoleHeaps
  /** Messages a second, by a bare server; undefined: not measured. */
  readonly echo: { readonly messagesPerSecond: number; readonly cpuSeconds: RoleCpu } | undefined
}

export class Session {
  readonly loads: LoadSeries
  readonly #sizes: SessionSizes
  readonly #platform = new Child<PlatformDialogue>(new URL('./commit-platform.ts', import.meta.url))
  readonly #client = new Child<ClientDialogue>(new URL('./commit-client.ts', import.meta.url))
  #port = 0

  constructor(sizes: SessionSizes) {
    this.#sizes = sizes
    this.loads = new LoadSeries(sizes)
  }

  async open(): Promise<void> {
    this.#port = await this.#platform.ask('open', this.#sizes)
  }

  /** @param messagesPerSecond undefined: as many as there are answers */
  async measure(shape: Shape, workload: string, messagesPerSecond: number | undefined): Promise<Measured> {
    await this.#send(shape, workload, true, messagesPerSecond)
    const heapsBefore = await this.#platform.ask('heaps', {})
    const before = await this.#platform.ask('usage', {})
    const { result, clientCpu } = await this.#send(shape, workload, false, messagesPerSecond)
    const after = await this.#platform.ask('usage', {})
    const heapsAfter = await this.#platform.ask('heaps', {})
    return {
      shape,
      workload,
      result,
      cpuSeconds: { ...cpuOf(before, after), ...clientCpu },
      diskBytes: after.diskBytes - before.diskBytes,
      rssBytesBefore: before.rssBytes,
      rssBytes: after.rssBytes,
      heapGrowthPerMillion: growthPerMillion(heapsBefore, heapsAfter, result.made.commands),
      echo: shape.hasEcho ? await this.#measureEcho(shape, workload) : undefined,
    }
  }

  /** Stops the platform in order. Answers with the serials of all commands that anyone was told are durable. */
  async stop(): Promise<SerialSet> {
    const acknowledged = new SerialSet()
    acknowledged.addAll(await this.#client.ask('acknowledged', {}))
    acknowledged.addAll(await this.#platform.ask('stop', {}))
    return acknowledged
  }

  async end(): Promise<void> {
    await Promise.all([this.#client.kill(), this.#platform.kill()])
  }

  async #send(
    shape: Shape,
    workload: string,
    isWarmUp: boolean,
    messagesPerSecond: number | undefined,
  ): Promise<{ readonly result: LoadResult; readonly clientCpu: RoleCpu }> {
    const load = this.loads.next(shape, workload, isWarmUp, messagesPerSecond)
    if (shape.via === 'queue')
      return { result: this.loads.counted(await this.#platform.ask('load', load)), clientCpu: {} }
    const { cpuSeconds, ...result } = await this.#client.ask(
      'load',
      this.#toClient(load, shape, 'bulk', this.#port),
    )
    return { result: this.loads.counted(result), clientCpu: { client: cpuSeconds } }
  }

  async #measureEcho(shape: Shape, workload: string): Promise<Measured['echo']> {
    const server = new Child<EchoDialogue>(new URL('./echo-server.ts', import.meta.url))
    try {
      const port = await server.ask('listen', { batch: shape.batch })
      const load = this.loads.next(shape, workload, false, undefined)
      await this.#client.ask(
        'load',
        this.#toClient({ ...load, seconds: shape.warmUpSeconds }, shape, 'echo', port),
      )
      const before = await server.ask('cpu', {})
      const { cpuSeconds, ...result } = await this.#client.ask(
        'load',
        this.#toClient(load, shape, 'echo', port),
      )
      return {
        messagesPerSecond: result.messages / result.wallSeconds,
        cpuSeconds: { ...cpuBetween(before, await server.ask('cpu', {})), client: cpuSeconds },
      }
    } finally {
      await server.kill()
    }
  }

  #toClient(load: Load, shape: Shape, kind: ClientLoad['kind'], port: number): ClientLoad {
    return { ...load, kind, port, connections: shape.connections }
  }
}

function cpuOf(before: Usage, after: Usage): RoleCpu {
  return cpuBetween(before.cpuSeconds, after.cpuSeconds)
}
