/** Targets for projections that are code. Tables, states and the process of the author's functions: all that a runtime has to know of. */
import type { CodeProjection } from '../code-projection.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Layout } from '../projection.ts'
import type { Target } from '../runtime/lanes/target.ts'
import { AuthorHandle } from './author/author-handle.ts'
import { declaredSink } from './author/load-projection.ts'
import type { StatesLimits } from './author/partition-states.ts'
import type { Author } from './author/port.ts'
import type { DeclaredSink, ProcessLimits } from './author/process-messages.ts'
import { CodeTarget } from './code-target.ts'
import { RowsStore } from './rows-store.ts'
import { SinkTarget } from './sink-target.ts'
import { declaredOf, type DeclaredCode } from './tables.ts'

/** What a projection's functions may take. */
export interface CodeLimits extends StatesLimits, ProcessLimits {
  /** Time in which a sink has to take a delivery, in ms. */
  readonly deliveryMsMax: number
}

export const CODE_LIMITS: CodeLimits = {
  secondsPerEventMax: 10,
  memoryMiBMax: 512,
  statesMax: 200_000,
  stateBytesMax: 24 * 1024 * 1024,
  deliveryMsMax: 30_000,
}

interface StartOptions {
  /** URL of the file whose default export is a view, or the projection itself; one that `import()` takes as it is. */
  readonly module: string
  /** Those that differ from CODE_LIMITS. */
  readonly limits?: Partial<CodeLimits>
  /** A line for operators. */
  readonly log: (line: string) => void
}

export interface CodeTargetStart extends StartOptions {
  readonly store: ViewStore
  readonly layout: Layout
  readonly projection: CodeProjection | DeclaredCode
  /** Counted by the store, not by the author: its tables are called `NAME_v<version>`. */
  readonly version: number
  /** Runs the functions in place of a process of their own: `inlineAuthor`. */
  readonly author?: Author
}

/** The target of a code projection. Nothing is started before `prepare`, which throws ProjectionLoadError for a file that does not load. */
export function startCodeTarget(options: CodeTargetStart): Target {
  const { store, layout, version, projection } = options
  const declared = 'isStateful' in projection ? projection : declaredOf(projection)
  const author = options.author ?? handle(options, declared)
  const rows = new RowsStore({ store, layout, projection: declared, version })
  return new CodeTarget({ projection: declared, rows, author })
}

export interface SinkTargetStart extends StartOptions {
  readonly projection: DeclaredSink
}

/** The target of a sink projection. As `startCodeTarget`. */
export function startSinkTarget(options: SinkTargetStart): Target {
  const { deliveryMsMax } = { ...CODE_LIMITS, ...options.limits }
  return new SinkTarget(handle(options, declaredSink(options.projection)), deliveryMsMax)
}

function handle({ module, limits, log }: StartOptions, declared: DeclaredCode | DeclaredSink): AuthorHandle {
  return new AuthorHandle({ module, declared, limits: { ...CODE_LIMITS, ...limits }, log })
}

/** A projection that is one fold over everything, where there is more than one partition. */
export class PartitioningError extends Error {
  override readonly name = 'PartitioningError'
  readonly code = 'PARTITIONING_UNFIT'
}

/**
 * Refuses a projection over the whole deployment where that has several partitions: each has an order of its own, and there
 * is none over all of them in which such a fold would give the same states twice.
 * @throws PartitioningError
 */
export function refusePartitioning(
  { name, partitioning }: Pick<CodeProjection, 'name' | 'partitioning'>,
  partitions: number,
): void {
  if (partitioning === 'whole' && partitions > 1)
    throw new PartitioningError(
      `The projection ${name} is one fold over the whole deployment, which has ${partitions} partitions: it can fold over one only.`,
    )
}
