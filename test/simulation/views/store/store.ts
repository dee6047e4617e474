/**
 * A ClickHouse that the world rules: it understands what the views' runtime sends, keeps the rows that the views would
 * keep, and fails in the ways a server over a network fails. Every call takes its turns from the world's scheduler; the
 * promise that the caller holds is settled by one of them.
 *
 * Left out: what is said in the registry, and a drop, that are done after their caller gave up or died. What is under way when
 * a table is dropped belongs to the old one, as `DROP … SYNC` has it.
 */
import { createHash } from 'node:crypto'
import {
  OutageError,
  type QueryParameters,
  type ViewStore,
} from '../../../../projectors/clickhouse/view-store.ts'
import { FAULTS_TABLE, SKIPS_TABLE, VERSIONS_TABLE } from '../../../../projectors/registry/tables.ts'
import type { World } from '../../world.ts'
import { Catalog, RefusedEventError, UnknownTableError } from './catalog.ts'
import { Guarded } from './guarded.ts'
import { epochAnswer, faultBehind, registryAnswer } from './registry-rows.ts'
import { CHECKPOINTS, understand } from './statements.ts'
import { drawFate, drawStepNs, drawStoreFaults, NO_STORE_FAULTS, type StoreFaults } from './store-faults.ts'
import { ViewsBrokenError, type Block, type Table, type TableRow } from './tables.ts'

/** A client's connection; once cut, as its process is dead, nothing that it asked for is answered. */
export interface StoreConnection extends ViewStore {
  cut(): void
  /** Nothing is answered while it is held; what came meanwhile is answered when it is let go. */
  hold(isHeld: boolean): void
}

/** What a call does, in steps between which it may end. The last one makes it durable. */
interface Work<T> {
  readonly what: string
  /** It writes rows, and is done also if its caller is gone. */
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
const REGISTRY: readonly string[] = [VERSIONS_TABLE, SKIPS_TABLE, FAULTS_TABLE]

export class SimulatedStore {
  readonly #world: World
  readonly #catalog: Catalog
  readonly #poisons = new Map<string, bigint>()
  #faults: StoreFaults
  #isUp = true
  /** Counts crashes; what began under another number is gone. */
  #life = 0
  /** Counts tables that were dropped by hand. */
  #drops = 0
  /** Counts what may have changed the registry's tables. */
  #changes = 0
  /** What a client did that no client may do. */
  #broken: ViewsBrokenError | undefined

  constructor(world: World) {
    this.#world = world
    this.#faults = drawStoreFaults(world.random)
    const tokensMax = world.random.chance(0.5) ? world.random.between(0, 4) : 1_000
    this.#catalog = new Catalog(tokensMax, (name) => REGISTRY.includes(name))
    world.trace(`views store: faults ${JSON.stringify(this.#faults)}, remembers ${tokensMax} tokens`)
  }

  /** The table as it stands, if it is there. */
  table(name: string): Table | undefined {
    return this.#catalog.table(name)
  }

  has(name: string): boolean {
    return this.#catalog.has(name)
  }

  /** Another number than before: rows may have gone. */
  get losses(): number {
    return this.#life + this.#drops
  }

  /** Another number than before: what the registry says may be something else. */
  get changes(): number {
    return this.#changes
  }

