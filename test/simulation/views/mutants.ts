/** Faults planted in the views' runtime, one at a time: each has to be found by the seeds. */

import type { Mutant } from '../mutants.ts'

/** Found wherever views run: beside a whole simulated writer, and alone. */
export const VIEWS_MUTANTS: readonly Mutant[] = [
  {
    name: 'checkpoint before rows',
    patches: [
      {
        file: 'projectors/runtime/pump.ts',
        find: 'await this.#untilDone(() => insertRange(store, projections, range), `${range.first} to ${range.last}`)',
        replace:
          'await this.#untilDone(() => writeCheckpoint(store, projections.running, range.checkpoint), "early")\n' +
          'await this.#untilDone(() => insertRange(store, projections, range), `${range.first} to ${range.last}`)',
      },
    ],
  },
  {
    name: 'retry with other bytes',
    patches: [
      {
        file: 'projectors/runtime/pump.ts',
        find: '() => insertRange(store, projections, range)',
        replace:
          '() => insertRange(store, projections, this.#outage === undefined ? range : { ...range, payloads: range.payloads.slice(1) })',
      },
    ],
  },
  {
    name: 'range lost after a failed insert',
    patches: [
      { file: 'projectors/runtime/pump.ts', find: 'this.#stop.signal.throwIfAborted()', replace: 'return' },
    ],
  },
  {
    name: 'back-off cut short by frames',
    seed: 93,
    patches: [
      {
        file: 'projectors/runtime/pump.ts',
        find: 'await this.#backOff.sleep(pauseMs)',
        replace: 'await this.#wake.sleep(pauseMs)',
      },
    ],
  },
  {
    name: 'oldest checkpoint believed',
    patches: [
      {
        file: 'projectors/runtime/range.ts',
        find: 'hash: last.hash.slice(),',
        replace: 'hash: frames[0]!.hash.slice(),',
      },
    ],
  },
  {
    name: 'reset drops rows before checkpoints',
    seed: 76,
    patches: [
      {
        file: 'projectors/clickhouse/view-tables.ts',
        find: `    ...forgetCheckpoints(projections, layout),
    ...names.map((name) => \`DROP VIEW IF EXISTS \${viewName(projections, name)}\${onCluster} SYNC\`),
    ...names.flatMap((name) => dropTable(name, layout)),`,
        replace: `    ...names.map((name) => \`DROP VIEW IF EXISTS \${viewName(projections, name)}\${onCluster} SYNC\`),
    ...names.flatMap((name) => dropTable(name, layout)),
    ...forgetCheckpoints(projections, layout),`,
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
        file: 'projectors/runtime/pump.ts',
        find: 'if (!this.#chain.continues(frame) || frame.count === 0) continue',
        replace: 'this.#chain.continues(frame)\nif (frame.count === 0) continue',
      },
    ],
  },
  {
    name: 'gap accepted',
    patches: [
      {
        file: 'projectors/runtime/chain.ts',
        find: 'if (frame.firstSequence === this.#sequence + 1n && follows) {',
        replace: 'if (frame.firstSequence > this.#sequence + (follows ? 0n : 1n)) {',
      },
    ],
  },
  {
    name: 'previous hash not compared',
    patches: [
      {
        file: 'projectors/runtime/chain.ts',
        find: 'if (frame.firstSequence === this.#sequence + 1n && follows) {',
        replace: 'if (frame.firstSequence === this.#sequence + 1n) {',
      },
    ],
  },
  {
    name: 'another history joined',
    patches: [
      {
        file: 'projectors/runtime/chain.ts',
        find: 'if (!sameBytes(frame.hash, hash))',
        replace: 'if (frame.hash.length !== hash.length)',
      },
    ],
  },
  {
    name: 'log behind the views followed',
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
    patches: [
      {
        file: 'projectors/runtime/completeness.ts',
        find: 'if (missing.length === 0) return',
        replace: 'if (missing.length < Infinity) return',
      },
    ],
  },
]
