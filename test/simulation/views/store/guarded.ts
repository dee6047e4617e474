/** The rule of fencing, of one client: who was told by the guard that somebody newer fills a version does not go on with it. */
import type { StoredCheckpoint } from './registry-rows.ts'
import { ViewsBrokenError, type TableRow } from './tables.ts'

export class Guarded {
  /** Version → the highest epoch that the guard told of. */
  readonly #told = new Map<string, number>()
  /** Version → how far this client has said that it is. */
  readonly #written = new Map<string, bigint>()

  heard(answer: readonly object[]): void {
    for (const { what, name, value } of answer as readonly { what: string; name: string; value: string }[])
      if (what === 'epoch') this.#told.set(name, Number(value))
  }

  /** @throws ViewsBrokenError */
  writes(rows: readonly TableRow[]): void {
    for (const { text } of rows) {
      const one = JSON.parse(text) as StoredCheckpoint
      const key = `${one.projection_name} ${one.version}`
      const sequence = BigInt(one.sequence)
      const before = this.#written.get(key)
      if (before !== undefined && sequence > before && (this.#told.get(key) ?? 0) > one.epoch)
        throw new ViewsBrokenError(
          `an older runtime goes on with ${key} to ${sequence} under epoch ${one.epoch}, and was told of ${this.#told.get(key)}`,
        )
      if (before === undefined || sequence > before) this.#written.set(key, sequence)
    }
  }
}
