/** Loads an author's file, and makes sure that it is what was declared. */
import type { CodeProjection } from '../../code-projection.ts'
import type { SinkProjection } from '../../sink-projection.ts'
import { declaredOf, type DeclaredCode } from '../tables.ts'
import { ProjectionLoadError } from './port.ts'
import type { DeclaredSink } from './process-messages.ts'
import { thrownBy } from './thrown.ts'

/**
 * The projection that a file's default export is, or has as `projection`.
 * @throws ProjectionLoadError, with the line, if it cannot be loaded, or if it is another than was declared
 */
export async function loadProjection(
  module: string,
  declared: DeclaredCode | DeclaredSink,
): Promise<CodeProjection | SinkProjection> {
  const projection = projectionIn(await imported(module))
  if (projection === undefined)
    throw new ProjectionLoadError('the default export of the file is neither a view nor a projection')
  const found = projection.kind === 'code' ? declaredOf(projection) : declaredSink(projection)
  // As text: the order of columns counts too.
  if (JSON.stringify(found) !== JSON.stringify(declared))
    throw new ProjectionLoadError(
      `the file declares something else than was taken up: it has changed since, and its version (${found.version}) must then be raised`,
    )
  const missing = missingFunctions(projection)
  if (missing !== undefined) throw new ProjectionLoadError(missing)
  return projection
}

/** What is declared of a sink projection. */
export function declaredSink({ kind, name, version }: DeclaredSink): DeclaredSink {
  return { kind, name, version }
}

async function imported(module: string): Promise<unknown> {
  try {
    return await import(module)
  } catch (error) {
    throw new ProjectionLoadError(`the file cannot be loaded: ${thrownBy(error)}`, { cause: error })
  }
}

function projectionIn(module: unknown): CodeProjection | SinkProjection | undefined {
  const view = property(module, 'default')
  return [property(view, 'projection'), view].find(
    (one): one is CodeProjection | SinkProjection =>
      property(one, 'kind') === 'code' || property(one, 'kind') === 'sink',
  )
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

function missingFunctions(projection: CodeProjection | SinkProjection): string | undefined {
  if (typeof projection.project !== 'function') return 'the projection has no function project'
  if (projection.kind === 'sink')
    return typeof projection.open === 'function' ? undefined : 'the projection has no function open'
  const ofStates = ['keysOf', 'initial', 'fold'] as const
  const there = ofStates.filter((name) => projection[name] !== undefined)
  return there.length === 0 || there.length === ofStates.length
    ? undefined
    : `the projection has ${there.join(' and ')} without ${ofStates.filter((name) => !there.includes(name)).join(' and ')}: a state needs all three`
}