  /** @throws ViewsBrokenError that a client was told, in case that it took it for something else */
  refuseBroken(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  /** From now on no table of this name takes the row of this event. */
  poison(table: string, sequence: bigint): void {
    this.#poisons.set(table, sequence)
  }

  /** Ends the server where it stands; it comes back by itself. */
  kill(): void {
    if (!this.#isUp) return
    const { random } = this.#world
    this.#world.fault('views store killed')
    this.#isUp = false
    this.#life++
    this.#changes++
    for (const table of this.#catalog.tables())
      if (table.crash(random) > 0 && table.name === CHECKPOINTS) this.#world.cover('views: checkpoint lost')
    this.#world.schedule(BigInt(random.between(20, 4_000)) * 1_000_000n, 'views store starts', () => {
      this.#isUp = true
      this.#world.cover('views: store restarted')
    })
  }

  /** Somebody drops a table by hand. */
  lose(name: string): void {
    this.#world.fault('views table lost')
    this.#drops++
    this.#drop(name)
  }

  /** No more faults. */
  heal(): void {
    this.#faults = NO_STORE_FAULTS
  }

  connect(): StoreConnection {
    let isCut = false
    let isHeld = false
    let waiting: (() => void)[] = []
    const settle = (task: () => void): void => {
      if (isHeld) waiting.push(task)
      else if (!isCut) task()
    }
    const isGivenUp = (): boolean => isCut
    /** What met an outage, and before which time it may not be asked for again. */
    const notBeforeNs = new Map<string, bigint>()
    const guarded = new Guarded()
    const call = <T>(work: Work<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        const { what, isWrite } = work
        if (isWrite && this.#world.nowNs() < (notBeforeNs.get(what) ?? 0n))
          throw this.breaks(`${what} was asked again without a pause`)
        if (isWrite && notBeforeNs.has(what)) this.#world.cover('views: insert retried')
        let attemptsLeft = isWrite ? 1 : ATTEMPTS
        const attempt = (): void => {
          let isOver = false
          this.#call(work, isGivenUp, (ended) =>
            settle(() => {
              // What is done after its caller gave up is told to nobody.
              if (isOver) return
              isOver = true
              if (ended.kind === 'answer') return resolve(ended.answer)
              if (ended.kind === 'turned down') return reject(ended.error)
              if (--attemptsLeft > 0) return this.#world.schedule(ATTEMPT_NS, `views ${what}: again`, attempt)
              notBeforeNs.set(what, this.#world.nowNs() + BACK_OFF_NS_MIN)
              reject(new OutageError(`The view store does not answer: ${ended.reason}`))
            }),
          )
        }
        attempt()
      })
    return {
      query: (sql, parameters) => {
        const work = this.#read(sql, parameters, guarded)
        // A lane begins: it owes no pause to the one before it.
        if (/^asks (which tables|what stands)$/.test(work.what)) notBeforeNs.clear()
        return call(work) as Promise<never[]>
      },
      command: (sql, parameters) => call(this.#command(sql, parameters, guarded)),
      insertPayload: (sql, payloads, settings) => call(this.#insert(sql, payloads, settings)),
      ping: async () => !isCut && this.#isUp,
      close: async () => undefined,
      cut: () => {
        isCut = true
      },
      hold: (held) => {
        isHeld = held
        const tasks = waiting
        waiting = []
        for (const task of tasks) settle(task)
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

  /** Tells whether the server that took up the work is gone; or, if it writes no rows, the caller. */
  #ends({ isWrite }: { readonly isWrite: boolean }, isGivenUp: () => boolean): () => boolean {
    const life = this.#life
    return () => life !== this.#life || (!isWrite && isGivenUp())
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

  /** Somebody did what may not be: the next check fails. */
  breaks(message: string): ViewsBrokenError {
    this.#broken ??= new ViewsBrokenError(message)
    return this.#broken
  }

  #read(sql: string, parameters: QueryParameters | undefined, guarded: Guarded): Work<object[]> {
    const statement = understand(sql, parameters)
    let answer: object[] = []
    const read = (): void => {
      if (statement.kind === 'which tables') answer = this.#parts(statement.names)
      else if (statement.kind === 'shared feeds')
        answer = this.#parts(this.#catalog.names().filter((name) => name.startsWith('shared_')))
      else if (statement.kind === 'read')
        answer = registryAnswer(statement.name, this.#table(statement.name).rows())
      else if (statement.kind === 'states') answer = this.#states(statement.name, statement.keys)
      else if (statement.kind === 'what stands') answer = this.#standing(statement.names)
      else if (statement.kind === 'guard')
        answer = [...this.#standing(statement.names), ...epochAnswer(this.#table(CHECKPOINTS).rows())]
      else throw new Error(`the simulated store answers no ${statement.kind}`)
    }
    const heard = (): object[] => {
      if (statement.kind === 'guard') guarded.heard(answer)
      return answer
    }
    return { what: `asks ${statement.kind}`, isWrite: false, steps: [read], answer: heard }
  } // prettier-ignore

  #parts(names: readonly string[]): { readonly name: string; readonly identity: string }[] {
    return names.flatMap((name) => {
      const identity = this.#catalog.identity(name)
      return identity === undefined ? [] : [{ name, identity }]
    })
  }

  #standing(names: readonly string[]): object[] {
    return this.#parts(names).map(({ name, identity }) => ({ what: 'part', name, value: identity }))
  }

  #states(name: string, keys: readonly string[]): object[] {
    const table = this.#table(name)
    return keys.flatMap((key) => {
      const row = table.row(`0/${key}`)
      return row === undefined ? [] : [{ key, newest: String(row.sequence), state: row.text.split(' ').slice(3).join(' ') }]
    })
  } // prettier-ignore

  #command(sql: string, parameters: QueryParameters | undefined, guarded: Guarded): Work<void> {
    const statement = understand(sql, parameters)
    switch (statement.kind) {
      case 'create table':
      case 'create view':
        return this.#alters(`create ${statement.name}`, () => this.#catalog.create(statement))
      case 'drop':
        return this.#alters(`drop ${statement.name}`, () => this.#drop(statement.name))
      case 'forget':
        return this.#alters(`forget ${statement.sequence} in ${statement.name}`, () =>
          this.#table(statement.name).forget(statement.sequence),
        )
      case 'put':
        return statement.name === CHECKPOINTS
          ? this.#checkpoint(statement.what, statement.rows, guarded)
          : this.#alters(`says ${statement.what}`, () => this.#put(statement.name, statement.rows)())
      default:
        throw new Error(`the simulated store runs no ${statement.kind}`)
    }
  }

  #alters(what: string, step: () => void): Work<void> {
    return { what, isWrite: false, steps: [step], answer: () => undefined }
  }

  /** Puts rows into a table of the registry. Returns what makes them durable. */
  #put(name: string, given: readonly TableRow[]): () => void {
    const table = this.#table(name)
    const rows = name === FAULTS_TABLE ? given.map((row) => faultBehind(row, table.row(row.key))) : given
    const isNews = (row: TableRow): boolean => (table.row(row.key)?.version ?? 0n) < row.version
    if (name === VERSIONS_TABLE && !rows.every(isNews)) return () => undefined
    const block = table.apply({ rows, token: undefined })
    this.#changes++
    return () => {
      if (block !== undefined) table.keep(block)
    }
  }

