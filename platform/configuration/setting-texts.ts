/** Turns what was given on the command line and in the environment into values, and gathers every fault on the way. */
import { readFileSync } from 'node:fs'
import { messageOf } from '../../schemas/errors.ts'
import { PlatformError } from '../errors.ts'
import { SETTING_VALUES, type SettingValues } from './setting-values.ts'
import { SETTINGS, type Setting, type SettingName } from './settings.ts'

/** What the command line gave, by setting. */
export type Flags = Partial<Readonly<Record<SettingName, string | readonly string[]>>>
export type Environment = Readonly<Record<string, string | undefined>>

/** One thing that is wrong, by the name under which it was given. */
export interface SettingFault {
  readonly setting: string
  readonly problem: string
}

const FILE_BYTES_MAX = 1024 * 1024

/** The settings of one command. Faults of single settings and of their combination are thrown together, by `values`. */
export class SettingTexts<Name extends SettingName> {
  readonly #names: readonly Name[]
  readonly #flags: Flags
  readonly #environment: Environment
  readonly #combined: SettingFault[] = []

  constructor(names: readonly Name[], flags: Flags, environment: Environment) {
    this.#names = names
    this.#flags = flags
    this.#environment = environment
  }

  /** True if the user gave the setting, whatever it is. An empty variable is none. */
  has(name: Name): boolean {
    return this.#source(name) !== undefined
  }

  /** True if a setting of `true` or `false` was given as true. */
  isOn(name: Name): boolean {
    return this.#text(name) === 'true'
  }

  /** Says that a setting does not go with the others. */
  wrong(name: Name, problem: string): void {
    this.#combined.push({ setting: this.#source(name) ?? SETTINGS[name].variable, problem })
  }

  /** The values of all settings that have no fault of their own: for looking whether they go together. */
  valid(): Partial<Pick<SettingValues, Name>> {
    return this.#parse().values
  }

  /**
   * Every setting's value.
   * @throws PlatformError `usage` that lists every fault
   */
  values(): Pick<SettingValues, Name> {
    const { values, faults } = this.#parse()
    const all = [...faults, ...this.#combined]
    if (all.length > 0 || !this.#isWhole(values)) throw configFailure(all)
    return values
  }

  #parse(): {
    readonly values: Partial<Pick<SettingValues, Name>>
    readonly faults: readonly SettingFault[]
  } {
    const faults: SettingFault[] = []
    const values: Partial<Record<SettingName, unknown>> = {}
    for (const name of this.#names) {
      const setting = this.#source(name) ?? SETTINGS[name].variable
      const text = this.#text(name)
      if (isProblem(text)) {
        faults.push({ setting, problem: text.problem })
        continue
      }
      const parsed = SETTING_VALUES[name].safeParse(text)
      if (parsed.success) values[name] = parsed.data
      else faults.push(...parsed.error.issues.map(({ message }) => ({ setting, problem: message })))
    }
    return { values: values as Partial<Pick<SettingValues, Name>>, faults }
  }

  #isWhole(values: Partial<Pick<SettingValues, Name>>): values is Pick<SettingValues, Name> {
    return this.#names.every((name) => name in values)
  }

  /** The flag or variable under which the setting was given. */
  #source(name: Name): string | undefined {
    const { flag, variable, secretVariable }: Setting = SETTINGS[name]
    if (this.#flags[name] !== undefined) return flag
    return [variable, secretVariable].find(
      (one) => one !== undefined && (this.#environment[one] ?? '') !== '',
    )
  }

  #text(name: Name): Text {
    const setting: Setting = SETTINGS[name]
    const source = this.#source(name)
    const given = this.#flags[name] ?? (source === undefined ? undefined : this.#environment[source])
    if (setting.kind === 'list') return listOf(given ?? setting.fallback)
    const text = given === undefined ? setting.fallback : String(given)
    if (setting.kind !== 'file' || source === undefined || source === setting.secretVariable) return text
    return contentOf(text, setting.secretVariable !== undefined)
  }
}

type Text = string | readonly string[] | { readonly problem: string }

function isProblem(text: Text): text is { readonly problem: string } {
  return typeof text === 'object' && 'problem' in text
}

function listOf(given: string | readonly string[]): readonly string[] {
  const texts = typeof given === 'string' ? given.split(',') : given.flatMap((text) => text.split(','))
  return texts.map((text) => text.trim()).filter((text) => text !== '')
}

/** @param isSecret cuts the line end that an editor or `echo` leaves behind a password */
function contentOf(file: string, isSecret: boolean): string | { readonly problem: string } {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return { problem: `cannot be read: ${messageOf(error)}` }
  }
  if (text.length > FILE_BYTES_MAX) return { problem: `${file} is larger than such a file can be` }
  const content = isSecret ? text.replace(/\r?\n$/, '') : text
  return content === '' ? { problem: `${file} is empty` } : content
}

function configFailure(faults: readonly SettingFault[]): PlatformError {
  const lines = faults.map(({ setting, problem }) => `  ${setting}: ${problem}`)
  return new PlatformError(
    'usage',
    `The configuration is wrong:\n${lines.join('\n')}\nCorrect it and start again.`,
    { faults },
  )
}
