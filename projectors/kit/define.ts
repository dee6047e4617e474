/** What an author's files export, typed. Nothing here does anything but hand back what it was given. */
import type { View } from '../../gateway/view.ts'
import type { CodeProjection, CodeTables, StateValue } from '../code-projection.ts'
import type { SqlProjection } from '../projection.ts'
import type { SinkProjection } from '../sink-projection.ts'

/** What `purser.config.ts` exports by default. */
export interface ProjectConfig {
  /** Views beside the built-in ones: as they are, or the files that export them, named from this one's folder. */
  readonly projections?: readonly (View | string)[]
}

/** `export default defineConfig({ projections: ['./daily-volume.ts'] })` */
export function defineConfig(config: ProjectConfig): ProjectConfig {
  return config
}

/** `export default defineView({ projection, addToSchema })`: what a file that holds a view exports. */
export function defineView(view: View): View {
  return view
}

/** A code projection whose rows and states are typed by its own tables and by what `initial` returns. */
export function codeProjection<const Tables extends CodeTables, State extends StateValue = null>(
  projection: Omit<CodeProjection<Tables, State>, 'kind'>,
): CodeProjection {
  return { kind: 'code', ...projection } as unknown as CodeProjection
}

/** An SQL projection that keeps the names of its tables as types. */
export function sqlProjection<const Projection extends Omit<SqlProjection, 'kind'>>(
  projection: Projection,
): Projection & { readonly kind: 'sql' } {
  return { kind: 'sql', ...projection }
}

/** A sink projection whose messages are typed by what `project` returns. */
export function sinkProjection<Message extends StateValue>(
  projection: Omit<SinkProjection<Message>, 'kind'>,
): SinkProjection {
  return { kind: 'sink', ...projection } as unknown as SinkProjection
}
