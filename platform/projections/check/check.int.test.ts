/** Mistakes of authors: each is told with the line of his file, before an event is read. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createViewStore } from '../../../projectors/clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../../../projectors/clickhouse/view-store.ts'
import {
  engineUnderTest,
  type EngineUnderTest,
} from '../../../projectors/engine/engine-under-test.testing.ts'
import type { SqlProjection } from '../../../projectors/projection.ts'
import { BUILT_IN_PROJECTIONS } from '../../../projectors/views/built-in.ts'
import { AuthorFile } from '../author-file.ts'
import { loadOne } from '../load.ts'
import { checkCode } from './code-check.ts'
import { sampleEvents } from './sample-events.ts'
import { checkSql } from './sql-check.ts'

let folder: string
let engine: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'check-'))
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
})
afterAll(async () => {
  await store.close()
  await engine.stop()
  await rm(folder, { recursive: true, force: true })
})

/** `line: problem` of what is wrong with the view in a text; undefined: nothing is. */
async function faultIn(text: string): Promise<string | undefined> {
  const file = path.join(folder, 'view.ts')
  await writeFile(file, text)
  const authored = await loadOne(file, folder)
  const { projection } = authored.view
  const { faults } =
    projection.kind === 'sql'
      ? await checkSql(store, projection, authored.source, sampleEvents())
      : await checkCode(authored, sampleEvents(), { msMax: 3_000, mebibytesMax: 64 })
  for (const fault of faults) expect(path.basename(fault.file)).toBe('view.ts')
  return faults[0] === undefined ? undefined : `${faults[0].line}: ${faults[0].problem}`
}

/** Columns and SELECT of a table; the SELECT begins on line 13. */
function sql(select: string, rest = '', columns = "['amount', 'Int64']"): string {
  return `import { defineView, sqlProjection } from 'purser/projections'
const projection = sqlProjection({
  name: 'mine',
  version: 1,
  tables: [{
    name: 'mine',
    columns: [
      ['partition', 'UInt16'],
      ['sequence', 'UInt64'],
      ${columns},
    ],
    key: ['sequence'],
    select: \`${select}\`,
    ${rest}
  }],
})
export default defineView({ projection })
`
}

describe('an SQL projection', () => {
  test.each(BUILT_IN_PROJECTIONS.map((projection) => [projection.name, projection] as const))(
    'that is built in is fit: %s',
    async (_name, projection: SqlProjection) => {
      const { faults, rows } = await checkSql(store, projection, new AuthorFile('', ''), sampleEvents())
      expect(faults).toEqual([])
      expect(Object.values(rows).every((count) => count > 0)).toBe(true)
    },
  )

  test.each([
    ['is fit as it should be', 'partition, sequence, amount', '', undefined],
    ['adds up over events', 'partition, max(sequence) AS sequence, sum(amount) AS amount', "where: '1 GROUP BY partition',", /^13: .*(max|sum) reads several events/],
    ['adds up one of its columns', 'partition, sequence, max(amount) AS amount', '', /^13: .*adds up over several events/],
    ['groups', 'partition, sequence, amount', "where: '1 GROUP BY partition, sequence, amount',", /^13: .*GROUP BY reads several/],
    ['looks at the row before', 'partition, sequence, lagInFrame(amount) OVER (ORDER BY sequence) AS amount', '', /^13: .*lagInFrame is a window function/],
    ['looks at the block', 'partition, sequence, amount + rowNumberInAllBlocks() * 0 AS amount', '', /^13: .*rowNumberInAllBlocks (knows more|answers otherwise)/],
    ['has a subselect', 'partition, sequence, amount + (SELECT 1) AS amount', '', /^13: .*reads something beside the event/],
    ['reads another table', "partition, sequence, amount", "where: 'sequence IN (SELECT number FROM system.numbers LIMIT 5)',", /^13: .*reads something beside the event/],
    ['cuts', 'partition, sequence, amount', "where: '1 LIMIT 3',", /^13: .*ORDER BY and LIMIT/],
    ['drops repeats', 'DISTINCT partition, sequence, amount', '', /^13: .*DISTINCT compares/],
    ['reads the clock', 'partition, sequence, toInt64(toUnixTimestamp(now())) AS amount', '', /^13: .*now answers otherwise/],
    ['draws at random', 'partition, sequence, toInt64(rand()) AS amount', '', /^13: .*rand answers otherwise/],
    ['misses a column', 'partition, sequence', '', /^10: .*gives no column amount/],
    ['has a column more', 'partition, sequence, amount, code', '', /^13: .*gives code, which columns does not have/],
    ['has them in another order', 'partition, amount, sequence', '', /^9: .*has amount at place 2 where columns has sequence/],
    ['has another type', 'partition, sequence, code AS amount', '', /^10: .*gives amount as UInt32, and columns says Int64/],
    ['names a column that there is not', 'partition, sequence,\n amonut AS amount', '', /^14: .*amonut/],
    ['is no SQL', 'partition, sequence,\n\n amount AS AS amount', '', /^15: .*Syntax error/],
    ['gives the place of another event', 'partition, sequence + 1 AS sequence, amount', '', /^13: .*(those of its event|makes other rows)/],
    ['has two rows of one key', 'partition, sequence, amount + arrayJoin([0, 1]) AS amount', '', /^12: .*does not tell two rows apart/],
    ['fails on an event', "partition, sequence, amount + throwIf(kind = 15, 'not this') AS amount", '', /^13: .*fails on a sample event.*not this/],
  ] as const)('that %s', async (_what, select, rest, expected) => {
    const fault = await faultIn(sql(select, rest))
    if (expected === undefined) expect(fault).toBeUndefined()
    else expect(fault).toMatch(expected)
  }) // prettier-ignore
})

