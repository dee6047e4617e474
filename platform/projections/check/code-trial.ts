/**
 * A code or sink projection tried on sample events: as a whole, once more, with every state read back from its text, and from
 * the middle on as after a restart. Each time the same rows have to come of it. It runs where nothing else does
 * (code-thread.ts), so that what never returns can be ended.
 */
import { thrownBy } from '../../../projectors/code/author/thrown.ts'
import { parseState, stateText } from '../../../projectors/code/values/state-text.ts'
import { RowError, TablesRows, told } from '../../../projectors/code/values/table-rows.ts'
import type { CodeProjection, ProjectionEvent, StateValue } from '../../../projectors/code-projection.ts'
import type { SinkProjection } from '../../../projectors/sink-projection.ts'
import { messageOf } from '../../../schemas/errors.ts'

/** The function that was at work. */
export const PHASES = ['load', 'keysOf', 'initial', 'fold', 'project'] as const
export type Phase = (typeof PHASES)[number]

/** What is wrong, and in which of the author's functions. */
export class TrialFault extends Error {
  readonly phase: Phase

  constructor(phase: Phase, message: string, options?: ErrorOptions) {
    super(message, options)
    this.phase = phase
  }
}

/** Told before each call of an author's function: who gives up on it says where it was. */
export type Progress = (phase: Phase, sequence: bigint) => void

/** Rows or messages of each event, as text, and how many there were of each table. */
interface Run {
  readonly texts: string[]
  readonly counts: Record<string, number>
  readonly states: Map<string, StateValue>
}

/**
 * Tries a projection.
 * @param again the same projection, loaded afresh: it remembers nothing
 * @returns rows that were made, by table; `messages` of a sink
 * @throws TrialFault
 */
export async function tryCode(
  projection: CodeProjection | SinkProjection,
  again: () => Promise<CodeProjection | SinkProjection>,
  events: readonly ProjectionEvent[],
  progress: Progress,
): Promise<Readonly<Record<string, number>>> {
  const run = (from: number, states: Map<string, StateValue>, readsBack: boolean, one = projection): Run =>
    runOver(one, events.slice(from), states, readsBack, progress)
  const first = run(0, new Map(), false)
  const middle = Math.floor(events.length / 2)
  const compare = (other: Run, from: number, why: string): void => {
    const at = other.texts.findIndex((text, index) => text !== first.texts[from + index])
    if (at === -1) return
    const { sequence, kind } = events[from + at]!
    const what = `the event ${sequence} (${kind}) made ${first.texts[from + at]} first, and ${other.texts[at]} ${why}`
    throw new TrialFault('project', `${what}. Rows and states may follow from the events alone, and from nothing remembered beside the states.`)
  }
  compare(run(0, new Map(), false), 0, 'when everything was read again')
  compare(run(0, new Map(), true), 0, 'when states had been stored and read back')
  const half = runOver(projection, events.slice(0, middle), new Map(), true, progress)
  compare(run(middle, half.states, true, await again()), middle, 'after a restart before it')
  return first.counts
} // prettier-ignore

function runOver(
  projection: CodeProjection | SinkProjection,
  events: readonly ProjectionEvent[],
  states: Map<string, StateValue>,
  readsBack: boolean,
  progress: Progress,
): Run {
  const run: Run = { texts: [], counts: {}, states }
  for (const event of events) {
    const call = <T>(phase: Phase, work: () => T): T => {
      progress(phase, event.sequence)
      return called(phase, event, work)
    }
    if (projection.kind === 'sink') run.texts.push(messagesOf(projection, event, call, run))
    else {
      const own = foldInto(projection, event, states, call)
      run.texts.push(rowsOf(projection, event, own, call, run))
      if (readsBack)
        for (const key of own.keys()) states.set(key, freeze(parseState(stateText(states.get(key)))))
    }
  }
  return run
}

type Call = <T>(phase: Phase, work: () => T) => T

/** Calls an author's function, and says of which event it was if it fails. */
function called<T>(phase: Phase, { sequence, kind }: ProjectionEvent, work: () => T): T {
  let result: T
  try {
    result = work()
  } catch (error) {
    const message = messageOf(error)
    const isChange = error instanceof TypeError && /read only|not extensible|Cannot delete/.test(message)
    const why = isChange
      ? `${phase} changes what it was given (${message}). It has to return a new value`
      : `${phase} throws on the event ${sequence} (${kind}): ${message.replace(/\.$/, '')}`
    throw new TrialFault(phase, `${why}.`, { cause: error })
  }
  if (result instanceof Promise)
    throw new TrialFault(
      phase,
      `${phase} returns a promise. It has to answer at once, from what it was given.`,
    )
  return result
}

/** States of the event's keys, behind it. */
function foldInto(
  projection: CodeProjection,
  event: ProjectionEvent,
  states: Map<string, StateValue>,
  call: Call,
): ReadonlyMap<string, StateValue> {
  const own = new Map<string, StateValue>()
  if (projection.keysOf === undefined) return own
  const keys = call('keysOf', () => projection.keysOf!(event))
  if (!Array.isArray(keys) || keys.some((key) => typeof key !== 'string') || new Set(keys).size !== keys.length)
    throw new TrialFault('keysOf', `keysOf has to return a list of texts without repeats; of the event ${event.sequence} (${event.kind}) it returned ${told(keys)}.`)
  for (const key of keys as readonly string[]) {
    const before = states.has(key) ? states.get(key)! : freeze(kept('initial', call('initial', () => projection.initial!(key))))
    const after = freeze(kept('fold', call('fold', () => projection.fold!(before, event, key))))
    states.set(key, after)
    own.set(key, after)
  }
  return own
} // prettier-ignore

/** A state, if it can be kept. */
function kept(phase: Phase, state: StateValue): StateValue {
  try {
    stateText(state)
  } catch (error) {
    throw new TrialFault(phase, `${phase} returns what cannot be kept: ${(error as Error).message}.`)
  }
  return state
}

function messagesOf(projection: SinkProjection, event: ProjectionEvent, call: Call, { counts }: Run): string {
  const messages = call('project', () => projection.project(event))
  if (!Array.isArray(messages))
    throw new TrialFault('project', `project has to return a list of messages, not ${told(messages)}.`)
  counts['messages'] = (counts['messages'] ?? 0) + messages.length
  try {
    return stateText(messages)
  } catch (error) {
    throw new TrialFault('project', `project returns what cannot be sent: ${(error as Error).message}.`)
  }
}

function rowsOf(
  projection: CodeProjection,
  event: ProjectionEvent,
  states: ReadonlyMap<string, StateValue>,
  call: Call,
  { counts }: Run,
): string {
  const made = call('project', () => projection.project(event, new Map(states)))
  const { partition, sequence, kind } = event
  try {
    const rows = new TablesRows(projection.tables)
    rows.add(partition, sequence, made)
    for (const { table, count } of rows.take()) counts[table] = (counts[table] ?? 0) + count
  } catch (error) {
    const why = error instanceof RowError ? error.message : `the rows that project gave: ${thrownBy(error)}`
    throw new TrialFault('project', `On the event ${sequence} (${kind}), ${why}.`)
  }
  const tables = Object.entries(made).filter(([, rows]) => rows !== undefined)
  return stateText(Object.fromEntries(tables))
}

/** Nothing that it is made of can be changed any more. */
function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const one of Object.values(value)) freeze(one)
  }
  return value
}
