/** Faults planted in transfers across partitions, one at a time: each has to be found by the seeds of `run.ts`. */
import type { Mutant, Patch } from '../mutants.ts'

const TCC = 'writer/core/crossing/tcc.ts'
const SAGA = 'writer/core/crossing/saga.ts'
const SOURCE = 'writer/core/crossing/source.ts'
const DESTINATION = 'writer/core/crossing/destination.ts'
const APPLY = 'writer/core/crossing/apply-crossing.ts'
const MOVED = 'writer/core/crossing/moved-totals.ts'
const GROUPS = 'eventlog/file/group-commit.ts'
const DOORS = 'test/simulation/crossings/doors.ts'

export const CROSSING_MUTANTS: readonly Mutant[] = [
  one(
    'no cancel mark',
    APPLY,
    '      else entries.set(channel, turn, DESTINATION_STATES.cancelled, NO_AMOUNT, 0, 0)\n',
    '',
  ),
  {
    name: 'a coordinator sends before the decision is durable',
    found: 'crossings',
    seed: 199,
    patches: [
      patch(GROUPS, '    appender.sync()\n    isIdleFrameDue = true\n', '    isIdleFrameDue = true\n'),
      patch(
        GROUPS,
        "    listeners.tellMain({ kind: 'frames', frames })\n",
        "    listeners.tellMain({ kind: 'frames', frames })\n    appender.sync()\n",
      ),
    ],
  },
  {
    ...one(
      'Confirm after Cancel',
      TCC,
      '  cancelled: {\n    ConfirmTransfer: IGNORED,\n',
      "  cancelled: {\n    ConfirmTransfer: { event: 'TransferConfirmed', to: 'confirmed' },\n",
    ),
    seed: 4,
  },
  one(
    'the deadline cancels what is confirmed',
    TCC,
    "    CompleteTransfer: { event: 'TransferCompleted', to: 'free' },\n    reminder: REMINDED,\n    deadline: REMINDED,\n",
    "    CompleteTransfer: { event: 'TransferCompleted', to: 'free' },\n    reminder: REMINDED,\n    deadline: { event: 'TransferCancelled', to: 'cancelled' },\n",
  ),
  one(
    'compensation twice',
    SAGA,
    "  recalled: {\n    ConfirmTransfer: IGNORED,\n    CancelTransfer: { event: 'TransferCompensated', to: 'free' },\n",
    "  recalled: {\n    ConfirmTransfer: IGNORED,\n    CancelTransfer: { event: 'TransferCompensated', to: 'recalled' },\n",
  ),
  one(
    'compensated at the deadline, unasked',
    SAGA,
    "    deadline: { event: 'TransferRecalled', to: 'recalled' },\n",
    "    deadline: { event: 'TransferCompensated', to: 'free' },\n",
  ),
  one(
    'the account in transit skipped',
    MOVED,
    '    TransferCredited: { debit: { debitsPosted: 1 }, credit: { creditsPosted: 1 } },\n',
    '    TransferCredited: { debit: {}, credit: { creditsPosted: 1 } },\n',
  ),
  one(
    'a deadline by the local clock',
    APPLY,
    '  else outgoing.words[to + CHANNEL.deadline] = rows.words[word + ROW.expiresAt]!\n',
    '  else outgoing.words[to + CHANNEL.deadline] = BigInt(Date.now()) * 1_000_000n\n',
  ),
  one(
    'a channel of a hold given on while its posts are under way',
    'writer/core/crossing/hold.ts',
    "to: 'free', onceDrawn: true }",
    "to: 'free' }",
  ),
  one(
    'a release lets go of what posts have yet to take',
    DESTINATION,
    '  moveTotals(rows, decision.rowByte >>> 3, moved, slots, amount)\n  return bytes\n}\n\n/** Posts a part',
    '  const all = entries.amountAt(channel)\n  rows.words[(decision.rowByte >>> 3) + ROW.amount] = entries.words[all]!\n  moveTotals(rows, decision.rowByte >>> 3, moved, entries.words, all)\n  return bytes\n}\n\n/** Posts a part',
  ),
  one('a stale turn taken for a new one', DESTINATION, '  if (turn < seen) return 0\n', ''),
  {
    name: 'the turn not looked at when a step comes back',
    found: 'crossings',
    patches: [
      patch(
        SOURCE,
        '  if (outgoing.turn(channel) !== slots32[from32 + SLOT.channelTurn * 2 + 1]! >>> 0) return 0\n',
        '',
      ),
      patch(
        SOURCE,
        'if (before === 0 || !sameIdAt(outgoing.words32, kept * 2, slots32, from32 + SLOT.idHigh * 2)) return 0',
        'if (before === 0) return 0',
      ),
    ],
  },
  one(
    'an answer that was lost is lost for ever',
    DESTINATION,
    "if (rule.doing === 'answers reminders' && sourceAttempt >>> 16 === 0) return 0",
    "if (rule.doing === 'answers reminders') return 0",
  ),
  one(
    'the step of a reminder not marked as one',
    'writer/coordinator/step-of.ts',
    ' = crossing[CROSSING_WORD.source]! | (attempt << 16)\n',
    ' = crossing[CROSSING_WORD.source]!\n',
  ),
  one(
    'reminders that come no less often',
    APPLY,
    'REMIND_NS[Math.min(outgoing.attempt(channel), STEP_REMIND_DOUBLINGS)]!',
    'REMIND_NS[0]!',
  ),
  one(
    'a coordinator reads nothing again',
    'writer/coordinator/coordinator.ts',
    '    if (reminders.length > 0) await this.#remind(reminders)\n',
    '',
  ),
  one(
    'a queue that was busy is asked no more',
    'writer/coordinator/step-target.ts',
    '        this.#callOff = undefined\n        this.offer()\n',
    '        this.offer()\n',
  ),
  one(
    'steps offered again with those that follow',
    'writer/coordinator/step-target.ts',
    '    else this.dropped += count\n    batch.clear()\n',
    '    else this.dropped += count\n',
  ),
  {
    ...one(
      'id checked in one partition only',
      DOORS,
      '    if (home === partition) return this.#offer(request, partition, false)\n    return this.#offer(request, home, true)\n',
      '    return this.#offer(request, partition, false)\n',
    ),
    seed: 4,
  },
  one(
    'a command handed on before its claim is durable',
    DOORS,
    '    this.#pending.push({ request,',
    '    if (isClaim) this.#goOn(request)\n    else this.#pending.push({ request,',
  ),
  one(
    'a claim for another partition taken for a repeat',
    DOORS,
    'isClaimed && first.code === request.partition) this.#goOn',
    'isClaimed) this.#goOn',
  ),
  one(
    'a claim not remembered',
    'writer/core/apply/apply.ts',
    '  if (kind === EVENT_KINDS.IdsForgotten ||',
    '  if (kind === EVENT_KINDS.IdClaimed || kind === EVENT_KINDS.IdsForgotten ||',
  ),
]

function one(name: string, file: string, find: string, replace: string): Mutant {
  return { name, found: 'crossings', patches: [patch(file, find, replace)] }
}

function patch(file: string, find: string, replace: string): Patch {
  return { file, find, replace }
}
