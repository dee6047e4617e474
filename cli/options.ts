/** Options that several commands share, made from the one table of settings. */
import { Option, type Command } from 'commander'
import type { Flags } from '../platform/configuration/setting-texts.ts'
import { SETTINGS, type Setting, type SettingName } from '../platform/configuration/settings.ts'

/** Adds settings as options. Defaults stay with the configuration, so that a variable can stand in for a flag. */
export function addSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const { flag, meaning, fallback, variable, value, kind }: Setting = SETTINGS[name]
    const shown = fallback === '' ? variable : `${variable}; default ${fallback}`
    const option = new Option(`${flag} <${value}>`, `${meaning.replaceAll('`', '')} (${shown})`)
    if (kind === 'list')
      option.argParser((one: string, before: readonly string[] | undefined) => [...(before ?? []), one])
    command.addOption(option)
  }
  return command
}

/** Every command has this one. */
export function addJson(command: Command): Command {
  return command.option('--json', 'print one JSON object on standard output and nothing else there')
}

/** What a command's options are, whichever it has. */
export type GivenOptions = Flags & {
  readonly json?: boolean
  readonly url?: string
  readonly for?: string
}