  /** Two steps: it is there; it is durable. */
  #checkpoint(what: string, rows: readonly TableRow[], guarded: Guarded): Work<void> {
    try {
      guarded.writes(rows)
    } catch (error) {
      throw this.breaks((error as Error).message)
    }
    let keep: () => void = () => undefined
    const put = (): void => {
      keep = this.#put(CHECKPOINTS, rows)
    }
    return {
      what: `${what} of ${rows.map(({ key }) => key).join(', ')}`,
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
    const statement = understand(sql)
    if (statement.kind !== 'insert') throw new Error(`the simulated store inserts no ${statement.kind}`)
    const { name } = statement
    const bytes = Buffer.concat(payloads)
    const given = settings?.['insert_deduplication_token']
    const token = given === undefined ? undefined : String(given)
    const { random } = this.#world
    const applied: [Table, Block][] = []
    const put = (table: Table, block: Block): void => {
      this.#refuse(table.name, block.rows)
      const toKeep = table.apply(block)
      if (toKeep !== undefined) applied.push([table, toKeep])
    }
    const plan = (): [Table, TableRow[]][] => [...this.#catalog.plan(name, bytes)]
    let first: [Table, TableRow[]][] = []
    let rest: [Table, TableRow[]][] = []
    return {
      what: `insert into ${name} ${token ?? ''}`,
      isWrite: true,
      steps: [
        () => {
          const order = plan().map((one) => [random.next(), one] as const).sort(([left], [right]) => left - right)
          for (const [, [table]] of order) if (token !== undefined) table.sameContent(token, sha256(bytes))
          const cut = random.below(order.length + 1)
          first = order.slice(0, cut).map(([, one]) => one)
          rest = order.slice(cut).map(([, one]) => one)
          for (const [table, rows] of first) put(table, { rows, token })
        },
        () => {
          // Of one table only the first rows: a block of a larger insert. No token is remembered for it.
          const [one] = rest
          if (one === undefined || token === undefined) return
          const [table, rows] = one
          put(table, { rows: rows.slice(0, random.below(rows.length + 1)), token: undefined })
        },
        () => rest.forEach(([table, rows]) => put(table, { rows, token })),
        () => applied.forEach(([table, block]) => table.keep(block)),
      ],
      again: () => {
        try {
          for (const [table, rows] of plan()) {
            const block = table.apply({ rows, token: undefined })
            if (block !== undefined) table.keep(block)
          }
        } catch (error) {
          // Nobody is told that its table is gone by now.
          if (!(error instanceof UnknownTableError)) throw error
        }
      },
      answer: () => undefined,
    }
  } // prettier-ignore

  #refuse(table: string, rows: readonly TableRow[]): void {
    const sequence = this.#poisons.get(table.replace(/_v\d+$/, ''))
    if (sequence !== undefined && rows.some((row) => row.sequence === sequence))
      throw new RefusedEventError(`${table} cannot take the event ${sequence}`)
  }

  #drop(name: string): void {
    this.#catalog.drop(name)
  }

  #table(name: string): Table {
    const table = this.#catalog.table(name)
    if (table === undefined) throw new UnknownTableError(name)
    return table
  }
}

type Ended<T> =
  | { readonly kind: 'answer'; readonly answer: T }
  | { readonly kind: 'outage'; readonly reason: string }
  | { readonly kind: 'turned down'; readonly error: Error }

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
