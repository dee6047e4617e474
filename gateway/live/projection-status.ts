/**
 * How far the projections are, as it changes. Only the newest is ever handed out, so a subscriber that reads slowly misses
 * what has been overtaken, and nothing waits for it.
 */
import { formatPosition } from '../../schemas/positions.ts'
import type { Projections, ProjectionStatus } from '../../projectors/runtime/status.ts'
import { badInput } from '../errors.ts'
import { END, pullStream } from './streams.ts'

const LOOK_EVERY_MS = 500

/**
 * Streams the status of each projection, then each change.
 * @param name only this one
 * @throws Fault BAD_USER_INPUT if there is none of that name
 */
export function projectionStatus(
  projections: Pick<Projections, 'status'>,
  name?: string,
): AsyncGenerator<ProjectionStatus, undefined, undefined> {
  const wanted = (): readonly ProjectionStatus[] =>
    projections.status().filter((one) => name === undefined || one.name === name)
  if (wanted().length === 0) throw badInput('name', `There is no projection ${name ?? ''} here.`)
  const told = new Map<string, string>()
  let changed: ProjectionStatus[] = []
  let isOver = false
  let wake: () => void = () => undefined

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_EVERY_MS)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const pull = async (): Promise<ProjectionStatus | typeof END> => {
    for (;;) {
      if (isOver) return END
      const next = changed.shift()
      if (next !== undefined) {
        told.set(next.name, contentOf(next))
        return next
      }
      if (told.size > 0) await pause()
      changed = wanted().filter((one) => told.get(one.name) !== contentOf(one))
    }
  }
  return pullStream(pull, () => {
    isOver = true
    wake()
  })
}

/** What of a status is told of when it changes: ages grow by themselves. */
function contentOf({ version, state, position, lagEvents, failure, trend }: ProjectionStatus): string {
  return [version, state, formatPosition(position), lagEvents, failure ?? '', trend?.direction ?? ''].join(
    ' ',
  )
}
