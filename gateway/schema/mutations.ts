/** Mutations, one per command. Inputs are made from the table of inputs; results are read from the log. */
import type { AccountStatus } from '../../projectors/views/balances/accounts.ts'
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import type { Command } from '../../schemas/commands.ts'
import { formatId } from '../../schemas/ids.ts'
import type { Position } from '../../schemas/positions.ts'
import type { Settled } from '../submit/command-batch.ts'
import { crossPartition, placedWithin } from '../submit/command-router.ts'
import { toCommand, type InputValues } from '../commands/commands.ts'
import { badInput } from '../errors.ts'
import { INPUT_FIELDS, LINKED_TRANSFERS_MAX, type ClientKind } from '../commands/inputs.ts'
import type { RefusalCode } from '../../schemas/refusals.ts'
import { positionOfOutcome, type Outcome } from '../outcomes/outcomes.ts'
import { prepareReversal } from '../commands/reversals.ts'
import type { Services } from '../services.ts'
import { positionAt } from '../positions/tokens.ts'
import type { AccountIdentity } from '../read/views.ts'
import { accountModel, type AccountModel } from './account.ts'
import type { Builder } from './builder.ts'
import type { SchemaKit } from './kit.ts'
import {
  crossingModel,
  readTransfer,
  refusedModel,
  transferModel,
  type RefusedModel,
  type TransferModel,
} from './transfers/model.ts'

interface TransferAppliedModel {
  readonly type: 'TransferApplied'
  readonly transfer: TransferModel
  readonly position: Position
  readonly replayed: boolean
}

interface AccountAppliedModel {
  readonly type: 'AccountApplied'
  readonly account: AccountModel
  readonly position: Position
  readonly replayed: boolean
}

interface LinkedAppliedModel {
  readonly type: 'LinkedTransfersApplied'
  readonly transfers: readonly TransferModel[]
  readonly position: Position
  readonly replayed: boolean
}

const POSITION_TEXT = 'Where the log has it. A read "after" it sees it.'
const REPLAYED_TEXT = 'True if this id had this outcome before this request: nothing happened twice.'

const STATUS_AFTER: Readonly<Partial<Record<PublicEvent['kind'], AccountStatus>>> = {
  AccountOpened: 'open',
  AccountFrozen: 'frozen',
  AccountUnfrozen: 'open',
  AccountClosed: 'closed',
}

async function accountResult(
  services: Services,
  command: Command,
  outcome: Outcome,
): Promise<AccountAppliedModel | RefusedModel> {
  if (outcome.refusal !== undefined) return refusedModel(outcome, outcome.refusal)
  const event = outcome.event()!
  const position = positionAt(outcome.at)
  if (event.kind === 'AccountChanged') {
    const point = await services.views.points.atSequence(outcome.at)
    const row = (await services.views.account(point, formatId(command.debit!)))!
    return {
      type: 'AccountApplied',
      account: accountModel(row, row.status, point),
      position,
      replayed: outcome.replayed,
    }
  }
  const identity = await identityAfter(services, command, event, outcome.replayed)
  return {
    type: 'AccountApplied',
    account: accountModel(identity, STATUS_AFTER[event.kind] ?? 'open', () =>
      services.views.points.atSequence(outcome.at),
    ),
    position,
    replayed: outcome.replayed,
  }
}

/**
 * The account of an account event. The event of an opening states it itself, so no wait for the views is necessary. A
 * repeated one may have been changed since.
 */
async function identityAfter(
  services: Services,
  command: Command,
  event: PublicEvent,
  isReplayed: boolean,
): Promise<AccountIdentity> {
  const key = { partition: event.partition, account: event.debit.account }
  if (event.kind !== 'AccountOpened' || isReplayed) return services.views.identityOf(key, event.sequence)
  const identity: AccountIdentity = {
    ...key,
    accountId: formatId(command.debit!),
    owner: event.owner,
    currency: event.currency,
    scale: event.scale,
    overdraftLimit: event.amount,
    limitVersion: event.debit.version,
    openedSequence: event.sequence,
    openedAtNs: event.recordedAtNs,
  }
  services.views.rememberIdentity(identity)
  return identity
}

