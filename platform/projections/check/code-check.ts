/** A code or sink projection tried on sample events in a thread of its own, within bounds of time and memory. */
import { Worker } from 'node:worker_threads'
import { runtimeEntry } from '../../../eventlog/runtime-entry.ts'
import { encodeEvent } from '../../../schemas/encode-event.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import { placeIn, type AuthorFault } from '../author-file.ts'
import type { AuthoredView } from '../fitness.ts'
import type { TrialAnswer, TrialOrder } from './code-thread.ts'
import { PHASES } from './code-trial.ts'
import type { Checked } from './sql-check.ts'

export interface TrialBounds {
  /** For all sample events together. Default: 10 s. */
  readonly msMax?: number
  /** Memory of the thread. Default: 256 MiB. */
  readonly mebibytesMax?: number
}

/** Tries the projection of a view that has a module. */
export async function checkCode(
  authored: AuthoredView,
  events: readonly WalletEvent[],
  { msMax = 10_000, mebibytesMax = 256 }: TrialBounds = {},
): Promise<Checked> {
  const progress = new SharedArrayBuffer(8)
  const order: TrialOrder = {
    module: authored.view.module!,
    payload: Buffer.concat(events.map(encodeEvent)),
    progress,
  }
  const worker = new Worker(runtimeEntry(new URL('./code-thread.ts', import.meta.url)), {
    name: 'projection-check',
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: mebibytesMax },
    // What the author prints is no answer of ours.
    stdout: true,
    stderr: true,
  })
  const where = (): string => {
    const [phase, sequence] = new Int32Array(progress) as unknown as [number, number]
    return phase === 0 ? 'while it was loaded' : `in ${PHASES[phase]!}, on the sample event ${sequence}`
  }
  const unfit = (problem: string): Checked => {
    const phase = PHASES[new Int32Array(progress)[0]!]!
    return { faults: [authored.source.fault(problem, ...(phase === 'load' ? [] : [phase]))], rows: {} }
  }
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<Checked>((resolve) => {
      worker.once('message', (answer: TrialAnswer) =>
        resolve('rows' in answer ? { faults: [], rows: answer.rows } : { faults: [faultOf(answer, authored)], rows: {} }),
      )
      worker.once('error', (error: Error & { readonly code?: string }) =>
        resolve(
          error.code === 'ERR_WORKER_OUT_OF_MEMORY'
            ? unfit(`It takes more memory than the ${mebibytesMax} MiB that it may have, ${where()}.`)
            : unfit(`It cannot be loaded: ${error.message}`),
        ),
      )
      worker.once('exit', (code) => resolve(unfit(`It ended its thread with code ${code}, ${where()}.`)))
      timer = setTimeout(() => resolve(unfit(`It has not come back after ${msMax} ms, ${where()}.`)), msMax)
    })
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
} // prettier-ignore

function faultOf(answer: Extract<TrialAnswer, { phase: unknown }>, authored: AuthoredView): AuthorFault {
  const { phase, message, stack } = answer
  const place = placeIn(stack, authored.built)
  if (place !== undefined) return { ...place, problem: message }
  return authored.source.fault(message, ...(phase === 'load' ? [] : [phase]))
}
