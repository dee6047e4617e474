/**
 * Faults planted one at a time in a copy of the built program: each has to be caught within 300 seeds. They are the ones
 * that logs and ledgers really had, and those that the simulator itself found here.
 */
import { CROSSING_MUTANTS } from './crossings/mutants.ts'
import type { Simulated } from './jobs.ts'
import { VIEWS_ALONE_MUTANTS, VIEWS_MUTANTS } from './views/mutants.ts'

/** A change to one source file: `find` stands in it exactly once. */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  readonly name: string
  readonly patches: readonly Patch[]
  /** What has to find it. Default: the whole deployment. */
  readonly found?: Simulated
  /** A seed that has found it, for one that few seeds find: it is looked for from there. Default: the first. */
  readonly seed?: number
}

const APPENDER = 'eventlog/file/appender.ts'
const RECOVERY = 'eventlog/file/recovery/open-log.ts'
const RULE = 'eventlog/reader-rule.ts'
const GROUPS = 'eventlog/file/group-commit.ts'
const SHARED = 'eventlog/kafka/events/shared-appender.ts'

export const MUTANTS: readonly Mutant[] = [
  ...CROSSING_MUTANTS,
  ...VIEWS_MUTANTS,
  ...VIEWS_ALONE_MUTANTS.map((mutant) => ({ ...mutant, found: 'views' as const })),
  oneFrom(
    3,
    'no fsync of the log',
    APPENDER,
    '    segment.file.sync()\n    durable = head\n',
    '    durable = head\n',
  ),
  {
    name: 'told before it is durable',
    seed: 124,
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
    name: 'told before it is written',
    seed: 3,
    patches: [
      patch(
        GROUPS,
        '        appender.append(frame, unit)\n',
        "        listeners.tellCore({ kind: 'durable', frames: [{ isIdleFrame: false,\n" +
          '          sequence: frame.firstSequence + BigInt(frame.count) - 1n, hash: frame.hash.slice(),\n' +
          '          nextCommandOffset: frame.nextCommandOffset, nextCommandIndex: frame.nextCommandIndex,\n' +
          "          logOffset: 0n }] })\n        listeners.tellMain({ kind: 'frames', frames: [frame] })\n" +
          '        appender.append(frame, unit)\n',
      ),
      patch(
        GROUPS,
        "    listeners.tellCore({ kind: 'durable', frames: receipts })\n",
        "    if (isIdleFrame) listeners.tellCore({ kind: 'durable', frames: receipts })\n",
      ),
      patch(
        GROUPS,
        "    listeners.tellMain({ kind: 'frames', frames })\n",
        "    if (isIdleFrame) listeners.tellMain({ kind: 'frames', frames })\n",
      ),
    ],
  },
  one(
    'a failed fsync tried again',
    APPENDER,
    '    segment.file.sync()\n    durable = head\n',
    '    try { segment.file.sync() } catch { segment.file.sync() }\n    durable = head\n',
  ),
  {
    name: 'cut at the first bad frame, whatever testifies',
    patches: [
      patch(RECOVERY, '    if (durable !== undefined)\n      throw', '    if (sequence < 0n)\n      throw'),
      patch(RECOVERY, 'if (mark !== undefined && end.sequence < mark.sequence)', 'if (end.sequence < 0n)'),
      patch(
        RECOVERY,
        'if (mark?.segment === found.segment && mark.endByte > found.byte)',
        'if (found.byte < 0)',
      ),
    ],
  },
  oneFrom(
    14,
    'the mark not consulted',
    RECOVERY,
    'mark: mark.found, durableAtLeast,',
    'mark: undefined, durableAtLeast,',
  ),
  one(
    'the mark written and synced before the log',
    APPENDER,
    '    segment.file.sync()\n    durable = head\n    mark.write({',
    '    mark.write({ sequence: head.sequence, segment: segment.firstSequence, endByte: byte, hash: head.hash })\n' +
      '    mark.sync()\n    segment.file.sync()\n    durable = head\n    void ({',
  ),
  oneFrom(
    16,
    "a new segment's name not made durable",
    APPENDER,
    '  file.sync()\n  disk.syncFolder(folder)\n',
    '  file.sync()\n',
  ),
  oneFrom(
    238,
    'the name of a segment left behind not made durable',
    RECOVERY,
    '  disk.syncFolder(path.join(dir, logFolder(partition)))\n',
    '',
  ),
  one(
    'what a failed fsync left clean not written again',
    RECOVERY,
    '    writeAll(file, [readUpTo(file, at, Math.min(pieceBytes, found.byte - at))], at)\n',
    '    void pieceBytes\n',
  ),
  one(
    'padding not looked at',
    'eventlog/file/layout/units.ts',
    '  if (Buffer.compare(padding, ZEROS.subarray(0, padding.length)) !== 0)\n',
    '  if (padding.length > ZEROS.length)\n',
  ),
  oneFrom(
    10,
    'the previous hash not compared',
    RULE,
    "    if (!sameBytes(frame.previousHash, head.hash)) return 'previous_hash'\n",
    '',
  ),
  {
    name: 'frames claim more durable than is',
    seed: 18,
    patches: [
      patch(GROUPS, 'const durableSequence = appender.durable().sequence', 'const durableSequence = appender.head().sequence'), // prettier-ignore
      patch(APPENDER, ' || frame.durableSequence > durable.sequence)', ')'),
    ],
  },
  oneFrom(10, 'an older epoch accepted', RULE, "    if (frame.epoch < head.epoch) return 'epoch'\n", ''),
  one(
    'younger ids lost at a snapshot',
    'writer/core/copy/state-sections.ts',
    "  remembered.current = generation(sections, 'ids-current', head, HEAD.currentCount, remembered.slotsFull)\n",
    '',
  ),
  one(
    'the horizon forgotten when ids are dropped',
    'writer/core/state/remembered-ids.ts',
    '    if (dropped.timeMaxMs > this.horizonMs) this.horizonMs = dropped.timeMaxMs\n',
    '',
  ),
  one(
    'the same id with another body taken for a repeat',
    'gateway/outcomes/settle-repeat.ts',
    'first.fingerprint === fingerprintOf(encodeCommands([command])) || isSameReversal(command, first)',
    'fingerprintOf(encodeCommands([command])) !== undefined || isSameReversal(command, first)',
  ),
  one(
    'a fingerprint without the amount',
    'schemas/fingerprint.ts',
    '  SLOT.relatedLow, SLOT.amount,',
    '  SLOT.relatedLow,',
  ),
  oneFrom(
    16,
    'a hold posted twice',
    'writer/core/apply/apply.ts',
    '    case EVENT_KINDS.HoldPosted:\n    case EVENT_KINDS.HoldVoided:\n    case EVENT_KINDS.HoldExpired: {\n      const slot',
    '    case EVENT_KINDS.HoldPosted:\n      return\n    case EVENT_KINDS.HoldVoided:\n    case EVENT_KINDS.HoldExpired: {\n      const slot',
  ),
  one(
    'expiries not replayed',
    'writer/core/apply/replay-rows.ts',
    '      changeState(state, rows, word)\n      rememberHashed',
    '      if (kindOf(rows, word) === EVENT_KINDS.HoldExpired) {\n' +
      '        state.clock[CLOCK.sequence] = rows.words[word + ROW.sequence]!\n' +
      '        state.clock[CLOCK.recordedAt] = rows.words[word + ROW.recordedAt]!\n' +
      '      } else changeState(state, rows, word)\n      rememberHashed',
  ),
  one(
    'a refused group not taken back',
    'writer/core/decide/linked.ts',
    '        this.undo(buffers, index)\n',
    '',
  ),
  one(
    'funds not asked on the quick way',
    'writer/core/decide/plain-transfers.ts',
    '  if (!hasFunds(accounts, debitLine, slots, amount)) return false\n',
    '  void hasFunds\n',
  ),
  {
    name: 'a snapshot used without its hashes',
    seed: 4,
    patches: [
      patch(
        'writer/snapshots/snapshot-file.ts',
        '  if (!sameBytes(createHash',
        '  if (hashes.length === 0 && !sameBytes(createHash',
      ),
      patch(
        'writer/snapshots/snapshot-file.ts',
        '    if (!sameBytes(this.hash',
        '    if (chunk < 0 && !sameBytes(this.hash',
      ),
    ],
  },
  oneFrom(
    3,
    'a snapshot kept before its frame is durable',
    'writer/snapshots/snapshot-keeper.ts',
    '    if (saving?.frame === frame && saving.sink === undefined) this.write(saving, receipt)\n',
    '    if (saving !== undefined && saving.sink === undefined)\n' +
      '      this.write(saving, { ...receipt, sequence: saving.sequence })\n',
  ),
  {
    name: 'lines that change while a snapshot is made not kept',
    seed: 14,
    patches: [
      patch(
        'writer/core/apply/apply.ts',
        '  if (number >= state.accounts.keepFrom) state',
        '  if (number < 0) state',
      ),
      patch(
        'writer/core/decide/plain-transfers.ts',
        '  if (debit >= accounts.keepFrom) ',
        '  if (debit < 0) ',
      ),
      patch(
        'writer/core/decide/plain-transfers.ts',
        '  if (credit >= accounts.keepFrom) ',
        '  if (credit < 0) ',
      ),
    ],
  },
  oneFrom(
    3,
    'ids that come in while a snapshot is made kept with it',
    'writer/core/state/remembered-ids.ts',
    '  added[place >>> 5]! |= 1 << (place & 31)\n',
    '  added[place >>> 5]! |= 0\n',
  ),
  one(
    'a hold that ends while a snapshot is made not kept',
    'writer/core/state/holds.ts',
    '  remove(slot: number): void {\n    if (this.copy !== undefined) this.copy.keep(slot)\n',
    '  remove(slot: number): void {\n',
  ),
  oneFrom(
    5,
    'acknowledged when it was sent',
    'test/simulation/shared-writer.ts',
    '    this.log.send(frame.bytes)\n',
    '    this.log.send(frame.bytes)\n    this.acknowledge(frame)\n',
  ),
  oneFrom(
    5,
    'a frame of one’s own acknowledged though it is void',
    SHARED,
    'if (isAccepted && this.#pending[0] !== undefined && sameBytes(this.#pending[0], frame.hash)) {',
    'if (this.#pending.some((hash) => sameBytes(hash, frame.hash))) {',
  ),
  oneFrom(
    5,
    'a void frame of one’s own passed over',
    SHARED,
    '    if (!isSuccessor && !isOwn) ',
    '    void isOwn\n    if (!isSuccessor) ',
  ),
  one(
    'command offsets begin anew at a restart',
    'writer/thread/core-server.ts',
    'nextCommandOffset: head.nextCommandOffset }',
    'nextCommandOffset: 0n }',
  ),
]

function one(name: string, file: string, find: string, replace: string): Mutant {
  return { name, patches: [patch(file, find, replace)] }
}

/** One for which few seeds are enough if they begin there. */
function oneFrom(seed: number, name: string, file: string, find: string, replace: string): Mutant {
  return { ...one(name, file, find, replace), seed }
}

function patch(file: string, find: string, replace: string): Patch {
  return { file, find, replace }
}
