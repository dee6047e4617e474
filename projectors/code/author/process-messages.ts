/** What a projection's process and the one that started it say to each other. */
import type { DeclaredCode } from '../tables.ts'
import type { StatesLimits } from './partition-states.ts'
import type { Made, StoredStates, Work } from './port.ts'

/** What the process is given first. */
export interface Load {
  readonly kind: 'load'
  /** URL of the file whose default export is a view, or a projection itself. */
  readonly module: string
  /** What the file must turn out to declare. */
  readonly declared: DeclaredCode | DeclaredSink
  readonly limits: StatesLimits & ProcessLimits
}

export interface DeclaredSink {
  readonly kind: 'sink'
  readonly name: string
  readonly version: number
}

/** How much of the machine an author's functions may take. */
export interface ProcessLimits {
  /** Time after which a function that has not come back is given up, in seconds. */
  readonly secondsPerEventMax: number
  /** Memory of its process, in MiB. */
  readonly memoryMiBMax: number
}

export type ToAuthor =
  | Load
  /** @param isCareful tells each event before it is taken, so that whatever ends the process is known to be its doing */
  | { readonly kind: 'run'; readonly work: Work; readonly isCareful: boolean }
  | { readonly kind: 'deliver'; readonly work: Work; readonly isCareful: boolean }
  | { readonly kind: 'states'; readonly states: StoredStates }
  | { readonly kind: 'abandon' }
  | { readonly kind: 'keep'; readonly partition: number }

export type FromAuthor =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'unloadable'; readonly message: string }
  | { readonly kind: 'asks'; readonly keys: readonly string[] }
  | { readonly kind: 'made'; readonly made: Made }
  | { readonly kind: 'delivered'; readonly last: bigint }
  | { readonly kind: 'done' }
  | { readonly kind: 'fault'; readonly sequence: bigint; readonly message: string }
  /** The sink cannot be reached just now. */
  | { readonly kind: 'outage'; readonly message: string }
  /** Neither an event's doing nor an outage. */
  | { readonly kind: 'failed'; readonly message: string }

/** What the process writes when it ends, or before each event: one JSON text a line. */
export interface LastWords {
  /** The event that its functions were called for; missing: none. */
  readonly sequence?: string
  readonly why?: 'stuck' | 'memory' | 'uncaught'
  readonly message?: string
}

/** The file descriptor on which it does. */
export const LAST_WORDS_FD = 4
