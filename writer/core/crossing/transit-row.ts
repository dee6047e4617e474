/** Rows that no client asked for, as far as others have to know them: the opening of a transit account, and a timer's. */
import { EVENT_ROW_BYTES, NAMED_CROSSING_BYTES } from '../../../schemas/limits.ts'

/** Bytes of a row of a crossing that a timer makes: no memo, and the crossing's text. */
export const TIMER_ROW_BYTES = (EVENT_ROW_BYTES + NAMED_CROSSING_BYTES + 7) & ~7

/** The owner of every transit account. */
export const TRANSIT_OWNER = 'in transit'
export const TRANSIT_OWNER_BYTES = Uint8Array.from(TRANSIT_OWNER, (character) => character.charCodeAt(0))
/** Bytes of its row: the fixed part, and the owner padded to whole words. */
export const TRANSIT_ROW_BYTES = (EVENT_ROW_BYTES + TRANSIT_OWNER_BYTES.length + 7) & ~7