/**
 * The result of a transfer's outcome. The command states the ids of its accounts, so no wait for the views is
 * necessary.
 */
async function transferResult(
  services: Services,
  command: Command,
  outcome: Outcome,
): Promise<TransferAppliedModel | RefusedModel> {
  if (outcome.refusal !== undefined) return refusedModel(outcome, outcome.refusal)
  return {
    type: 'TransferApplied',
    transfer: await transferOf(services, command, outcome),
    position: positionOfOutcome(outcome),
    replayed: outcome.replayed,
  }
}

async function transferOf(services: Services, command: Command, outcome: Outcome): Promise<TransferModel> {
  const event = outcome.event()!
  if (outcome.replayed) {
    const now = await readTransfer(services, event.transferId, positionOfOutcome(outcome))
    if (now !== undefined) return now
  }
  if (outcome.other !== undefined) return crossingModel(event)
  for (const side of ['debit', 'credit'] as const) {
    const id = command[side]
    const { account } = event[side]
    if (id !== undefined && account !== 0)
      services.views.rememberId({ partition: event.partition, account }, formatId(id))
  }
  return transferModel([event], [])!
}

const accountKinds = [
  'openAccount',
  'freezeAccount',
  'unfreezeAccount',
  'closeAccount',
  'changeAccount',
] as const
type MemberKind = (typeof transferKinds)[number] | 'reverseTransfer'

const transferKinds = ['transfer', 'placeHold', 'postHold', 'voidHold'] as const

const DESCRIPTIONS: Readonly<Record<ClientKind, string>> = {
  openAccount: 'Opens an account.',
  freezeAccount: 'Freezes an account: it moves nothing until it is unfrozen.',
  unfreezeAccount: 'Unfreezes an account.',
  closeAccount: 'Closes an account that is empty, for ever.',
  changeAccount: 'Changes the owner of an account, its overdraft limit, or both.',
  transfer: 'Moves money from one account to another.',
  placeHold: 'Reserves money, to be posted in all or part later, voided, or left to expire.',
  postHold: 'Posts a hold, in all or part; the rest is released, or stays held (`keepOpen`).',
  voidHold: 'Releases a hold.',
  reverseTransfer:
    'Moves back what a transfer moved, or a part of it, by a new transfer. Together at most the transfer.',
}

async function linkedResult(
  services: Services,
  asked: readonly Command[],
  path: string,
): Promise<LinkedAppliedModel | RefusedModel> {
  const prepared = await Promise.all(
    asked.map(async (command, index) => {
      const place = `${path}[${index}]`
      if (command.kind === 'ReverseTransfer') return prepareReversal(services, command, place)
      // A hold that is placed within the group is known to nobody yet.
      const isPlaced = placedWithin(asked, index) !== undefined
      return isPlaced ? { command, partition: undefined } : services.router.route(command, place)
    }),
  )
  const commands = prepared.map(({ command }) => command)
  const partitions = prepared.map(({ partition }, index) => partition ?? prepared[placedWithin(asked, index)!]!.partition) // prettier-ignore
  const elsewhere = partitions.findIndex(
    (partition, index) => partition !== partitions[0] || commands[index]!.across === true,
  )
  if (elsewhere >= 0 && commands.length > 1) throw crossPartition(`${path}[${elsewhere}]`, 'group')
  const settled = await services.submitter.all(commands, partitions[0]!)
  // The transfer that failed by itself has the reason; the others only say that one failed.
  const own = settled.findIndex((one) => refusalIn(one) !== undefined && refusalIn(one) !== 'linked_failed')
  const failed =
    own >= 0 ? own : settled.findIndex((one) => one instanceof Error || one.refusal !== undefined)
  const failure = settled[failed]
  if (failure instanceof Error) throw failure
  if (failure !== undefined) return refusedModel(failure, failure.refusal!, failed)
  const outcomes = settled as Outcome[]
  return {
    type: 'LinkedTransfersApplied',
    transfers: await Promise.all(
      outcomes.map((outcome, index) => transferOf(services, commands[index]!, outcome)),
    ),
    position: positionOfOutcome(outcomes.at(-1)!),
    replayed: outcomes.every(({ replayed }) => replayed),
  }
}

