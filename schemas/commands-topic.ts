/**
 * Which topic a frame's next command place is in. A place means something in one topic only: one that was deleted and made
 * anew under the same name, or in another cluster, counts from 0 again. So each frame of a writer on Kafka says beside the
 * place, in 32 bits, which topic it goes by:
 *
 *   bits 8 to 31  the last three bytes of the topic's id, which brokers draw at random; 0: they know of no ids
 *   bits 0 to 7   how often another place was taken up, in place of going on from the last one, modulo 256
 *
 * 0 in all: not said (embedded, or written by an earlier version). A place goes back only where these bits change.
 */

const ADOPTIONS = 0x100
/** Places of a topic whose id is not known. */
export const TOPIC_UNKNOWN = 0

/** The part that says which topic it is. */
export function topicPartOf(commandsTopic: number): number {
  return commandsTopic >>> 8
}

/** The part of a topic with this id: 16 bytes; undefined: it has none. */
export function topicPartOfId(id: Uint8Array | undefined): number {
  if (id === undefined || id.every((byte) => byte === 0)) return TOPIC_UNKNOWN
  // What frames say is never taken for nothing.
  return (id[13]! << 16) | (id[14]! << 8) | id[15]! || 1
}

/** Says that places go on in a topic, as before. */
export function sameTopic(commandsTopic: number, topicPart: number): number {
  return topicPart * ADOPTIONS + (commandsTopic % ADOPTIONS)
}

/** Says that another place was taken up, in this topic. */
export function adoptedTopic(commandsTopic: number, topicPart: number): number {
  return topicPart * ADOPTIONS + ((commandsTopic + 1) % ADOPTIONS)
}

/** True if places do not go on from one frame to the next, but were taken up elsewhere. */
export function isAdoption(before: number, after: number): boolean {
  // An earlier version does not say which topic it was: the same, then.
  return before % ADOPTIONS !== after % ADOPTIONS
}

/** True if places of both can be compared, as far as is known. */
export function mayBeSameTopic(left: number, right: number): boolean {
  return left === right || left === TOPIC_UNKNOWN || right === TOPIC_UNKNOWN
}
