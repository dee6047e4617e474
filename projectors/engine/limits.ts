/** Every bound of the embedded engine, in one place, because they have to fit each other. */

const MIB = 1024 * 1024
const GIB = 1024 * MIB

/** Longest text of one query, parameters included, in bytes. What an INSERT carries as data does not count when it comes as the request's body. */
export const QUERY_TEXT_BYTES_MAX = 4 * MIB

/** Longest URL with headers, in bytes: the client sends settings, parameters and an INSERT's text there. */
export const REQUEST_HEAD_BYTES_MAX = 1 * MIB

/** Longest body of one INSERT, unpacked, in bytes. */
export const INSERT_BODY_BYTES_MAX = 1 * GIB

/** All bodies and large results that lie on disk at one moment, in bytes. */
export const SPOOL_BYTES_MAX = 4 * GIB

/** A result up to this size, counted as the engine counts columns, is answered from memory; a larger one goes by way of the disk. */
export const RESULT_MEMORY_BYTES_MAX = 16 * MIB

/** Largest result at all, in bytes. */
export const RESULT_BYTES_MAX = 2 * GIB

/** Connections by what they run: each runs one call at a time. */
export const CONNECTIONS = { read: 4, insert: 2, command: 1, control: 1 } as const

/** Calls that wait for a connection of one kind; the next one is told `TOO_MANY_SIMULTANEOUS_QUERIES`. */
export const WAITING_MAX = 256

/** Requests in any state, those that are still sending their body included. */
export const REQUESTS_MAX = 512

/** Open sockets, idle ones included. */
export const SOCKETS_MAX = 1_024

/** Time in which a request has to have arrived whole, in ms. */
export const REQUEST_ARRIVAL_MS_MAX = 10 * 60_000

/** Threads of Node's pool. A query holds one while it runs, and files need some besides. */
export const THREADS = Object.values(CONNECTIONS).reduce((sum, count) => sum + count, 0) + 8