function refusalIn(settled: Settled): RefusalCode | undefined {
  return settled instanceof Error ? undefined : settled.refusal
}

/** The input type of a command, made from the table that bulk HTTP reads by. */
function inputOf(builder: Builder, kind: ClientKind) {
  const name = `${kind[0]!.toUpperCase()}${kind.slice(1)}Input`
  return builder.inputRef<InputValues>(name).implement({
    fields: (t) =>
      Object.fromEntries(
        Object.entries(INPUT_FIELDS[kind]).map(([field, { type, required, description }]) => [
          field,
          t.field({ type, required, description }),
        ]),
      ),
  })
}

export function addMutations({ builder, Account, Transfer, Refused }: SchemaKit): void {
  const TransferApplied = builder.objectRef<TransferAppliedModel>('TransferApplied').implement({
    description: 'It has happened, and it is durable.',
    isTypeOf: (value) => (value as Partial<TransferAppliedModel>).type === 'TransferApplied',
    fields: (t) => ({
      transfer: t.field({ type: Transfer, resolve: ({ transfer }) => transfer }),
      position: t.field({
        type: 'Position',
        description: POSITION_TEXT,
        resolve: ({ position }) => position,
      }),
      replayed: t.exposeBoolean('replayed', { description: REPLAYED_TEXT }),
    }),
  })

  const AccountApplied = builder.objectRef<AccountAppliedModel>('AccountApplied').implement({
    description: 'It has happened, and it is durable.',
    isTypeOf: (value) => (value as Partial<AccountAppliedModel>).type === 'AccountApplied',
    fields: (t) => ({
      account: t.field({ type: Account, resolve: ({ account }) => account }),
      position: t.field({
        type: 'Position',
        description: POSITION_TEXT,
        resolve: ({ position }) => position,
      }),
      replayed: t.exposeBoolean('replayed', { description: REPLAYED_TEXT }),
    }),
  })

  const LinkedTransfersApplied = builder.objectRef<LinkedAppliedModel>('LinkedTransfersApplied').implement({
    description: 'All of them have happened, and they are durable.',
    isTypeOf: (value) => (value as Partial<LinkedAppliedModel>).type === 'LinkedTransfersApplied',
    fields: (t) => ({
      transfers: t.field({ type: [Transfer], resolve: ({ transfers }) => [...transfers] }),
      position: t.field({
        type: 'Position',
        description: POSITION_TEXT,
        resolve: ({ position }) => position,
      }),
      replayed: t.exposeBoolean('replayed', { description: REPLAYED_TEXT }),
    }),
  })

  const TransferResult = builder.unionType('TransferResult', { types: [TransferApplied, Refused] })
  const AccountResult = builder.unionType('AccountResult', { types: [AccountApplied, Refused] })
  const LinkedTransfersResult = builder.unionType('LinkedTransfersResult', {
    types: [LinkedTransfersApplied, Refused],
  })

  for (const kind of accountKinds) {
    const Input = inputOf(builder, kind)
    builder.mutationField(kind, (t) =>
      t.field({
        type: AccountResult,
        description: DESCRIPTIONS[kind],
        args: { input: t.arg({ type: Input, required: true }) },
        resolve: async (_root, { input }, { services }) => {
          const command = toCommand(kind, input, 'input', services.commands)
          await services.scales.check(command, 'input')
          return accountResult(services, command, await services.submitter.one(command, 'input'))
        },
      }),
    )
  }

  const TransferInput = inputOf(builder, 'transfer')
  const memberInputs: Partial<Record<MemberKind, typeof TransferInput>> = {}
  for (const kind of transferKinds) {
    const Input = kind === 'transfer' ? TransferInput : inputOf(builder, kind)
    memberInputs[kind] = Input
    builder.mutationField(kind, (t) =>
      t.field({
        type: TransferResult,
        description: DESCRIPTIONS[kind],
        args: { input: t.arg({ type: Input, required: true }) },
        resolve: async (_root, { input }, { services }) => {
          const command = toCommand(kind, input, 'input', services.commands)
          return transferResult(services, command, await services.submitter.one(command, 'input'))
        },
      }),
    )
  }

  const ReverseInput = inputOf(builder, 'reverseTransfer')
  memberInputs.reverseTransfer = ReverseInput
  builder.mutationField('reverseTransfer', (t) =>
    t.field({
      type: TransferResult,
      description: DESCRIPTIONS.reverseTransfer,
      args: { input: t.arg({ type: ReverseInput, required: true }) },
      resolve: async (_root, { input }, { services }) => {
        const asked = toCommand('reverseTransfer', input, 'input', services.commands)
        const prepared = await prepareReversal(services, asked, 'input')
        const [settled] = await services.submitter.all([prepared.command], prepared.partition)
        if (settled instanceof Error) throw settled
        return transferResult(services, prepared.command, settled!)
      },
    }),
  )

  const LinkedInput = builder.inputType('LinkedTransfersInput', {
    fields: (t) => ({
      transfers: t.field({
        type: [TransferInput],
        required: true,
        description: `1 to ${LINKED_TRANSFERS_MAX}, in order. Each may use what those before it have moved.`,
      }),
    }),
  })

  builder.mutationField('linkedTransfers', (t) =>
    t.field({
      type: LinkedTransfersResult,
      description: 'Several transfers of which all happen or none.',
      args: { input: t.arg({ type: LinkedInput, required: true }) },
      resolve: async (_root, { input }, { services }) => {
        const count = input.transfers.length
        if (count < 1 || count > LINKED_TRANSFERS_MAX)
          throw badInput(
            'input.transfers',
            `A linked group has 1 to ${LINKED_TRANSFERS_MAX} transfers, not ${count}.`,
          )
        const commands = (input.transfers as readonly InputValues[]).map((values, index) => ({
          ...toCommand('transfer', values, `input.transfers[${index}]`, services.commands),
          linked: index < count - 1,
        }))
        return linkedResult(services, commands, 'input.transfers')
      },
    }),
  )

  const LinkedCommandInput = builder.inputType('LinkedCommandInput', {
    isOneOf: true,
    description: 'One member of a linked group: exactly one of these.',
    fields: (t) => ({
      transfer: t.field({ type: memberInputs.transfer! }),
      placeHold: t.field({ type: memberInputs.placeHold! }),
      postHold: t.field({ type: memberInputs.postHold! }),
      voidHold: t.field({ type: memberInputs.voidHold! }),
      reverseTransfer: t.field({ type: memberInputs.reverseTransfer! }),
    }),
  })

  const LinkedCommandsInput = builder.inputType('LinkedCommandsInput', {
    fields: (t) => ({
      commands: t.field({
        type: [LinkedCommandInput],
        required: true,
        description: `1 to ${LINKED_TRANSFERS_MAX}, in order. Each may use what those before it have moved, held or released.`,
      }),
    }),
  })

  builder.mutationField('linkedCommands', (t) =>
    t.field({
      type: LinkedTransfersResult,
      description: 'Transfers, holds, their ends and reversals of which all happen or none.',
      args: { input: t.arg({ type: LinkedCommandsInput, required: true }) },
      resolve: async (_root, { input }, { services }) => {
        const members = input.commands as readonly Readonly<Partial<Record<MemberKind, InputValues>>>[]
        const count = members.length
        if (count < 1 || count > LINKED_TRANSFERS_MAX)
          throw badInput(
            'input.commands',
            `A linked group has 1 to ${LINKED_TRANSFERS_MAX} commands, not ${count}.`,
          )
        const commands = members.map((member, index) => {
          const [kind, values] = Object.entries(member).find(([, given]) => given !== null) as [
            MemberKind,
            InputValues,
          ]
          const path = `input.commands[${index}].${kind}`
          return { ...toCommand(kind, values, path, services.commands), linked: index < count - 1 }
        })
        return linkedResult(services, commands, 'input.commands')
      },
    }),
  )
}
