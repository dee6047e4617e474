/** Views whose code means harm, beside the built-in ones of a running platform: each is stopped alone, and nobody waits for it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { graphql } from '../../cli/graphql-client.ts'
import { BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'
import { projectionsOf, type View } from '../../gateway/view.ts'
import { startPlatform, type Platform } from '../../platform/embedded-platform.ts'
import { authorFiles, doingAtFive, type AuthorFiles } from '../../projectors/code/hostile-authors.testing.ts'
import { eventually } from '../../projectors/engine/engine-under-test.testing.ts'
import { comparerOf } from '../../projectors/proof/compare-registered.ts'
import { createOperations } from '../../projectors/registry/operations.ts'
import { systemClock } from '../../projectors/runtime/system-clock.ts'
import { CASH, CUSTOMER, newId, openAccounts } from '../support/load.ts'
import { withFolder } from '../support/purser.ts'

/** They mind their own business until somebody says so: `purser projections check` finds nothing wrong with them. */
const WORD = 'now'
/** By name, what each does for the fifth event, which says the word, and what is said of it. */
const HOSTILE = [
  ['throwing', `throw new Error('not this one')`, 'not this one'],
  ['endless', 'for (;;) ;', 'did not come back within'],
  ['greedy', 'const all = []; for (;;) all.push(new Uint8Array(1e7).fill(1))', 'took more than'],
  ['leaving', 'process.exit(0)', 'may not end its process'],
] as const
/** A write and a read behind it take this long at most, in ms, on a machine that has much else to do. */
const AT_ONCE_MS = 10_000

const TRANSFER = `mutation ($input: TransferInput!) { transfer(input: $input) { ... on TransferApplied { position } } }`
const BALANCE = `query ($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } } }`
const PROJECTIONS = '{ projections { name state failure } }'

let files: AuthorFiles
const views: View[] = [...BUILT_IN_VIEWS]
beforeAll(async () => {
  files = await authorFiles()
  for (const [name, what] of HOSTILE) {
    const text = doingAtFive(what)
      .replaceAll(`'odd'`, `'${name}'`)
      .replaceAll('odd:', `${name}:`)
      .replace('event.sequence === 5n', `event.memo === '${WORD}'`)
    const module = await files.write(`${name}.mjs`, text)
    const { default: view } = (await import(module)) as { default: View }
    views.push({ ...view, module })
  }
})
afterAll(() => files.remove())

test('the built-in views stay live and answer behind each write, and each hostile one says at which event it stopped and why', () =>
  withFolder(async (dataDir) => {
    const platform = await startPlatform({
      dataDir,
      engineMemoryBytes: 1024 ** 3,
      core: { holdsMax: 1024 },
      views,
    })
    try {
      await openAccounts(platform.url)
      let paid = 0
      const payAndRead = async (): Promise<void> => {
        const startedMs = performance.now()
        const memo = paid === 2 ? WORD : ''
        const input = { id: newId(), memo, debitAccountId: CASH, creditAccountId: CUSTOMER, amount: '1', currency: 'EUR' }
        const { transfer } = await graphql<{ transfer: { position: string } }>(platform.url, TRANSFER, { input })
        const { balance } = await graphql<{ balance: { balance: { minor: string } } }>(platform.url, BALANCE, { id: CUSTOMER, after: transfer.position })
        expect(balance.balance.minor).toBe(String(++paid))
        expect(performance.now() - startedMs).toBeLessThan(AT_ONCE_MS)
      }
      for (let count = 0; count < 6; count++) await payAndRead()
      // They end one after the other: some at once, some only when their time is over.
      await eventually(async () => {
        await payAndRead()
        return HOSTILE.every(([name]) => stateOf(platform, name) === 'stopped')
      })
      const { projections } = await graphql<{ projections: { name: string; state: string; failure: string }[] }>(platform.url, PROJECTIONS)
      for (const [name, , cause] of HOSTILE) {
        const { state, failure } = projections.find((one) => one.name === name)!
        expect([name, state]).toEqual([name, 'STOPPED'])
        expect(failure).toMatch(/^stopped at 0:5: /)
        expect(failure).toContain(cause)
      }
      for (const { projection } of BUILT_IN_VIEWS) expect(stateOf(platform, projection.name)).toBe('live')
      await skipFive(platform)
      await eventually(async () => stateOf(platform, 'throwing') === 'live')
      const rows = await platform.store.query<{ at: string }>('SELECT DISTINCT at FROM throwing_v1 ORDER BY at')
      const head = Number(platform.position().get(0))
      expect(rows.map(({ at }) => Number(at))).toEqual(Array.from({ length: head }, (_, index) => index + 1).filter((at) => at !== 5))
      await payAndRead()
    } finally {
      await platform.stop()
    }
  })) // prettier-ignore

function stateOf({ projections }: Platform, name: string): string {
  return projections.status().find((one) => one.name === name)!.state
}

async function skipFive(platform: Platform): Promise<void> {
  const operations = createOperations({
    store: platform.store,
    projections: projectionsOf(views),
    head: () => platform.position(),
    compare: comparerOf(platform.store, platform.projections.serving()),
    validate: () => undefined,
    changed: () => platform.projections.refresh(),
    clock: systemClock,
  })
  const given = { partition: 0, sequence: 5n, reason: 'a test', by: 'the operator' }
  expect(await operations.skip('throwing', given)).toMatchObject({ kind: 'done' })
}
