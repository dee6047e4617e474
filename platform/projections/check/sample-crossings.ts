/** The part of the sample that crosses partitions: one crossing of every course, as one of the two partitions sees it. */
import type { Command, CommandKind, Coordination, Step } from '../../../schemas/commands.ts'
import type { Id } from '../../../schemas/ids.ts'
import { accountIdOf, commandIdOf, type Recorder } from '../recorder.ts'

/** An account of the other partition. */
const ELSEWHERE = accountIdOf(200)
/** Command ids apart from those of the rest of the sample. */
const FIRST_ID = 1_000_000
const SECOND_NS = 1_000_000_000n
const AMOUNT = 4_00n

/**
 * Adds events of every kind that a crossing makes: at its source, paid by `account`, and at its destination, paid to it.
 * @param partition of the recorder; the other one is the one behind it
 */
export function addCrossings(recorder: Recorder, partition: number, account: Id): void {
  let count = FIRST_ID
  let turn = 0
  const newId = (): Id => commandIdOf(++count, recorder.nowNs)
  const wait = (ns: bigint): void => recorder.goTo(recorder.nowNs + ns)
  const submit = (kind: CommandKind, id: Id, sides: Pick<Command, 'debit' | 'credit'>, more: Partial<Command>): void => {
    recorder.submit([{ kind, id, ...sides, amount: AMOUNT, currency: 'EUR', code: 6, ...more }])
  }
  const outward = { debit: account, credit: ELSEWHERE } as const
  const inward = { debit: ELSEWHERE, credit: account } as const

  /** Begins a crossing away from the account; its steps then come back. */
  const begin = (coordination: Coordination): ((kind: CommandKind, more?: Partial<Step>) => void) => {
    const id = newId()
    submit('Transfer', id, outward, { across: true, coordination })
    turn++
    const here: Step = { source: partition, channel: 1, turn, attempt: 0, answers: 1n, scale: 2 }
    return (kind, more) => submit(kind, id, outward, { coordination, step: { ...here, ...more } })
  }
  const posted = begin('tcc')
  wait(SECOND_NS)
  posted('ConfirmTransfer')
  posted('CompleteTransfer')
  begin('tcc')('CancelTransfer', { refusal: 'credit_account_closed' })
  const silent = begin('tcc')
  for (let second = 0; second < 11; second++) wait(SECOND_NS)
  silent('CancelTransfer', { refusal: 'transfer_timed_out' })
  begin('saga')('CompleteTransfer')
  const recalled = begin('saga')
  for (let second = 0; second < 11; second++) wait(SECOND_NS)
  recalled('CancelTransfer', { refusal: 'transfer_timed_out' })

  const hold = newId()
  submit('PlaceHold', hold, outward, { across: true })
  turn++
  const held: Step = { source: partition, channel: 1, turn, attempt: 0, answers: 1n, scale: 2 }
  submit('ConfirmTransfer', hold, outward, { step: held })
  const post = newId()
  recorder.submit([{ kind: 'PostHold', id: post, related: hold, amount: AMOUNT / 4n, keepOpen: true }])
  const posting: Step = { ...held, channel: 2, turn: 1 }
  submit('CompleteTransfer', post, outward, { related: hold, amount: AMOUNT / 4n, step: posting })
  const voiding = newId()
  recorder.submit([{ kind: 'VoidHold', id: voiding, related: hold }])
  submit('CancelTransfer', voiding, outward, { related: hold, step: { ...held, refusal: 'transfer_timed_out' } })

  /** A step of a crossing towards an account here. */
  const comes = (kind: CommandKind, channel: number, id: Id, sides: Pick<Command, 'debit' | 'credit'>, more: Partial<Step> = {}): void =>
    submit(kind, id, sides, { step: { source: partition + 1, channel, turn: 1, attempt: 0, answers: 1n, scale: 2, ...more } })
  const credited = newId()
  comes('TryCredit', 1, credited, inward)
  comes('CreditTransfer', 1, credited, inward)
  comes('CreditTransfer', 1, credited, inward, { attempt: 1 })
  const cancelled = newId()
  comes('TryCredit', 2, cancelled, inward)
  comes('CancelCredit', 2, cancelled, inward)
  const reserved = newId()
  comes('TryCredit', 4, reserved, inward)
  comes('DrawCredit', 5, newId(), inward, { ofHold: (4n << 32n) | 1n })
  comes('TryCredit', 3, newId(), { debit: ELSEWHERE, credit: accountIdOf(201) })
} // prettier-ignore
