/** The thread in which an author's functions are tried: it loads his module, closes the ways to clock, chance and world, and says what came of it. */
import { parentPort, workerData } from 'node:worker_threads'
import type { View } from '../../../gateway/view.ts'
import { guardWays } from '../../../projectors/code/author/impure.ts'
import { EventRows } from '../../../projectors/code/values/event-row.ts'
import type { CodeProjection } from '../../../projectors/code-projection.ts'
import type { SinkProjection } from '../../../projectors/sink-projection.ts'
import { messageOf } from '../../../schemas/errors.ts'
import { PHASES, TrialFault, tryCode, type Phase } from './code-trial.ts'

export interface TrialOrder {
  /** URL of the module whose default export is the view. */
  readonly module: string
  /** Event rows, one behind the other. */
  readonly payload: Uint8Array
  /** Which function is at work (its place among PHASES), and on which event. */
  readonly progress: SharedArrayBuffer
}

export type TrialAnswer =
  | { readonly rows: Readonly<Record<string, number>> }
  | {
      readonly phase: Phase
      readonly message: string
      /** Of what the author's function threw. */
      readonly stack: string
    }

const { module, payload, progress } = workerData as TrialOrder
const place = new Int32Array(progress)

/** @param mark makes it another instance: an import of one URL is one module */
async function load(mark: string): Promise<CodeProjection | SinkProjection> {
  const { default: view } = (await import(`${module}${mark}`)) as { readonly default: View }
  return view.projection as CodeProjection | SinkProjection
}

async function answer(): Promise<TrialAnswer> {
  // Doors have to be in their places before the author's file takes copies.
  const ways = guardWays()
  try {
    const projection = await load('')
    // What a module does when it is loaded is its own affair.
    const again = await load('?again')
    const events = new EventRows(payload).behind(0n)
    ways.close()
    const rows = await tryCode(
      projection,
      async () => again,
      events,
      (phase, sequence) => {
        Atomics.store(place, 0, PHASES.indexOf(phase))
        Atomics.store(place, 1, Number(sequence))
      },
    )
    return { rows }
  } catch (error) {
    const { cause } = error as Error
    const stack = (cause instanceof Error ? cause : (error as Error)).stack ?? ''
    const phase = error instanceof TrialFault ? error.phase : 'load'
    return { phase, message: messageOf(error), stack: stack.replaceAll('?again', '') }
  } finally {
    ways.open()
  }
}

parentPort!.postMessage(await answer())
