/** The row that opens a transit account, as far as others have to know it. */
import { EVENT_ROW_BYTES } from '../../../schemas/limits.ts'

/** The owner of every transit account. */
export const TRANSIT_OWNER = 'in transit'
export const TRANSIT_OWNER_BYTES = Uint8Array.from(TRANSIT_OWNER, (character) => character.charCodeAt(0))
/** Bytes of its row: the fixed part, and the owner padded to whole words. */
export const TRANSIT_ROW_BYTES = (EVENT_ROW_BYTES + TRANSIT_OWNER_BYTES.length + 7) & ~7
