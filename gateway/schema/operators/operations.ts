/** What operators do with projections, as mutations. */
import type { Until } from '../../../projectors/registry/versions.ts'
import type { Position } from '../../../schemas/positions.ts'
import { badInput } from '../../errors.ts'
import type { SchemaKit } from '../kit.ts'
import type { addOutcome } from './outcome.ts'
import { requireOperations } from './require-operations.ts'

const VERSION_TEXT = 'Default: the one that serves.'
const BUILT_TEXT = 'Default: the one that was built last.'
const WHO_MAX = 100
const WHO_DEFAULT = 'an operator'

export function addOperations({ builder }: SchemaKit, { Outcome }: ReturnType<typeof addOutcome>): void {
  builder.mutationField('pauseProjection', (t) =>
    t.field({
      type: Outcome,
      description: 'A version stops where it is, until it is resumed.',
      args: { name: t.arg.string({ required: true }), version: t.arg.int({ description: VERSION_TEXT }) },
      resolve: (_root, { name, version }, { services }) =>
        requireOperations(services).pause(name, version ?? undefined),
    }),
  )
  builder.mutationField('resumeProjection', (t) =>
    t.field({
      type: Outcome,
      description: 'A version goes on that was paused, or that a failure had stopped.',
      args: { name: t.arg.string({ required: true }), version: t.arg.int({ description: VERSION_TEXT }) },
      resolve: (_root, { name, version }, { services }) =>
        requireOperations(services).resume(name, version ?? undefined),
    }),
  )
  builder.mutationField('resetProjection', (t) =>
    t.field({
      type: Outcome,
      description:
        'A new version serves at once and is filled from the beginning; the one before it is dropped. Readers wait or see the past meanwhile: `rebuildProjection` spares them that.',
      args: { name: t.arg.string({ required: true }) },
      resolve: (_root, { name }, { services }) => requireOperations(services).reset(name),
    }),
  )
  builder.mutationField('rebuildProjection', (t) =>
    t.field({
      type: Outcome,
      description: 'A new version is filled beside the one that serves. Answers at once, with its number.',
      args: {
        name: t.arg.string({ required: true }),
        share: t.arg.float({
          description: 'Of the time, how much filling may take: 0.01 to 1. Default: 0.5.',
        }),
        untilPosition: t.arg({ type: 'Position', description: 'It ends there, and can only be compared.' }),
        untilTime: t.arg({
          type: 'DateTime',
          description: 'It ends with the last event recorded by then, and can only be compared.',
        }),
      },
      resolve: (_root, { name, share, untilPosition, untilTime }, { services }) =>
        requireOperations(services).rebuild(name, {
          share: share ?? undefined,
          until: untilOf(untilPosition, untilTime),
        }),
    }),
  )
  builder.mutationField('compareProjection', (t) =>
    t.field({
      type: Outcome,
      description:
        'Compares a version with the one that serves, row for row, at one position. Changes nothing.',
      args: {
        name: t.arg.string({ required: true }),
        version: t.arg.int({ description: BUILT_TEXT }),
        at: t.arg({ type: 'Position', description: 'Default: up to where both are.' }),
      },
      resolve: (_root, { name, version, at }, { services }) =>
        requireOperations(services).compare(name, version ?? undefined, at ?? undefined),
    }),
  )
  builder.mutationField('promoteProjection', (t) =>
    t.field({
      type: Outcome,
      description:
        'A version serves that was built, once it is proven to hold the same; the one before is kept. Waits up to 30 seconds for it to come to where readers are.',
      args: {
        name: t.arg.string({ required: true }),
        version: t.arg.int({ description: BUILT_TEXT }),
        acceptDifferences: t.arg.string({
          description: 'Why it may differ: then it serves all the same, and the reason is recorded.',
        }),
      },
      resolve: (_root, { name, version, acceptDifferences }, { services }) =>
        requireOperations(services).promote(name, version ?? undefined, acceptDifferences ?? undefined),
    }),
  )
  builder.mutationField('rollbackProjection', (t) =>
    t.field({
      type: Outcome,
      description: 'The version that served before serves again.',
      args: { name: t.arg.string({ required: true }) },
      resolve: (_root, { name }, { services }) => requireOperations(services).rollback(name),
    }),
  )
  builder.mutationField('dropProjection', (t) =>
    t.field({
      type: Outcome,
      description: 'Removes a version that is not read, with its tables.',
      args: { name: t.arg.string({ required: true }), version: t.arg.int({ required: true }) },
      resolve: (_root, { name, version }, { services }) => requireOperations(services).drop(name, version),
    }),
  )
  builder.mutationField('skipProjectionEvent', (t) =>
    t.field({
      type: Outcome,
      description:
        'Leaves out the one event at which a version has stopped, and lets it go on. It is recorded for auditors.',
      args: {
        name: t.arg.string({ required: true }),
        version: t.arg.int({ description: 'Default: the one that has stopped there.' }),
        position: t.arg({
          type: 'Position',
          required: true,
          description: 'Of the event: `faults.position`.',
        }),
        reason: t.arg.string({ required: true }),
        by: t.arg.string({ description: 'Who says so.' }),
      },
      resolve: (_root, { name, version, position, reason, by }, { services }) =>
        requireOperations(services).skip(name, {
          version: version ?? undefined,
          ...eventAt(position),
          reason,
          by: whoOf(by),
        }),
    }),
  )
}

function untilOf(
  position: Position | null | undefined,
  timeNs: bigint | null | undefined,
): Until | undefined {
  if (position && typeof timeNs === 'bigint')
    throw badInput('untilTime', 'It ends at a position or at a time: give one of them.')
  if (position) return { position }
  return typeof timeNs === 'bigint' ? { timeNs } : undefined
}

/** @throws Fault BAD_USER_INPUT for what is not the place of one event */
function eventAt(position: Position): { readonly partition: number; readonly sequence: bigint } {
  const [place, ...others] = position
  if (place === undefined || others.length > 0 || place[1] === 0n)
    throw badInput(
      'position',
      'Give the place of one event: "faults.position" of the version that has stopped.',
    )
  return { partition: place[0], sequence: place[1] }
}

function whoOf(by: string | null | undefined): string {
  return (by?.trim() ?? '').slice(0, WHO_MAX) || WHO_DEFAULT
}
