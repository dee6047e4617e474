import type { Readable } from 'node:stream'
import { Pool, type Answer, type Connection } from './connections.ts'
import { QueryError, queryError } from './errors.ts'
import { CONNECTIONS, RESULT_BYTES_MAX, RESULT_MEMORY_BYTES_MAX, WAITING_MAX } from './limits.ts'
import { stringLiteral, substituteParameters } from './statement/parameters.ts'
import { settingsList, type Settings } from './statement/settings.ts'
import type { Spool, SpooledFile } from './spool.ts'
import { parseStatement, splitInlineData, type Statement } from './statement/statement.ts'

const KILL_AGAIN_MS = 100
const DEFAULT_FORMAT = 'TabSeparated'

/** One query as it came in, sorted but not yet understood. */
export interface Query {
  readonly text: string
  /** What follows the text as data, if it came apart from it. */
  readonly data: Readable | undefined
  readonly database: string
  readonly format: string | undefined
  readonly settings: Settings
  readonly parameters: ReadonlyMap<string, string>
  /** Refuses everything but reads. */
  readonly readOnly: boolean
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** What a query gives back: bytes in memory, or a file that the receiver removes. */
export interface QueryOutcome {
  readonly format: string
  readonly answer: Answer
  /** Rows that an insert brought in as data; what its views made of them is not counted. */
  readonly rowsWritten: number
  readonly file?: SpooledFile
}

type ReadStatement = Extract<Statement, { kind: 'read' }>

/**
 * Runs queries on the engine: the right connection for each, settings that end with it, data from files.
 *
 * What differs from a server: data of an INSERT is read in blocks of the engine's choice, so
 * `max_insert_block_size` has no effect; `min_insert_block_size_rows` and `_bytes` join them as ever, and
 * deduplication tokens, views behind a Null table and defaults work as ever. `async_insert` has no effect
 * either: an insert is answered when it is stored. No answer begins before its query has ended, so an error
 * always comes with its status, and a large result takes a second run that goes by way of a file.
 */
export class Executor {
  readonly #spool: Spool
  readonly #pools: Readonly<Record<keyof typeof CONNECTIONS, Pool>>
  #tag = 0

  constructor(folder: string, spool: Spool) {
    this.#spool = spool
    const pool = (size: number) => new Pool(folder, size, WAITING_MAX)
    this.#pools = {
      read: pool(CONNECTIONS.read),
      insert: pool(CONNECTIONS.insert),
      command: pool(CONNECTIONS.command),
      control: pool(CONNECTIONS.control),
    }
  }

  /**
   * Runs one query to its end; an insert's rows are stored when this returns.
   * @throws QueryError; anything else comes from the data's stream
   */
  async execute(query: Query): Promise<QueryOutcome> {
    const { code, data } = splitInlineData(query.text)
    const statement = parseStatement(substituteParameters(code, query.parameters))
    if (query.readOnly && statement.kind !== 'read') {
      throw queryError(
        'READONLY',
        'Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly.',
      )
    }
    if (statement.kind === 'read') {
      await refuseData(query.data)
      return this.#read(statement, query)
    }
    if (
      statement.kind === 'insert-data' ||
      (statement.kind === 'insert-select' && statement.inputs.length > 0)
    ) {
      return this.#insertData(statement, data, query)
    }
    await refuseData(query.data)
    if (statement.kind === 'insert-select') return this.#insertSelect(statement, query)
    const pool = statement.word === 'KILL' ? this.#pools.control : this.#pools.command
    const answer = await pool.use(query.signal, (connection) =>
      connection.runWithSet(settingsList(query.settings), statement.text, query),
    )
    return { format: query.format ?? DEFAULT_FORMAT, answer, rowsWritten: 0 }
  }