/** The functions of a projection begin on line 7. */
function code(functions: string, top = ''): string {
  return `import { codeProjection, defineView } from 'purser/projections'
${top}
const projection = codeProjection({
  name: 'mine',
  version: 1,
  tables: { mine: { columns: { owner: 'String', amount: 'Int64' }, key: ['owner'] } },
${functions}
})
export default defineView({ projection })
`
}

const COUNTS = `keysOf: (event) => [event.currency],
  initial: () => ({ sum: 0n }),
  fold: ({ sum }, { amount }) => ({ sum: sum + amount }),`
const PROJECT = `project: ({ owner }, states) => ({ mine: [...states.values()].map(({ sum }) => ({ owner, amount: sum })) }),`

describe('a code projection', () => {
  test.each([
    ['is fit as it should be', `${COUNTS}\n${PROJECT}`, undefined],
    ['reads the clock', `${COUNTS}\nproject: ({ owner }) => ({\n mine: [{ owner, amount: BigInt(Date.now()) }] }),`, /^11: project throws on the event 1 .*may not ask for the time/],
    ['draws at random', `project: ({ owner }) => ({ mine: [{ owner, amount: BigInt(Math.floor(Math.random() * 9)) }] }),`, /^7: .*may not use chance/],
    ['makes ids', `project: () => ({ mine: [{ owner: crypto.randomUUID(), amount: 1n }] }),`, /^7: .*may not use chance/],
    ['changes its state', `keysOf: () => ['all'],\ninitial: () => ({ sum: 0n }),\nfold: (state, { amount }) => {\n state.sum += amount\n return state },\n${PROJECT}`, /^10: fold changes what it was given/],
    ['remembers beside its states', `project: ({ owner }) => ({ mine: [{ owner, amount: BigInt(count++) }] }),`, /^7: the event 1 \(AccountOpened\) made .* when everything was read again/],
    ['has a state that cannot be kept', `keysOf: () => ['all'],\ninitial: () => new Map(),\nfold: (state) => state,\nproject: () => ({}),`, /^8: initial returns what cannot be kept: a state may not hold a Map/],
    ['has a key twice', `keysOf: () => ['one', 'one'],\ninitial: () => null,\nfold: () => null,\nproject: () => ({}),`, /^7: keysOf has to return a list of texts without repeats/],
    ['makes rows of no table', `project: () => ({ other: [] }),`, /^7: .*there is no table other/],
    ['has a column too many', `project: () => ({ mine: [{ owner: '', amount: 1n, more: 1 }] }),`, /^7: .*there is no column more/],
    ['has a column too few', `project: () => ({ mine: [{ owner: '' }] }),`, /^7: .*column amount: the row has no value/],
    ['has a value of another type', `project: () => ({ mine: [{ owner: '', amount: 1 }] }),`, /^7: .*column amount: takes a bigint .* not 1/],
    ['has two rows of one key', `project: () => ({ mine: [{ owner: '', amount: 1n }, { owner: '', amount: 2n }] }),`, /^7: .*rows 0 and 1 of one event have the same owner/],
    ['promises', `project: async () => ({}),`, /^7: project returns a promise/],
    ['throws', `project: ({ kind }) => {\n if (kind === 'HoldVoided') throw new Error('not this')\n return {} },`, /^8: project throws on the event \d+ \(HoldVoided\): not this/],
    ['never returns', `project: ({ kind }) => { for (; kind === 'HoldPosted';); return {} },`, /^7: It has not come back after 3000 ms, in project, on the sample event \d+/],
    ['takes all memory', `project: ({ kind }) => { const all = []; for (; kind === 'HoldPosted';) all.push(new Array(1000).fill(kind + all.length)); return {} },`, /^7: It takes more memory than the 64 MiB that it may have, in project/],
  ] as const)('that %s', async (_what, functions, expected) => {
    const fault = await faultIn(code(functions, 'let count = 0'))
    if (expected === undefined) expect(fault).toBeUndefined()
    else expect(fault).toMatch(expected)
  }) // prettier-ignore
})

test('a sink projection has to make messages that can be sent, the same each time', async () => {
  const sink = (project: string): string =>
    `import { sinkProjection, defineView } from 'purser/projections'
export default defineView({ projection: sinkProjection({
  name: 'out', version: 1,
  project: (event) => ${project},
  open: async () => { throw new Error('never opened by a check') },
}) })`
  expect(await faultIn(sink('[{ id: event.transferId, amount: event.amount }]'))).toBeUndefined()
  expect(await faultIn(sink('[{ at: new Date(0) }]'))).toMatch(/^4: project returns what cannot be sent.*a Date/)
  expect(await faultIn(sink('[Math.random()]'))).toMatch(/^4: .*may not use chance/)
}) // prettier-ignore
