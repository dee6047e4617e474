/** Why a log cannot be given another number of partitions as it is. */
export type RepartitionRefusal = 'transfers_under_way' | 'holds_across' | 'scales_differ' | 'folder_not_empty'

export class RepartitionRefusedError extends Error {
  override readonly name = 'RepartitionRefusedError'
  readonly code = 'repartition_refused'
  readonly refusal: RepartitionRefusal
  /** How many stand in the way, where they can be counted. */
  readonly count: number | undefined

  /** @param message what stands in the way, how many of it, and what to do */
  constructor(refusal: RepartitionRefusal, message: string, count?: number) {
    super(message)
    this.refusal = refusal
    this.count = count
  }
}
