/** Which platform a command talks to: one by its address, the one that runs on a data folder, or one of the command's own. */
import path from 'node:path'
import { readFolderOwner } from '../eventlog/file/lock.ts'
import { readConfig } from '../platform/configuration/config.ts'
import { CommandFailure } from './output/failure.ts'
import type { Output } from './output/output.ts'
import { requirePlatform } from './reach.ts'
import type { Platform } from '../platform/embedded-platform.ts'
import { viewsOf } from './views.ts'
import type { Flags } from '../platform/configuration/setting-texts.ts'

export interface TargetFlags extends Flags {
  readonly url?: string
}

export interface Target {
  readonly url: string
  /** The platform, if it was started for this command alone. */
  readonly own: Platform | undefined
  /** Stops the platform if it is the command's own. */
  close(): Promise<void>
}

/**
 * Finds the platform that runs, or starts one on the folder for as long as the command lasts, on a free port of loopback.
 * @throws CommandFailure, and whatever `startPlatform` throws
 */
export async function openTarget(flags: TargetFlags, output: Output): Promise<Target> {
  const running = findRunning(flags)
  if (running !== undefined) {
    await requirePlatform(running)
    return { url: running, own: undefined, close: () => Promise.resolve() }
  }
  const config = readConfig(flags)
  const { startPlatform } = await import('../platform/embedded-platform.ts')
  const views = await viewsOf(flags)
  const own = await startPlatform({ ...config, views, host: '127.0.0.1', port: 0, graphiql: false, log: (line) => output.log(line) })
  return { url: own.url, own, close: () => own.stop() }
} // prettier-ignore

/**
 * The address of a platform that runs: as given, or as told by the owner of the data folder. Undefined if none does.
 * @throws CommandFailure if the address is none, or the owner of the folder serves nothing yet
 */
export function findRunning(flags: TargetFlags): string | undefined {
  if (flags.url !== undefined) {
    if (!URL.canParse(flags.url) || !/^https?:$/.test(new URL(flags.url).protocol))
      throw new CommandFailure('usage', `--url: expected an address such as http://127.0.0.1:4000, got "${flags.url}".`)
    return new URL(flags.url).origin
  }
  const { dataDir } = readConfig(flags)
  const owner = readFolderOwner(path.resolve(dataDir))
  if (owner === undefined) return undefined
  if (owner.url === undefined)
    throw new CommandFailure(
      'folder_in_use',
      `The data folder ${dataDir} is in use by process ${owner.pid}, which does not serve yet. Wait until it does, or stop it.`,
    )
  return owner.url
} // prettier-ignore

/**
 * As `findRunning`, for commands that only ask.
 * @throws CommandFailure `not_running` if none runs; `platform_unavailable` if it does not answer
 */
export async function requireRunning(flags: TargetFlags): Promise<string> {
  const url = findRunning(flags)
  if (url === undefined)
    throw new CommandFailure(
      'not_running',
      'No platform runs on this data folder. Start one, or name it with --url.',
    )
  await requirePlatform(url)
  return url
}
