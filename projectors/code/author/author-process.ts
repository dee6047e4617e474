/**
 * The process in which an author's functions run. A thread would not do: one `Map` that grows without end ends the whole
 * process of its thread, whatever the thread's limits say.
 */
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { runtimeEntry } from '../../../eventlog/runtime-entry.ts'
import { messageOf } from '../../../schemas/errors.ts'
import { Evaluator, type Watch } from './evaluator.ts'
import { guardWays } from './impure.ts'
import { loadProjection } from './load-projection.ts'
import { AuthorFault, ProjectionLoadError, type StoredStates, type Work } from './port.ts'
import {
  LAST_WORDS_FD,
  type FromAuthor,
  type LastWords,
  type Load,
  type ToAuthor,
} from './process-messages.ts'
import { Progress } from './progress.ts'
import { SinkDeliverer, SinkFault } from './sink-deliverer.ts'
import { thrownBy } from './thrown.ts'
import type { WatchStart } from './watch-thread.ts'

// Taken before the ways out are guarded.
const { writeSync } = fs
const turn = setImmediate
const exit = process.exit.bind(process)

const progress = new Progress()
const ways = guardWays()

/** True while each event is told before it is taken. */
let isCareful = false
const watch: Watch = {
  at: (sequence) => {
    progress.at(sequence)
    if (isCareful) say({ sequence: String(sequence) })
    ways.close()
  },
  idle: () => {
    ways.open()
    progress.idle()
  },
  get turn() {
    return isCareful ? nextTurn : undefined
  },
}

let evaluator: Evaluator | undefined
let deliverer: SinkDeliverer | undefined
/** Takes the states that were asked for. */
let answered: { resolve(states: StoredStates): void; reject(error: Error): void } | undefined

process.on('message', (message) => {
  void take(message as ToAuthor)
})
process.on('disconnect', () => exit(0))
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error: unknown) => {
    const { sequence } = progress
    ways.open()
    say({
      ...(sequence === undefined ? {} : { sequence: String(sequence) }),
      why: 'uncaught',
      message: thrownBy(error),
    })
    exit(1)
  })

async function take(message: ToAuthor): Promise<void> {
  switch (message.kind) {
    case 'load':
      return tell(await load(message))
    case 'run':
      isCareful = message.isCareful
      return tell(await settled(() => run(message.work)))
    case 'deliver':
      isCareful = message.isCareful
      return tell(await settled(() => deliver(message.work)))
    case 'states':
      return answered?.resolve(message.states)
    case 'abandon':
      return answered?.reject(new Error('the states could not be had'))
    case 'keep':
      return evaluator?.keep(message.partition)
  }
}

async function load({ module, declared, limits }: Load): Promise<FromAuthor> {
  try {
    const projection = await loadProjection(module, declared)
    if (projection.kind === 'code') evaluator = new Evaluator(projection, limits, watch)
    else deliverer = new SinkDeliverer(projection, watch)
    const workerData: WatchStart = { progress: progress.shared, limits }
    const thread = new Worker(runtimeEntry(new URL('./watch-thread.ts', import.meta.url)), { workerData })
    await new Promise((resolve) => thread.once('online', resolve))
    return { kind: 'loaded' }
  } catch (error) {
    return {
      kind: 'unloadable',
      message: error instanceof ProjectionLoadError ? error.message : thrownBy(error),
    }
  }
}

async function run(work: Work): Promise<FromAuthor> {
  const made = await evaluator!.run(work, (keys) => {
    tell({ kind: 'asks', keys })
    return new Promise((resolve, reject) => (answered = { resolve, reject }))
  })
  return { kind: 'made', made }
}

async function deliver(work: Work): Promise<FromAuthor> {
  await deliverer!.deliver(work, (last) => tell({ kind: 'delivered', last }))
  return { kind: 'done' }
}

async function settled(task: () => Promise<FromAuthor>): Promise<FromAuthor> {
  const answer = await task().catch((error: unknown): FromAuthor => {
    if (error instanceof AuthorFault)
      return { kind: 'fault', sequence: error.sequence, message: error.message }
    if (error instanceof SinkFault) return { kind: error.isOutage ? 'outage' : 'failed', message: error.message }
    return { kind: 'failed', message: messageOf(error) }
  }) // prettier-ignore
  // Whatever the functions have left behind that breaks by itself breaks before their answer counts.
  await nextTurn()
  return answer
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => turn(resolve))
}

function tell(message: FromAuthor): void {
  process.send!(message)
}

function say(words: LastWords): void {
  writeSync(LAST_WORDS_FD, `${JSON.stringify(words)}\n`)
}
