/**
 * A ClickHouse that the world rules: it understands what the views' runtime sends, keeps the rows that the views would
 * keep, and fails in the ways a server over a network fails. Every call takes its turns from the world's scheduler; the
 * promise that the caller holds is settled by one of them.
 *
 * Left out: a request that is taken up only after the tables it names were dropped and made anew, and a drop that is done
 * after its caller gave up or died. What is under way when a table is dropped belongs to the old one, as `DROP … SYNC` has it.
 */
import { createHash } from 'node:crypto'
import {
  OutageError,
  type QueryParameters,
  type ViewStore,
} from '../../../projectors/clickhouse/view-store.ts'
import { decodeEvents } from '../../../schemas/events.ts'
import type { World } from '../world.ts'
import { CHECKPOINTS, PROJECTIONS, ROW_TABLES, rowsOf } from './rows.ts'
import { understand } from './statements.ts'
import { drawFate, drawStepNs, drawStoreFaults, NO_STORE_FAULTS, type StoreFaults } from './store-faults.ts'
import { Table, ViewsBrokenError, type Block, type TableRow } from './tables.ts'

/** A client's connection; once cut, as its process is dead, nothing that it asked for is answered. */
export interface StoreConnection extends ViewStore {
  cut(): void
}

/** What a call does, in steps between which it may end. The last one makes it durable. */
interface Work<T> {
  readonly what: string
  /** It writes rows: into the tables that were there when it was asked for, and no others. */
  readonly isWrite: boolean
  readonly steps: readonly (() => void)[]
  /** All of it once more, past every memory of tokens; undefined if it is not to be repeated. */
  readonly again?: () => void
  readonly answer: () => T
}

type Bytes = readonly Uint8Array[]

/** Least time in which a writer that met an outage may ask again; the pump's own back-off begins with it. */
const BACK_OFF_NS_MIN = 50_000_000n
/** The real client asks a few times before it tells of an outage. Not so here for rows: the pump's own retry is on trial. */
const ATTEMPTS = 5
const ATTEMPT_NS = 200_000_000n
const FEED = 'feed_v1'
const VIEW = '_from_feed'

export class SimulatedStore {
  readonly #world: World
  readonly #tokensMax: number
  readonly #tables = new Map<string, Table>()
  /** Bytes that came under a token, by their hash: one token, one content, for as long as the tables live. */
  readonly #contents = new Map<string, string>()
  #faults: StoreFaults
  #isUp = true
  /** Counts crashes; what began under another number is gone. */
  #life = 0
  /** Counts the times that the tables were dropped. */
  #era = 0

  constructor(world: World) {
    this.#world = world
    this.#faults = drawStoreFaults(world.random)
    this.#tokensMax = world.random.chance(0.5) ? world.random.between(0, 4) : 1_000
    world.trace(`views store: faults ${JSON.stringify(this.#faults)}, remembers ${this.#tokensMax} tokens`)
  }

  /** The table as it stands, if it is there. */
  table(name: string): Table | undefined {
    return this.#tables.get(name)
  }

  /** Up to where the views hold everything of a partition, as they say themselves: those that are least far. */
  checkpoint(partition: number): TableRow | undefined {
    const rows = PROJECTIONS.all.map(({ name }) => this.table(CHECKPOINTS)?.row(`${name}/${partition}`))
    return rows.reduce((least, row) =>
      least === undefined || row === undefined || least.sequence <= row.sequence ? least : row,
    )
  }

  /** Another number than before: rows may have gone. */
  get losses(): number {
    return this.#life + this.#era
  }

