/** What opening a log found at its end, and what it did about it. */
export interface RecoveryReport {
  /** Frames read and verified while opening. */
  readonly framesRead: number
  /** Debris of a crash that was cut off, if there was any: never anything that was acknowledged. */
  readonly cut: CutDebris | undefined
}

export interface CutDebris {
  /** Path of the segment file, relative to the data folder. */
  readonly file: string
  /** Where the log ends now within that file. */
  readonly byte: number
  readonly bytesCut: number
  /** The sequence that would have come next. */
  readonly sequence: bigint
  /** What was wrong with the first bad bytes. */
  readonly reason: string
}
