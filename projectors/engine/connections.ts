import { Session } from 'chdb'
import { fromEngine, queryError } from './errors.ts'
import { QUERY_TEXT_BYTES_MAX } from './limits.ts'
import { quotedIdentifier } from './statement/parameters.ts'

/** Format of results whose query names none, as over ClickHouse's HTTP. */
const DEFAULT_FORMAT = 'TabSeparated'

/** The engine reads this bound before it reads the query, so no `SETTINGS` clause can raise it. Escaping may double a text. */
const CONNECTION_ARGUMENTS = [`--max_query_size=${2 * QUERY_TEXT_BYTES_MAX}`]

function openSession(folder: string): Session {
  return new Session(folder, { connectionArgs: CONNECTION_ARGUMENTS })
}

/** A query's answer: all its bytes, and what the engine counted. */
export interface Answer {
  readonly bytes: Uint8Array
  readonly rowsRead: number
  readonly bytesRead: number
  /** Seconds in the engine. */
  readonly elapsed: number
}

/**
 * One connection to the engine: one call at a time, and nothing of a call left behind for the next.
 * The engine prepends what a failed query had already written to the next result of the same connection, and
 * `SET` and `USE` stay: so after either the connection is replaced, which costs less than a millisecond.
 */
export class Connection {
  readonly #folder: string
  #session: Session
  #database = 'default'
  #changed = false

  constructor(folder: string) {
    this.#folder = folder
    this.#session = openSession(folder)
  }

  /**
   * Runs one statement to its end.
   * @throws QueryError
   */
  async run(
    sql: string,
    options: { readonly database: string; readonly format?: string | undefined },
  ): Promise<Answer> {
    try {
      await this.#use(options.database)
      return await this.#call(sql, options.format ?? DEFAULT_FORMAT)
    } catch (error) {
      this.#changed = true
      throw fromEngine(error)
    } finally {
      if (this.#changed) this.#replace()
    }
  }

  /** Runs a statement that cannot carry its settings itself; they end with it all the same. */
  async runWithSet(
    set: string,
    sql: string,
    options: { readonly database: string; readonly format?: string | undefined },
  ): Promise<Answer> {
    this.#changed = true
    if (set !== '') {
      try {
        await this.#call(`SET ${set}`, DEFAULT_FORMAT)
      } catch (error) {
        this.#replace()
        throw fromEngine(error)
      }
    }
    return this.run(sql, options)
  }

  close(): void {
    this.#session.close()
  }

  async #use(database: string): Promise<void> {
    if (database === this.#database) return
    await this.#call(`USE ${quotedIdentifier(database)}`, DEFAULT_FORMAT)
    this.#database = database
  }

  async #call(sql: string, format: string): Promise<Answer> {
    const result = await this.#session.queryAsync(sql, { format })
    return {
      bytes: result.bytes(),
      rowsRead: result.rowsRead,
      bytesRead: result.bytesRead,
      elapsed: result.elapsed,
    }
  }

  #replace(): void {
    this.#session.close()
    this.#session = openSession(this.#folder)
    this.#database = 'default'
    this.#changed = false
  }
}

interface Waiting {
  readonly start: (connection: Connection) => void
}

/** Connections of one kind, lent one call at a time, in the order of asking, with a bound on how many may wait. */
export class Pool {
  readonly #free: Connection[]
  readonly #all: readonly Connection[]
  readonly #waiting: Waiting[] = []
  readonly #waitingMax: number

  constructor(folder: string, size: number, waitingMax: number) {
    this.#all = Array.from({ length: size }, () => new Connection(folder))
    this.#free = [...this.#all]
    this.#waitingMax = waitingMax
  }

  /**
   * Lends a connection for one piece of work.
   * @param signal gives up the place in the queue; it does not stop work that has begun
   * @throws QueryError (TOO_MANY_SIMULTANEOUS_QUERIES) if too many wait already, (QUERY_WAS_CANCELLED) if the caller left
   */
  async use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#free.pop() ?? (await this.#wait(signal))
    try {
      if (signal.aborted) throw queryError('QUERY_WAS_CANCELLED', 'The client has left.')
      return await work(connection)
    } finally {
      const next = this.#waiting.shift()
      if (next) next.start(connection)
      else this.#free.push(connection)
    }
  }

  close(): void {
    for (const connection of this.#all) connection.close()
  }

  #wait(signal: AbortSignal): Promise<Connection> {
    if (this.#waiting.length >= this.#waitingMax) {
      throw queryError(
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many simultaneous queries. Waiting at most: ${this.#waitingMax}.`,
      )
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: (connection) => {
          signal.removeEventListener('abort', leave)
          resolve(connection)
        },
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(queryError('QUERY_WAS_CANCELLED', 'The client has left.'))
      }
      if (signal.aborted) return reject(queryError('QUERY_WAS_CANCELLED', 'The client has left.'))
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiting)
    })
  }
}
