import { afterAll, beforeAll, expect, it } from 'vitest'
import { createViewStore } from '../projectors/clickhouse-store.ts'
import { engineUnderTest, type EngineUnderTest } from '../projectors/engine/testing.ts'
import { createImportsTable, IMPORTS_TABLE } from '../projectors/imports.ts'
import type { ViewStore } from '../projectors/view-store.ts'
import { describeImportRegistry } from './import-registry-contract.ts'
import { createStoreImportRegistry } from './store-import-registry.ts'

let under: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  under = await engineUnderTest()
  store = createViewStore(under.engine)
})
afterAll(async () => {
  await store.close()
  await under.stop()
})

describeImportRegistry('the registry in the view store', async () => {
  await store.command(`DROP TABLE IF EXISTS ${IMPORTS_TABLE} SYNC`)
  await createImportsTable(store)
  return { registry: createStoreImportRegistry(store), later: createStoreImportRegistry(store) }
})

it('an insert that was repeated for want of an answer is one base time', async () => {
  await createImportsTable(store)

  const repeating = {
    query: store.query.bind(store),
    command: async (sql, parameters) => {
      await store.command(sql, parameters)
      await store.command(sql, parameters)
    },
  } as ViewStore
  await createStoreImportRegistry(repeating).begin('repeated', 3, 77, 'x')
  expect(await createStoreImportRegistry(store).baseTimes('repeated', 3)).toEqual([77])
})
