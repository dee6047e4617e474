import { newId } from '../../client/new-id.ts'
import { formatId, makeUuidV8 } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'

/** A new id of an account that lives in this partition, of so many. */
export function accountIn(partition: number, partitions: number): string {
  for (;;) {
    const id = makeUuidV8(crypto.getRandomValues(new Uint8Array(16)))
    if (partitionOf(id, partitions) === partition) return formatId(id)
  }
}

/** A new id of a command that lives in this partition. */
export function idIn(partition: number, partitions: number): string {
  for (;;) {
    const id = newId()
    if (partitionOf(id, partitions) === partition) return formatId(id)
  }
}
