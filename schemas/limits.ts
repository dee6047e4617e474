/** Every upper bound of the formats and of the core, with the claims that relate them: checked when this file loads. */

/** Bytes of one command slot; a command's text goes on in the slots behind it. */
export const COMMAND_SLOT_BYTES = 160
/** Commands that may be offered, decided and committed in one go. */
export const BATCH_COMMANDS_MAX = 8_192
/** Transfers in one linked group. */
export const LINKED_TRANSFERS_MAX = 64
/** UTF-8 bytes of a transfer's memo. */
export const MEMO_BYTES_MAX = 256
/** UTF-8 bytes of an account's owner. */
export const OWNER_BYTES_MAX = 128
/** UTF-8 bytes of the accounts that a refusal names: two UUIDs with a comma between them. */
export const NAMED_REFUSED_BYTES_MAX = 73
/** UTF-8 bytes of what a crossing's event names: its channel, what it answers, and two UUIDs, in Base64. */
export const NAMED_CROSSING_BYTES = 64
export const NAMED_ACCOUNTS_BYTES_MAX = NAMED_REFUSED_BYTES_MAX
/** Slots that one command takes at most, text included. */
export const COMMAND_SLOTS_MAX = 1 + Math.ceil((MEMO_BYTES_MAX + OWNER_BYTES_MAX) / COMMAND_SLOT_BYTES)

/** Bytes of an event row without text; the last four are the lengths of its (empty) texts. */
export const EVENT_ROW_BYTES = 216
/** Bytes of an event row with all texts as long as they may be: lengths of two bytes, padded to eight. */
export const EVENT_ROW_BYTES_MAX =
  Math.ceil((EVENT_ROW_BYTES + MEMO_BYTES_MAX + OWNER_BYTES_MAX + NAMED_ACCOUNTS_BYTES_MAX + 2) / 8) * 8

export const FRAME_HEADER_BYTES = 136
/** Bytes of a frame, header included. A batch whose events do not fit goes on in the next frame. */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024

/** Accounts in one partition: 26 bits, so that an index entry holds the number and six bits of the hash. */
export const ACCOUNTS_MAX = 2 ** 26 - 1
/** Holds that may be open in one partition at a time. */
export const HOLDS_OPEN_MAX = 2 ** 20
/** Crossings that may be open in one partition at a time: channels at a source. Twenty bits. */
export const CHANNELS_MAX = 2 ** 20 - 1
/** How long a crossing waits for the other side before it is reminded of, in ns. Part of the format: a replay computes with it. */
export const STEP_REMIND_NS = 1_000_000_000n
/** Each further reminder waits twice as long as the one before it, so often: then 64 s. Part of the format as well. */
export const STEP_REMIND_DOUBLINGS = 6
/** How long the credit side may be silent before a crossing is cancelled, in ms, unless the platform is told otherwise. */
export const TRANSFER_DEADLINE_MS_DEFAULT = 10_000
/** The longest such time that a platform may be told: a week. */
export const TRANSFER_DEADLINE_MS_MAX = 7 * 86_400_000
/** Partitions in one deployment. */
export const PARTITIONS_MAX = 1_024
/** How far ahead of the writer's clock a transfer id's time may lie. */
export const ID_AHEAD_MS_MAX = 60_000
/** Decimal places of a currency. */
export const SCALE_MAX = 18
/** What a time of the outside world may be, in nanoseconds since 1970: the whole years 1900 to 2261 (DateTime64(9)). */
export const TIME_NS_MIN = -2_208_988_800_000_000_000n
export const TIME_NS_MAX = 9_214_646_400_000_000_000n - 1n
/** The same for people. */
export const TIMES_TEXT = '1900-01-01T00:00:00Z to 2261-12-31T23:59:59.999999999Z'
/** Largest amount, total or overdraft limit: signed 64 bits. */
export const AMOUNT_MAX = 2n ** 63n - 1n

function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(`limits contradict each other: ${what}`)
}
claim(COMMAND_SLOT_BYTES % 8 === 0, 'a command slot is whole words')
claim(EVENT_ROW_BYTES % 8 === 0, 'an event row is whole words')
claim(PARTITIONS_MAX <= 2 ** 12 && CHANNELS_MAX < 2 ** 20, 'a crossing says source and channel in 32 bits')
claim(
  BATCH_COMMANDS_MAX * EVENT_ROW_BYTES + FRAME_HEADER_BYTES <= FRAME_BYTES_MAX,
  'a batch without text fits one frame',
)
claim(
  LINKED_TRANSFERS_MAX * EVENT_ROW_BYTES_MAX + FRAME_HEADER_BYTES <= FRAME_BYTES_MAX,
  'a linked group fits one frame whatever its texts',
)
