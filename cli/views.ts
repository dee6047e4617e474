/** The views of the deployment that a command works for: the built-in ones, and those from outside that it was told of. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { View } from '../gateway/view.ts'
import { readViewSources } from '../platform/configuration/config.ts'
import type { Flags } from '../platform/configuration/setting-texts.ts'
import { BUILT_IN_VIEWS } from '../projectors/views/built-in.ts'

/** Settings of every command that takes views. */
export const VIEW_SETTINGS = ['projection', 'config'] as const

/**
 * Loads them: `purser.config.ts` of the working directory, or `--config`, and every `--projection`.
 * @throws ProjectionUnfitError; PlatformError `usage`
 */
export async function viewsOf(flags: Flags): Promise<readonly View[]> {
  const sources = readViewSources(flags)
  const { loadViews, findConfig } = await import('../platform/projections/load.ts')
  const request = { folder: process.cwd(), ...sources }
  // Most deployments have none, and the builder costs a start a quarter of a second.
  if (findConfig(request) === undefined && sources.files.length === 0) return BUILT_IN_VIEWS
  const loaded = await loadViews({ ...request, modules: modulesFolder() })
  return [...BUILT_IN_VIEWS, ...loaded.map(({ view }) => view)]
}

/** A folder for built modules that lasts as long as this process: its threads load them again. */
export function modulesFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-projections-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