  /** Proves that the engine still answers; it waits behind nothing but other proofs and KILL. */
  async ping(): Promise<void> {
    await this.#pools.control.use(new AbortController().signal, (connection) =>
      connection.run('SELECT 1', { database: 'default' }),
    )
  }

  /** Stops all reads that run, so that a shutdown need not wait for them. */
  async killReads(): Promise<void> {
    await this.#kill('/*purser ')
  }

  close(): void {
    for (const pool of Object.values(this.#pools)) pool.close()
  }

  async #read(statement: ReadStatement, query: Query): Promise<QueryOutcome> {
    const format = statement.format ?? query.format ?? DEFAULT_FORMAT
    const asked = Number(query.settings.get('max_result_bytes') ?? 0)
    // With "break" the engine would cut the result in silence at whatever bound stands here, so none does.
    const mayCut = query.settings.has('result_overflow_mode') || /result_overflow_mode/i.test(query.text)
    const bounded = (bytes: number) => new Map(query.settings).set('max_result_bytes', String(bytes))
    return this.#pools.read.use(query.signal, async (connection) => {
      const inMemory = asked > 0 ? Math.min(asked, RESULT_MEMORY_BYTES_MAX) : RESULT_MEMORY_BYTES_MAX
      try {
        if (!mayCut) {
          const answer = await this.#stoppable(query.signal, (tag) =>
            connection.run(readText(tag, statement, '', format, bounded(inMemory)), query),
          )
          return { format, answer, rowsWritten: 0 }
        }
      } catch (error) {
        const isOurs = error instanceof QueryError && error.type === 'TOO_MANY_ROWS_OR_BYTES'
        if (!isOurs || !error.message.includes('max bytes') || inMemory === asked) throw error
      }
      const settings = mayCut ? query.settings : bounded(asked > 0 ? asked : RESULT_BYTES_MAX)
      return this.#readToFile(connection, statement, format, settings, query)
    })
  }

  async #readToFile(
    connection: Connection,
    statement: ReadStatement,
    format: string,
    settings: Settings,
    query: Query,
  ): Promise<QueryOutcome> {
    let answer: Answer | undefined
    const stop = new AbortController()
    const signal = AbortSignal.any([query.signal, stop.signal])
    const file = await this.#spool.collect(
      async (name) => {
        answer = await this.#stoppable(signal, (tag) =>
          connection.run(
            readText(tag, statement, ` INTO OUTFILE ${stringLiteral(name)}`, format, settings),
            query,
          ),
        )
      },
      () => {
        stop.abort()
      },
    )
    return { format, answer: answer!, rowsWritten: 0, file }
  }

  async #insertSelect(
    statement: Extract<Statement, { kind: 'insert-select' }>,
    query: Query,
  ): Promise<QueryOutcome> {
    const sql = joined(statement.head, settingsClause(query.settings, statement.settings), statement.select)
    return this.#insert(sql, query)
  }

  async #insertData(
    statement: Extract<Statement, { kind: 'insert-data' | 'insert-select' }>,
    inlineData: string,
    query: Query,
  ): Promise<QueryOutcome> {
    const file = await this.#spool.receive(chunks(inlineData, query.data), query.signal)
    try {
      return await this.#insert(insertText(statement, file.name, query), query)
    } finally {
      await file.remove()
    }
  }

  /**
   * An insert that has begun runs to its end even if its sender leaves: stopped half way, some of the views
   * behind a table would have its rows and others not. The sender repeats it with the same token.
   */
  async #insert(sql: string, query: Query): Promise<QueryOutcome> {
    const answer = await this.#pools.insert.use(query.signal, (connection) => connection.run(sql, query))
    return { format: DEFAULT_FORMAT, answer, rowsWritten: answer.rowsRead }
  }

  /** Runs a read under a mark by which it can be found and killed when its caller leaves. */
  async #stoppable<T>(signal: AbortSignal, run: (tag: string) => Promise<T>): Promise<T> {
    const tag = `/*purser ${++this.#tag}*/`
    let timer: NodeJS.Timeout | undefined
    const kill = () => {
      void this.#kill(tag).catch(() => undefined)
      // It may not have been registered yet when the first KILL looked for it.
      timer = setTimeout(kill, KILL_AGAIN_MS)
    }
    signal.addEventListener('abort', kill, { once: true })
    try {
      return await run(tag)
    } finally {
      signal.removeEventListener('abort', kill)
      clearTimeout(timer)
    }
  }

  async #kill(tagStart: string): Promise<void> {
    const sql = `KILL QUERY WHERE startsWith(query, ${stringLiteral(tagStart)}) ASYNC`
    await this.#pools.control.use(new AbortController().signal, (connection) =>
      connection.run(sql, { database: 'default' }),
    )
  }
}

function readText(
  tag: string,
  statement: ReadStatement,
  into: string,
  format: string,
  settings: Settings,
): string {
  return `${tag} ${statement.text}${into} FORMAT ${format} ${settingsClause(settings, statement.settings)}`
}

function insertText(
  statement: Extract<Statement, { kind: 'insert-data' | 'insert-select' }>,
  name: string,
  query: Query,
): string {
  const settings = settingsClause(query.settings, statement.settings)
  const format = statement.format ?? query.format
  if (format === undefined)
    throw queryError('SYNTAX_ERROR', 'Syntax error: an INSERT with data needs FORMAT.')
  if (statement.kind === 'insert-data') {
    return joined(
      statement.head,
      `FROM INFILE ${stringLiteral(name)} COMPRESSION 'none'`,
      settings,
      `FORMAT ${format}`,
    )
  }
  let select = statement.select
  for (const input of [...statement.inputs].reverse()) {
    const source = `file(${stringLiteral(name)}, ${stringLiteral(format)}, ${input.structure}, 'none')`
    select = select.slice(0, input.start) + source + select.slice(input.end)
  }
  return joined(statement.head, settings, select)
}

/** Settings of the request first, those in the text last: of two alike the last one counts. */
function settingsClause(settings: Settings, inText: string | undefined): string {
  const list = [settingsList(settings), inText ?? ''].filter((part) => part !== '').join(', ')
  return list === '' ? '' : `SETTINGS ${list}`
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ')
}

async function* chunks(inline: string, data: Readable | undefined): AsyncGenerator<Buffer> {
  if (inline !== '') yield Buffer.from(inline)
  if (data) yield* data.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
}

/** A text that takes no data must not be given any: over HTTP it would become part of the query. */
async function refuseData(data: Readable | undefined): Promise<void> {
  if (data === undefined) return
  for await (const chunk of data.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (chunk.length > 0)
      throw queryError('BAD_ARGUMENTS', 'This query takes no data, and the request has a body.')
  }
}
