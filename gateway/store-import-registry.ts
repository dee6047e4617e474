/**
 * Base times of imports in the view store, for gateways that keep nothing themselves: whichever an import talks to, it finds
 * what it began at another. A row per base time; repeats of an insert are one row.
 */
import { randomUUID } from 'node:crypto'
import { IMPORTS_TABLE } from '../projectors/imports.ts'
import type { ViewStore } from '../projectors/view-store.ts'
import {
  BASE_TIMES_MAX,
  ImportRegistryFullError,
  IMPORTS_MAX,
  type ImportRegistry,
} from './import-registry.ts'

interface Row {
  readonly base_ms: string
  readonly has_anchor: number
  readonly anchor: string
}

/** @param store where the table of projectors/imports.ts is, and may be written */
export function createStoreImportRegistry(store: ViewStore): ImportRegistry {
  // Those that two gateways begin at once have one ordinal, and an order all the same.
  const rowsOf = (importName: string, chunk: number): Promise<Row[]> =>
    store.query<Row>(
      `SELECT toString(base_ms) AS base_ms, has_anchor, anchor FROM ${IMPORTS_TABLE}
       WHERE import_name = {import:String} AND chunk = {chunk:UInt32}
       ORDER BY ordinal, token LIMIT 1 BY ordinal, token`,
      { import: importName, chunk },
    )

  async function refuseFull(importName: string): Promise<void> {
    const [row] = await store.query<{ others: string; known: number }>(
      `SELECT toString(uniqExact(import_name)) AS others, countIf(import_name = {import:String}) > 0 AS known
       FROM ${IMPORTS_TABLE}`,
      { import: importName },
    )
    if (row!.known === 0 && Number(row!.others) >= IMPORTS_MAX)
      throw new ImportRegistryFullError(`there are ${IMPORTS_MAX} imports already`)
  }

  return {
    async baseTimes(importName, chunk) {
      return (await rowsOf(importName, chunk)).map(({ base_ms }) => Number(base_ms))
    },
    async anchor(importName, chunk) {
      const [first] = await rowsOf(importName, chunk)
      return first?.has_anchor === 1 ? first.anchor : undefined
    },
    async begin(importName, chunk, nowMs, anchor) {
      const rows = await rowsOf(importName, chunk)
      if (rows.length >= BASE_TIMES_MAX)
        throw new ImportRegistryFullError(`chunk ${chunk} has ${BASE_TIMES_MAX} base times already`)
      if (rows.length === 0) await refuseFull(importName)
      await store.command(
        `INSERT INTO ${IMPORTS_TABLE} (partition, import_name, chunk, ordinal, token, base_ms, has_anchor, anchor)
         SELECT 0, {import:String}, {chunk:UInt32}, {ordinal:UInt16}, {token:String}, {base:Int64}, {has:UInt8}, {anchor:String}`,
        {
          import: importName,
          chunk,
          ordinal: rows.length,
          token: randomUUID(),
          base: nowMs,
          has: anchor === undefined ? 0 : 1,
          anchor: anchor ?? '',
        },
      )
      return nowMs
    },
  }
}
