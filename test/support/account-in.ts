import { formatId, makeUuidV8 } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'

/** A new id of an account that lives in this partition, of so many. */
export function accountIn(partition: number, partitions: number): string {
  for (;;) {
    const id = makeUuidV8(crypto.getRandomValues(new Uint8Array(16)))
    if (partitionOf(id, partitions) === partition) return formatId(id)
  }
}
