/**
 * Notices a leader that is gone. A frozen broker, or one whose machine is gone, keeps its connections open: a request would wait
 * until its time-out, long after another broker leads. So a wait that gets too long asks other brokers who leads, and ends if
 * it is another one. A leader that is only slow is waited for.
 */

export interface LeaderWatchOptions {
  /** The node that was asked; undefined: not known yet. */
  readonly leader: () => string | undefined
  /** Asks a broker who leads; another one each time. */
  readonly askForLeader: () => Promise<string>
  /** How long an answer may take before others are asked, in ms. Default: WAIT_MS. */
  readonly waitMs?: number
  /** Pause between questions, in ms. Default: ASK_EVERY_MS. */
  readonly askEveryMs?: number
}

/** A reader's request waits a second for records, on a slow machine longer. */
const WAIT_MS = 2_000
const ASK_EVERY_MS = 500

/** Another broker leads than the one that was asked. */
export class LeaderMovedError extends Error {
  override name = 'LeaderMovedError'
  constructor() {
    super('another broker leads the partition by now')
  }
}

/**
 * The result of `work`, unless another broker turns out to lead first. A later failure of `work` is then ignored.
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
        // A broker that does not answer tells nothing.
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