  /** Ends the server where it stands; it comes back by itself. */
  kill(): void {
    if (!this.#isUp) return
    const { random } = this.#world
    this.#world.fault('views store killed')
    this.#isUp = false
    this.#life++
    for (const table of this.#tables.values()) {
      if (table.crash(random) > 0 && table.name === CHECKPOINTS) this.#world.cover('views: checkpoint lost')
    }
    this.#world.schedule(BigInt(random.between(20, 4_000)) * 1_000_000n, 'views store starts', () => {
      this.#isUp = true
      this.#world.cover('views: store restarted')
    })
  }

  /** Somebody drops a table by hand. */
  lose(name: string): void {
    this.#world.fault('views table lost')
    this.#drop(name)
  }

  /** No more faults. */
  heal(): void {
    this.#faults = NO_STORE_FAULTS
  }

  connect(): StoreConnection {
    let isCut = false
    const isGivenUp = (): boolean => isCut
    /** Before this time nothing may be written by this client: it met an outage. */
    let notBeforeNs = 0n
    let lastOutage = ''
    const call = <T>(work: Work<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        if (work.isWrite && this.#world.nowNs() < notBeforeNs)
          throw new ViewsBrokenError(`${work.what} was asked again without a pause`)
        if (work.isWrite && lastOutage === work.what) this.#world.cover('views: insert retried')
        let attemptsLeft = work.isWrite ? 1 : ATTEMPTS
        const attempt = (): void => {
          this.#call(work, isGivenUp, (ended) => {
            if (isCut) return
            if (ended.kind === 'answer') return resolve(ended.answer)
            if (ended.kind === 'turned down') return reject(ended.error)
            if (--attemptsLeft > 0)
              return this.#world.schedule(ATTEMPT_NS, `views ${work.what}: again`, attempt)
            lastOutage = work.what
            notBeforeNs = this.#world.nowNs() + BACK_OFF_NS_MIN
            reject(new OutageError(`The view store does not answer: ${ended.reason}`))
          })
        }
        attempt()
      })
    return {
      query: (sql, parameters) => call(this.#read(sql, parameters)) as Promise<never[]>,
      command: (sql, parameters) => call(this.#command(sql, parameters)),
      insertPayload: (sql, payloads, settings) => call(this.#insert(sql, payloads, settings)),
      ping: async () => !isCut && this.#isUp,
      close: async () => undefined,
      cut: () => {
        isCut = true
      },
    }
  }

  #call<T>(work: Work<T>, isGivenUp: () => boolean, end: (ended: Ended<T>) => void): void {
    const { random } = this.#world
    const outage = (reason: string): void => end({ kind: 'outage', reason })
    // A start asks for two dozen things, one behind the other: were they as unlucky as rows, it would not come to rows.
    const isSpared = !work.isWrite && random.chance(0.9)
    const drawn = !this.#isUp ? 'refused' : isSpared ? 'ok' : drawFate(this.#faults, random)
    const fate = drawn === 'late' && !work.isWrite ? 'reset' : drawn
    this.#world.trace(`views ${work.what}: ${fate}`)
    if (fate !== 'ok' && this.#isUp) this.#world.fault(`views ${fate}`)
    if (fate === 'refused' || fate === 'reset') {
      if (work.what.startsWith('checkpoint')) this.#world.cover('views: checkpoint lost')
      return this.#later(`views ${work.what}: ${fate}`, () => outage(fate))
    }
    const isGone = this.#ends(work, isGivenUp)
    const stepsMax = fate === 'partial' ? random.below(work.steps.length) : work.steps.length
    const killedAt = fate === 'killed' ? random.below(work.steps.length + 1) : -1
    let done = 0
    const next = (): void => {
      if (done === killedAt) this.kill()
      if (isGone()) return outage('the connection broke')
      if (done < stepsMax) {
        try {
          work.steps[done++]!()
        } catch (error) {
          if (error instanceof ViewsBrokenError) throw error
          return end({ kind: 'turned down', error: error as Error })
        }
        return this.#later(`views ${work.what}: step ${done}`, next)
      }
      if (fate === 'partial') {
        if (done > 0 && work.what.startsWith('insert')) this.#world.cover('views: partial insert')
        return outage('the connection broke midway')
      }
      if (fate === 'replyLost') {
        this.#world.cover('views: reply lost')
        return outage('the answer was lost')
      }
      if (fate === 'late') return
      if (fate === 'twice' && work.again !== undefined) this.#repeat(work.what, isGone, work.again)
      end({ kind: 'answer', answer: work.answer() })
    }
    this.#later(`views ${work.what}: arrives`, next)
    if (fate === 'late') this.#later(`views ${work.what}: the caller gives up`, () => outage('no answer'))
  }

  /** Tells whether the server that took up the work is gone; for rows, the tables that they are for; else, the caller. */
  #ends({ isWrite }: { readonly isWrite: boolean }, isGivenUp: () => boolean): () => boolean {
    const life = this.#life
    const era = this.#era
    return () => life !== this.#life || (isWrite ? era !== this.#era : isGivenUp())
  }

  #repeat(what: string, isGone: () => boolean, again: () => void): void {
    const delayNs = BigInt(this.#world.random.between(1, 1_000)) * 1_000_000n
    this.#world.schedule(delayNs, `views ${what}: again`, () => {
      if (isGone()) return
      this.#world.cover('views: duplicate')
      again()
    })
  }

  #later(what: string, task: () => void): void {
    this.#world.schedule(drawStepNs(this.#faults, this.#world.random), what, task)
  }

  #read(sql: string, parameters?: QueryParameters): Work<object[]> {
    const statement = understand(sql, parameters)
    let answer: object[] = []
    const read = (): void => {
      if (statement.kind === 'which tables')
        answer = statement.names.filter((name) => this.#tables.has(name)).map((name) => ({ name }))
      else if (statement.kind === 'read checkpoints')
        answer = this.#table(CHECKPOINTS).rows().map(checkpointRow)
      else throw new Error(`the simulated store answers no ${statement.kind}`)
    }
    return { what: `asks ${statement.kind}`, isWrite: false, steps: [read], answer: () => answer }
  }

  #command(sql: string, parameters?: QueryParameters): Work<void> {
    const statement = understand(sql, parameters)
    switch (statement.kind) {
      case 'create':
        return this.#alters(`create ${statement.name}`, () => this.#create(statement.name))
      case 'drop':
        return this.#alters(`drop ${statement.name}`, () => this.#drop(statement.name))
      case 'checkpoint':
        return this.#checkpoint(statement.rows)
      default:
        throw new Error(`the simulated store runs no ${statement.kind}`)
    }
  }

  #alters(what: string, step: () => void): Work<void> {
    return { what, isWrite: false, steps: [step], answer: () => undefined }
  }

  /** Two steps: it is there; it is durable. */
  #checkpoint(rows: readonly TableRow[]): Work<void> {
    let keep: () => void = () => undefined
    const put = (): void => {
      const table = this.#table(CHECKPOINTS)
      const block = table.apply({ rows, token: undefined })
      if (block !== undefined) keep = () => table.keep(block)
    }
    return {
      what: `checkpoint ${rows[0]!.sequence}`,
      isWrite: true,
      steps: [put, () => keep()],
      again: () => {
        put()
        keep()
      },
      answer: () => undefined,
    }
  }

  #insert(sql: string, payloads: Bytes, settings: Parameters<ViewStore['insertPayload']>[2]): Work<void> {
    const { kind } = understand(sql)
    if (kind !== 'insert') throw new Error(`the simulated store inserts no ${kind}`)
    const bytes = Buffer.concat(payloads)
    const token = String(settings?.['insert_deduplication_token'])
    this.#sameContent(token, bytes)
    const rows = new Map<string, TableRow[]>()
    for (const row of decodeEvents(bytes).flatMap(rowsOf))
      rows.set(row.table, [...(rows.get(row.table) ?? []), row])
    const { random } = this.#world
    const names = ROW_TABLES
    const order = names.map((name) => [random.next(), name] as const).sort(([left], [right]) => left - right)
    const cut = random.below(names.length + 1)
    const applied: [Table, Block][] = []
    const put = (name: string, block: Block): void => {
      if (!this.#tables.has(FEED) || !this.#tables.has(`${name}${VIEW}`)) throw new Error(`no table ${FEED}`)
      const table = this.#table(name)
      const toKeep = table.apply(block)
      if (toKeep !== undefined) applied.push([table, toKeep])
    }
    const blockOf = (name: string): Block => ({ rows: rows.get(name) ?? [], token })
    const first = order.slice(0, cut).map(([, name]) => name)
    const rest = order.slice(cut).map(([, name]) => name)
    return {
      what: `insert ${token}`,
      isWrite: true,
      steps: [
        () => first.forEach((name) => put(name, blockOf(name))),
        () => {
          // Of one table only the first rows: a block of a larger insert. No token is remembered for it.
          const [name] = rest
          if (name === undefined) return
          const some = blockOf(name).rows.slice(0, random.below((rows.get(name)?.length ?? 0) + 1))
          put(name, { rows: some, token: undefined })
        },
        () => rest.forEach((name) => put(name, blockOf(name))),
        () => applied.forEach(([table, block]) => table.keep(block)),
      ],
      again: () => {
        applied.length = 0
        for (const name of names) put(name, { ...blockOf(name), token: undefined })
        for (const [table, block] of applied) table.keep(block)
      },
      answer: () => undefined,
    }
  }

  #sameContent(token: string, bytes: Uint8Array): void {
    const content = createHash('sha256').update(bytes).digest('hex')
    if ((this.#contents.get(token) ?? content) !== content)
      throw new ViewsBrokenError(`other bytes came under the token ${token}`)
    this.#contents.set(token, content)
  }

  #create(name: string): void {
    if (!this.#tables.has(name))
      this.#tables.set(
        name,
        name === CHECKPOINTS ? new Table(name, 0, true) : new Table(name, this.#tokensMax),
      )
  }

  #drop(name: string): void {
    this.#tables.delete(name)
    this.#era++
    // Other views may be made of another log.
    if (name === FEED) this.#contents.clear()
  }

  #table(name: string): Table {
    const table = this.#tables.get(name)
    if (table === undefined) throw new Error(`UNKNOWN_TABLE ${name}`)
    return table
  }
}

type Ended<T> =
  | { readonly kind: 'answer'; readonly answer: T }
  | { readonly kind: 'outage'; readonly reason: string }
  | { readonly kind: 'turned down'; readonly error: Error }

/** A checkpoint as ClickHouse's JSON has it. */
function checkpointRow({ key, sequence, text }: TableRow): object {
  const [hash, recordedAt] = text.split(' ') as [string, string]
  const [projection, partition] = key.split('/') as [string, string]
  return {
    projection_name: projection,
    partition: Number(partition),
    newest_place: '0',
    newest: String(sequence),
    hash_text: hash.toUpperCase(),
    recorded_at_ns: recordedAt,
  }
}
