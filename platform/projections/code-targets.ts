/** The targets of views that are code or sinks: each runs in a process of its own, from the file that it was loaded from. */
import type { View } from '../../gateway/view.ts'
import {
  refusePartitioning,
  startCodeTarget,
  startSinkTarget,
  type CodeLimits,
} from '../../projectors/code/start.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import type { Layout, Projection } from '../../projectors/projection.ts'
import type { Version } from '../../projectors/registry/versions.ts'
import type { Target } from '../../projectors/runtime/lanes/target.ts'
import { PlatformError } from '../errors.ts'

export interface CodeTargetsOptions {
  readonly store: ViewStore
  readonly layout?: Layout
  readonly views: readonly View[]
  /** Of the deployment. */
  readonly partitions: number
  readonly limits?: Partial<CodeLimits>
  readonly log: (line: string) => void
}

/**
 * How to make them, for `startProjections`.
 * @throws PlatformError `usage` for a view that has no file to be loaded from, or does not fit the deployment
 */
export function codeTargets(
  options: CodeTargetsOptions,
): (version: Version, projection: Projection) => Target {
  const { store, layout = {}, views, partitions, limits, log } = options
  for (const { projection } of views)
    if (projection.kind === 'code') refuseUnfitPartitioning(projection, partitions)
  return ({ version }, projection) => {
    const module = views.find((view) => view.projection === projection)?.module
    if (module === undefined)
      throw new PlatformError(
        'usage',
        `The view ${projection.name} is code, and runs in a process of its own: name the file that exports it, with --projection or in purser.config.ts.`,
      )
    const given = { module, log, ...(limits === undefined ? {} : { limits }) }
    if (projection.kind === 'sink') return startSinkTarget({ ...given, projection })
    if (projection.kind === 'sql') throw new RangeError(`${projection.name} needs no code`)
    return startCodeTarget({ ...given, store, layout, projection, version })
  }
}

function refuseUnfitPartitioning(projection: Parameters<typeof refusePartitioning>[0], partitions: number): void {
  try {
    refusePartitioning(projection, partitions)
  } catch (error) {
    throw new PlatformError('usage', (error as Error).message, {}, { cause: error })
  }
} // prettier-ignore
