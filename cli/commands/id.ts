/** `purser id`: the id that a name of another system has here, or a fresh one. */
import { newId } from '../../client/new-id.ts'
import { formatId } from '../../schemas/ids.ts'
import { accountIdOf, EXTERNAL_NAME_WANTED, isExternalName, referenceIdOf } from '../external-ids.ts'
import { CommandFailure } from '../output/failure.ts'
import { addJson, type GivenOptions } from '../options.ts'
import type { AddCommand } from './command.ts'

export const addId: AddCommand = (program, run) => {
  const group = program.command('id').description('print ids: derived from names of other systems, or new')
  const derived = {
    account: ['the id of the account that another system calls NAME', accountIdOf],
    reference: ['the reference that another system calls NAME', referenceIdOf],
  } as const
  for (const [kind, [description, derive]] of Object.entries(derived)) {
    const command = group.command(`${kind} <NAME>`).description(description)
    addJson(command).action((name: string, options: GivenOptions) =>
      run(options, async (output) => {
        if (!isExternalName(name))
          throw new CommandFailure('usage', `NAME: expected ${EXTERNAL_NAME_WANTED}.`)
        const id = derive(name)
        output.answer({ ok: true, kind, name, id }, id)
      }),
    )
  }
  const command = group.command('new').description('a fresh id for a command: a UUIDv7 of now')
  addJson(command).action((options: GivenOptions) =>
    run(options, async (output) => {
      const id = formatId(newId())
      output.answer({ ok: true, kind: 'new', id }, id)
    }),
  )
}
