/** The base times of one import, as the platform keeps them, and what has become of its rows under them. */
import { z } from 'zod'
import { refusalOf } from '../../schemas/refusals.ts'
import { CommandFailure } from '../output/failure.ts'
import { askJson } from './retry.ts'

const timesSchema = z.object({
  partitions: z.array(
    z.object({ partition: z.number().int(), baseTimesMs: z.array(z.number().int().nonnegative()) }),
  ),
  ofChunks: z.array(z.number().int()),
})
const digits = z.string().regex(/^\d{1,20}$/)
const knownSchema = timesSchema.extend({
  known: z.array(
    z.object({
      row: z.number().int().nonnegative(),
      partition: z.number().int(),
      sequence: digits,
      refusal: z.number().int(),
      fingerprint: digits,
      scale: z.number().int(),
    }),
  ),
})

/** Hints that go with one question. */
const NEAR_MAX = 16

/** The outcome that a row had before. */
export interface KnownRow {
  readonly partition: number
  readonly sequence: bigint
  /** Why it was refused; undefined: it has happened. */
  readonly refusal: string | undefined
  /** Of the body with which it came. */
  readonly fingerprint: bigint
  /** Decimal places with which its account was opened, where it opened one. */
  readonly scale: number
}

/** What the platform knew of rows. */
export interface Known {
  /** By index of the row; those that had no outcome are left out. */
  readonly rows: ReadonlyMap<number, KnownRow>
  /** Base times of a partition under which they were looked for. */
  looked(partition: number): number
}

/** A run's view of an import's base times. */
export class BaseTimes {
  readonly #url: string
  readonly #name: string
  readonly #log: (line: string) => void
  #times = new Map<number, readonly number[]>()
  #isKnownName = false
  /** Where the last known rows stand: the next ones often stand right behind. */
  readonly #near = new Map<number, bigint>()

  private constructor(url: string, name: string, log: (line: string) => void) {
    this.#url = url
    this.#name = name
    this.#log = log
  }

  /**
   * Asks what is kept of an import.
   * @throws CommandFailure `platform_unavailable`
   */
  static async open(url: string, name: string, log: (line: string) => void): Promise<BaseTimes> {
    const times = new BaseTimes(url, name, log)
    const answer = times.#take(await times.#ask('', undefined), timesSchema)
    times.#isKnownName = answer.partitions.length + answer.ofChunks.length > 0
    return times
  }

  /** Base times of a partition that this run knows of. */
  count(partition: number): number {
    return this.#times.get(partition)?.length ?? 0
  }

  at(partition: number, index: number): number {
    return this.#times.get(partition)![index]!
  }

  /** True if rows may have come before: this is not the first run, or no longer the first base time. */
  get mayKnowRows(): boolean {
    return this.#isKnownName || [...this.#times.values()].some((times) => times.length > 1)
  }

  /**
   * Begins a base time behind all that this run knows of, unless somebody else did meanwhile: either way there is one more.
   * @param after the sequence at which the newest one was seen to have expired; 0 where there is none
   */
  async begin(partition: number, after: bigint): Promise<void> {
    const beyond = this.#times.get(partition)?.at(-1) ?? null
    this.#take(await this.#ask('/times', { partition, beyond, after: String(after) }), timesSchema)
  }

  /**
   * What became of rows under any base time.
   * @param rows their bits, 20 hexadecimal digits each
   */
  async known(rows: readonly string[]): Promise<Known> {
    const near = [...this.#near]
      .slice(0, NEAR_MAX)
      .map(([partition, sequence]) => ({ partition, sequence: String(sequence) }))
    const { known, partitions } = this.#take(await this.#ask('/known', { rows, near }), knownSchema)
    this.#near.clear()
    for (const { partition, sequence } of known)
      if (BigInt(sequence) > (this.#near.get(partition) ?? 0n)) this.#near.set(partition, BigInt(sequence))
    const counts = new Map(partitions.map(({ partition, baseTimesMs }) => [partition, baseTimesMs.length]))
    return {
      rows: new Map(
        known.map(({ row, partition, sequence, refusal, fingerprint, scale }) => [
          row,
          {
            partition,
            sequence: BigInt(sequence),
            refusal: refusal === 0 ? undefined : (refusalOf(refusal) ?? 'unknown'),
            fingerprint: BigInt(fingerprint),
            scale,
          },
        ]),
      ),
      looked: (partition) => counts.get(partition) ?? 0,
    }
  }

  #ask(path: '' | '/times' | '/known', body: object | undefined): Promise<unknown> {
    return askJson(
      `${this.#url}/imports/${encodeURIComponent(this.#name)}${path}`,
      body === undefined ? undefined : JSON.stringify(body),
      this.#log,
    )
  }

  #take<Answer extends z.infer<typeof timesSchema>>(answer: unknown, schema: z.ZodType<Answer>): Answer {
    const read = schema.safeParse(answer)
    if (!read.success) throw notUnderstood(this.#url)
    // An answer that was overtaken by a later one knows less: times are only ever added.
    for (const { partition, baseTimesMs } of read.data.partitions)
      if (baseTimesMs.length > this.count(partition)) this.#times.set(partition, baseTimesMs)
    return read.data
  }
}

function notUnderstood(url: string): CommandFailure {
  return new CommandFailure(
    'platform_unavailable',
    `What answers at ${url} is no platform of this version. Check --url, and that both sides are of one version.`,
  )
}
