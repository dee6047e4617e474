/**
 * A broker that is frozen, or whose machine is gone, keeps its connections: whoever waits for its answer would wait until the
 * request's time is over, long after another broker has taken its place. So who waits for longer than an answer takes asks
 * the other brokers who leads, and stops waiting when it is another one. A leader that is only slow is waited for.
 */

export interface LeaderWatchOptions {
  /** The node that is asked; undefined: it is still being looked for. */
  readonly leader: () => string | undefined
  /** Asks a broker, another one each time, who leads. */
  readonly askForLeader: () => Promise<string>
  /** So long an answer may take before anybody is asked, in ms. Default: WAIT_MS. */
  readonly waitMs?: number
  /** Between one question and the next, in ms. Default: ASK_EVERY_MS. */
  readonly askEveryMs?: number
}

/** A reader's request waits a second for records to come, and for more on a slow machine. */
const WAIT_MS = 2_000
const ASK_EVERY_MS = 500

/** Another broker leads than the one that was asked: the answer need not be waited for. */
export class LeaderMovedError extends Error {
  override name = 'LeaderMovedError'
  constructor() {
    super('another broker leads the partition by now')
  }
}

/**
 * What the work comes to, unless another broker turns out to lead first. The work's own failure is nobody's then.
 * @throws LeaderMovedError; what the work throws
 */
export function unlessLeaderMoves<T>(options: LeaderWatchOptions, work: () => Promise<T>): Promise<T> {
  const { leader, askForLeader, waitMs = WAIT_MS, askEveryMs = ASK_EVERY_MS } = options
  return new Promise<T>((resolve, reject) => {
    let isOver = false
    let timer = setTimeout(ask, waitMs)
    const end = (): void => {
      isOver = true
      clearTimeout(timer)
    }
    function ask(): void {
      askForLeader().then(told, () => {
        // Of whoever does not answer either, there is nothing to learn.
        told(undefined)
      })
    }
    function told(other: string | undefined): void {
      if (isOver) return
      if (other === undefined || other === leader()) {
        timer = setTimeout(ask, askEveryMs)
        return
      }
      end()
      reject(new LeaderMovedError())
    }
    work().finally(end).then(resolve, reject)
  })
}
