/** Bytes of the fields of a record batch, which brokers have stored since 0.11 (magic 2). Big-endian. */

/** The batch's length, counted from the end of this field. */
export const LENGTH_BYTE = 8
export const LENGTH_END = 12
export const MAGIC_BYTE = 16
export const MAGIC = 2
/** The checksum (CRC-32C) of everything after it. */
export const CRC_BYTE = 17
export const CRC_END = 21
/** The codec, and flags. */
export const ATTRIBUTES_BYTE = CRC_END
export const LAST_OFFSET_DELTA_BYTE = 23
export const RECORD_COUNT_BYTE = 57
/** Where the records begin. */
export const BATCH_HEADER_BYTES = 61
