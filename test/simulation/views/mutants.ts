/** Faults planted in the views' runtime, one at a time: each has to be found by the seeds. */

import type { Mutant } from '../mutants.ts'

/** Found wherever views run: beside a whole simulated writer, and alone. */
export const VIEWS_MUTANTS: readonly Mutant[] = [
  {
    name: 'checkpoint before rows',
    seed: 4,
    patches: [
      {
        file: 'projectors/runtime/lanes/pump.ts',
        find: 'const checkpoint = await this.#untilDone(() => write(range), `${range.first} to ${range.last}`)',
        replace:
          'await this.#untilDone(() => settle(range.checkpoint), "early")\n' +
          'const checkpoint = await this.#untilDone(() => write(range), `${range.first} to ${range.last}`)',
      },
    ],
  },
  {
    name: 'retry with other bytes',
    seed: 13,
    patches: [
      {
        file: 'projectors/runtime/lanes/pump.ts',
        find: '() => write(range), `',
        replace:
          '() => write(this.#outage === undefined ? range : { ...range, payloads: range.payloads.slice(1) }), `',
      },
    ],
  },
  {
    name: 'range lost after a failed insert',
    seed: 13,
    patches: [
      {
        file: 'projectors/runtime/lanes/lane.ts',
        find: 'if (failures.length > 0) throw',
        replace: 'if (failures.length > 1) throw',
      },
    ],
  },
  {
    name: 'back-off cut short by frames',
    seed: 93,
    patches: [
      {
        file: 'projectors/runtime/lanes/pump.ts',
        find: 'await this.#backOff.sleep(pauseMs)',
        replace: 'await this.#wake.sleep(pauseMs)',
      },
    ],
  },
  {
    name: 'oldest checkpoint believed',
    seed: 6,
    patches: [
      {
        file: 'projectors/runtime/lanes/range.ts',
        find: 'hash: last.hash.slice(),',
        replace: 'hash: taken[0]!.frame.hash.slice(),',
      },
    ],
  },
]

/** Found by the views alone, whose log lies to them, is exchanged, and whose tables get lost. */
export const VIEWS_ALONE_MUTANTS: readonly Mutant[] = [
  {
    name: 'void frame taken in, and its checkpoint',
    patches: [
      {
        file: 'projectors/runtime/lanes/pump.ts',
        find: 'if (!this.#chain.continues(frame) || frame.count === 0) continue',
        replace: 'this.#chain.continues(frame)\nif (frame.count === 0) continue',
      },
    ],
  },
  {
    name: 'gap accepted',
    patches: [
      {
        file: 'projectors/runtime/lanes/chain.ts',
        find: 'if (frame.firstSequence === this.#sequence + 1n && follows) {',
        replace: 'if (frame.firstSequence > this.#sequence + (follows ? 0n : 1n)) {',
      },
    ],
  },
  {
    name: 'previous hash not compared',
    patches: [
      {
        file: 'projectors/runtime/lanes/chain.ts',
        find: 'if (frame.firstSequence === this.#sequence + 1n && follows) {',
        replace: 'if (frame.firstSequence === this.#sequence + 1n) {',
      },
    ],
  },
  {
    name: 'another history joined',
    seed: 68,
    patches: [
      {
        file: 'projectors/runtime/lanes/chain.ts',
        find: 'if (!sameBytes(frame.hash, hash))',
        replace: 'if (frame.hash.length !== hash.length)',
      },
    ],
  },
  {
    name: 'log behind the views followed',
    seed: 25,
    patches: [
      {
        file: 'projectors/runtime/runtime.ts',
        find: 'if (sequence >= known) return',
        replace: 'if (sequence >= 0n) return',
      },
    ],
  },
  {
    name: 'lost table comes back empty',
    seed: 25,
    patches: [
      {
        file: 'projectors/runtime/members.ts',
        find: 'if (before === undefined && (!holds || (await this.#needsFillers(target)))) await target.prepare()',
        replace: 'if (before === undefined && (holds || !holds)) await target.prepare()',
      },
    ],
  },
  {
    name: 'fold applied twice on redelivery',
    seed: 25,
    patches: [
      {
        file: 'projectors/code/code-target.ts',
        find: 'const work = { partition, bytes, after: mark, last: range.last }',
        replace: 'const work = { partition, bytes, after: range.first - 1n, last: range.last }',
      },
    ],
  },
  {
    name: 'promotion without comparison',
    seed: 69,
    patches: [
      {
        file: 'projectors/registry/operations.ts',
        find: 'if (!comparison.equal && acceptDifferences === undefined)',
        replace: 'if (!comparison.equal && acceptDifferences !== undefined)',
      },
    ],
  },
  {
    name: 'skip that skips two',
    seed: 87,
    patches: [
      {
        file: 'projectors/runtime/lanes/cut.ts',
        find: '.filter(({ sequence }) => !sequences.has(sequence))',
        replace: '.filter(({ sequence }) => !sequences.has(sequence) && !sequences.has(sequence - 1n))',
      },
    ],
  },
  {
    name: 'an older runtime that writes after the newer began',
    seed: 9,
    patches: [
      {
        file: 'projectors/runtime/lanes/guard.ts',
        find: '?? 0n) > own.epoch)',
        replace: '?? 0n) < own.epoch)',
      },
    ],
  },
  {
    name: 'promotion to what was read before a reset',
    seed: 811,
    patches: [
      {
        file: 'projectors/registry/operations.ts',
        find: '(behind.version === other.version || acceptDifferences === undefined)',
        replace: '(behind.version === other.version || acceptDifferences !== undefined)',
      },
    ],
  },
]
