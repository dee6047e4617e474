/** For tests: a gateway over a real writer and a real engine, in a temporary folder, and the calls of a client. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createViewStore } from '../projectors/clickhouse/clickhouse-store.ts'
import { startEngine, type Engine } from '../projectors/engine/supervisor.ts'
import { allTogether } from '../projectors/projection.ts'
import { BUILT_IN_VIEWS } from '../projectors/views/built-in.ts'
import { startProjections, type RunningProjections } from '../projectors/runtime/runtime.ts'
import type { ViewStore } from '../projectors/clickhouse/view-store.ts'
import { formatId, makeUuidV7 } from '../schemas/ids.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../writer/embedded.ts'
import type { Operation } from './admission/admission.ts'
import { startGateway, type Gateway, type GatewayOptions } from './gateway.ts'
import { createFileImportRegistry } from './imports/import-registry.ts'
import { projectionsOf, requiredOf } from './view.ts'
import type { Transport } from './services.ts'
import { PATIENCE_MS } from '../test/support/patience.ts'

export interface GraphqlAnswer<Data = Record<string, never>> {
  readonly data?: Data | null
  readonly errors?: readonly {
    readonly message: string
    readonly path?: readonly (string | number)[]
    readonly extensions: Readonly<Record<string, unknown>>
  }[]
}

export interface GatewayUnderTest {
  readonly gateway: Gateway
  readonly url: string
  readonly writer: EmbeddedWriter
  readonly engine: Engine
  readonly store: ViewStore
  readonly projections: RunningProjections
  /** The operations that were admitted, in order. */
  readonly admitted: { readonly operation: Operation; readonly transport: Transport }[]
  /** The lines that the gateway wrote for the operator. */
  readonly lines: string[]
  graphql<Data = Record<string, never>>(
    query: string,
    variables?: Readonly<Record<string, unknown>>,
  ): Promise<GraphqlAnswer<Data>>
  /** The data of an operation that must not fail. */
  data<Data = Record<string, never>>(
    query: string,
    variables?: Readonly<Record<string, unknown>>,
  ): Promise<Data>
  post(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }>
  stop(): Promise<void>
}

/** How long a read waits for the views: as long as a busy machine needs. Tests of the bound itself set their own. */
const READ_WAIT_MS = PATIENCE_MS

/** Starts everything for one test file. */
export async function gatewayUnderTest(options: Partial<GatewayOptions> = {}): Promise<GatewayUnderTest> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'gateway-'))
  const [engine, writer] = await Promise.all([
    startEngine({ dataDir: path.join(dir, 'views'), memoryBytesMax: 1024 ** 3 }),
    startEmbeddedWriter({ dataDir: dir, core: { holdsMax: 1024 } }),
  ])
  const { url, username, password } = engine
  const store = createViewStore({ url, username, password })
  const { views = BUILT_IN_VIEWS } = options
  const projections = await startProjections({
    store,
    projections: allTogether(projectionsOf(views)),
    required: requiredOf(views),
    logs: [writer.log],
  })
  const lines: string[] = []
  const admitted: GatewayUnderTest['admitted'] = []
  const gateway = await startGateway({
    writers: [writer],
    store,
    views,
    projections,
    currencies: ISO_CURRENCIES,
    imports: createFileImportRegistry(path.join(dir, 'imports')),
    host: '127.0.0.1',
    port: 0,
    graphiql: true,
    log: (line) => lines.push(line),
    onAdmitted: (operation, transport) => admitted.push({ operation, transport }),
    ...options,
    limits: { readWaitMs: READ_WAIT_MS, ...options.limits },
  })
  const graphql: GatewayUnderTest['graphql'] = async (query, variables = {}) => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    return (await response.json()) as never
  }
  return {
    gateway,
    url: gateway.url,
    writer,
    engine,
    store,
    projections,
    admitted,
    lines,
    graphql,
    data: async (query, variables) => {
      const { data, errors } = await graphql(query, variables)
      if (errors !== undefined) throw new Error(JSON.stringify(errors))
      return data as never
    },
    post: async (where, body) => {
      const response = await fetch(gateway.url + where, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    stop: async () => {
      await gateway.stop()
      await projections.stop()
      await writer.stop()
      await store.close()
      await engine.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Another gateway over the same platform, with other bounds or over other writers. It keeps no list of imports. */
export function furtherGateway(
  { writer, store, projections }: GatewayUnderTest,
  options: Partial<GatewayOptions>,
): Promise<Gateway> {
  return startGateway({
    writers: [writer],
    store,
    views: BUILT_IN_VIEWS,
    projections,
    currencies: ISO_CURRENCIES,
    imports: {} as never,
    host: '127.0.0.1',
    port: 0,
    graphiql: false,
    log: () => undefined,
    ...options,
  })
}

/** A new UUIDv7. */
export function uuid(timeMs = Date.now()): string {
  return formatId(makeUuidV7(timeMs, crypto.getRandomValues(new Uint8Array(10))))
}

export const OPEN = `mutation Open($input: OpenAccountInput!) { openAccount(input: $input) {
  __typename
  ... on AccountApplied { position replayed account { id owner currency scale status system overdraftLimit { minor } } }
  ... on Refused { id code message transient position replayed }
} }`

export const TRANSFER_FIELDS = `__typename
  ... on TransferApplied { position replayed transfer {
    id kind state amount { minor currency scale major } postedAmount { minor } debitAccountId creditAccountId
    debitBalance { balance { minor } held { minor } available { minor } } creditBalance { balance { minor } }
    relatedId memo code timeline { received committed projected effective } } }
  ... on Refused { id code message transient position replayed index
    debitBalance { accountId balance { minor } available { minor } } creditBalance { accountId } }`

export const TRANSFER = `mutation Move($input: TransferInput!) { transfer(input: $input) { ${TRANSFER_FIELDS} } }`

/** Opens accounts for a test: a system account and as many others as named, each with 1000.00 EUR. */
export async function openAccounts(
  gateway: GatewayUnderTest,
  count: number,
): Promise<{ cash: string; accounts: string[]; owner: string; position: string }> {
  const cash = uuid()
  const owner = `owner ${uuid()}`
  const accounts = Array.from({ length: count }, () => uuid())
  const { status, body } = await gateway.post('/commands', {
    commands: [
      { kind: 'openAccount', accountId: cash, currency: 'EUR', system: true },
      ...accounts.map((accountId) => ({ kind: 'openAccount', accountId, currency: 'EUR', owner })),
      ...accounts.map((accountId) => ({
        kind: 'transfer',
        id: uuid(),
        debitAccountId: cash,
        creditAccountId: accountId,
        amount: '100000',
        currency: 'EUR',
      })),
    ],
  })
  const results = body['results'] as { status: string }[] | undefined
  if (status !== 200 || results?.some((result) => result.status !== 'accepted') !== false)
    throw new Error(JSON.stringify(body))
  return { cash, accounts, owner, position: body['position'] as string }
}

/** Moves a cent so many times, in one request. Returns the position behind it. */
export async function pay(
  gateway: GatewayUnderTest,
  debitAccountId: string,
  creditAccountId: string,
  count = 1,
  memo = '',
): Promise<string> {
  const { status, body } = await gateway.post('/commands', {
    commands: Array.from({ length: count }, () => ({
      kind: 'transfer',
      id: uuid(),
      debitAccountId,
      creditAccountId,
      amount: '1',
      currency: 'EUR',
      memo,
    })),
  })
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body['position'] as string
}
