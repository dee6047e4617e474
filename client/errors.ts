/** What can go wrong between a client of the bulk lane and its platform: classes with stable codes. */

/** Stable for ever. */
export type BulkErrorCode =
  /** As much is under way as may be, here or at the platform. Nothing of the request was taken. */
  | 'busy'
  /** A command is none that may be sent. Nothing of the request was taken. */
  | 'malformed'
  /** A command belongs to another partition than the request names. Nothing of the request was taken. */
  | 'wrong_partition'
  /** The platform, or its writer, is stopping. Nothing of the request was taken. */
  | 'stopped'
  /** There is no lane where the URL leads. */
  | 'unreachable'
  /** The connection broke, and could not be made again in time. */
  | 'connection_lost'
  /** The other side speaks another version. */
  | 'version'
  /** The platform could not read what came, and closed. */
  | 'bad_message'
  /** What came from the other side is not what the lane says. */
  | 'protocol'
  /** The client was closed. */
  | 'closed'

/** The lane's errors have this class in common. */
export abstract class BulkError extends Error {
  abstract readonly code: BulkErrorCode
  /**
   * True where the request was sent and its fate is not known. The same commands, sent again with the same ids, take effect
   * once, and the results say what became of them.
   */
  readonly mayHaveHappened: boolean

  constructor(message: string, mayHaveHappened = false) {
    super(message)
    this.name = new.target.name
    this.mayHaveHappened = mayHaveHappened
  }
}

/** There is no room: wait for `ready()`, or send less at a time. */
export class BusyError extends BulkError {
  readonly code = 'busy'
}

/** The platform did not take a request, and says why. The same request will not be taken later, except when it had stopped. */
export class RefusedError extends BulkError {
  readonly code: 'malformed' | 'wrong_partition' | 'stopped'

  constructor(code: RefusedError['code'], message: string, mayHaveHappened = false) {
    super(message, mayHaveHappened)
    this.code = code
  }
}

/** There is no connection. Later there may be one. */
export class ConnectionError extends BulkError {
  readonly code: 'unreachable' | 'connection_lost'

  constructor(code: ConnectionError['code'], message: string, mayHaveHappened = false) {
    super(message, mayHaveHappened)
    this.code = code
  }
}

/** The two sides do not understand each other: one of them is wrong, and the client is of no further use. */
export class ProtocolError extends BulkError {
  readonly code: 'version' | 'bad_message' | 'protocol'

  constructor(code: ProtocolError['code'], message: string, mayHaveHappened = false) {
    super(message, mayHaveHappened)
    this.code = code
  }
}

/** The client was closed before this was asked of it. */
export class ClosedError extends BulkError {
  readonly code = 'closed'
}
