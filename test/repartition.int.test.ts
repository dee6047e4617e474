/** `purser repartition` as an operator runs it: killed in the middle, run again, and the views of both folders agree account by account. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { graphql } from '../cli/graphql-client.ts'
import { nodeDisk } from '../eventlog/disk/disk.ts'
import { openLog } from '../eventlog/file/recovery/open-log.ts'
import { seal } from '../eventlog/handoff/seal.ts'
import type { Command } from '../schemas/commands.ts'
import { decodeEvents } from '../schemas/events.ts'
import { formatId, parseId } from '../schemas/ids.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { Harness, accountIdOf, idOf } from '../writer/core/harness.testing.ts'
import { newId } from './support/load.ts'
import { onlyJson, purser, spawnPurser, startServer, withFolder } from './support/purser.ts'

const PARTITIONS = 3
/** So many transfers that a kill finds the new logs half made. */
const TRANSFERS = 60_000
const ids = Array.from({ length: 200 }, (_, index) => accountIdOf(index + 1))
const inPartition = (partition: number): string[] => ids.filter((id) => partitionOf(id, PARTITIONS) === partition).map(formatId) // prettier-ignore
/** The bank and its neighbour live together in the new folder, the others apart from them. */
const [bank, near] = inPartition(0) as [string, string]
const [far] = inPartition(1) as [string]
const [late] = inPartition(2) as [string]
const ACCOUNTS = [bank, near, far, late]

const RESULT = `__typename ... on TransferApplied { replayed transfer { id state debitAccountId creditAccountId amount { minor } } } ... on Refused { code replayed }`
const MUTATIONS = {
  transfer: 'TransferInput',
  placeHold: 'PlaceHoldInput',
  postHold: 'PostHoldInput',
  voidHold: 'VoidHoldInput',
  reverseTransfer: 'ReverseTransferInput',
} as const
type Mutation = keyof typeof MUTATIONS

const ACCOUNT = `query($id: UUID!, $after: Cursor) {
  account(id: $id) {
    owner status currency overdraftLimit { minor }
    balance { balance { minor } held { minor } available { minor } debitsPosted { minor } debitsPending { minor } creditsPosted { minor } creditsPending { minor } version }
  }
  history(accountId: $id, last: 40, before: $after) {
    nodes { direction amount { minor } transferId relatedId memo code recordedAt effectiveAt counterpartyAccountId version balance { balance { minor } held { minor } } }
  }
}`
const TRIAL = `{ trialBalance { currency sum { minor } inTransit { minor } } }`
const TRANSFER = `query($id: UUID!) { transfer(id: $id) { state kind debitAccountId creditAccountId debitBalance { balance { minor } } creditBalance { balance { minor } } } }`

/** A log of one partition with many transfers, as a writer wrote it. */
function makeLog(dir: string): void {
  const harness = new Harness({ partition: 0 }, 3 * 1024 * 1024)
  const id = (number: number) => idOf(number)
  const debit = (text: string) => parseId(text)!
  harness.submit([
    { kind: 'OpenAccount', id: id(1), debit: debit(bank), system: true, currency: 'EUR', scale: 2, owner: 'the bank' },
    ...[near, far, late].map((account, index): Command => ({ kind: 'OpenAccount', id: id(2 + index), debit: debit(account), amount: 0n, currency: 'EUR', scale: 2, owner: `customer ${index}` })),
  ])
  const others = [near, far, late].map(debit)
  // The accounts for money in transit are opened in the new logs by the first of them, whose times are moved on by that.
  harness.submit(others.map((credit, index): Command => ({ kind: 'Transfer', id: id(50 + index), debit: debit(bank), credit, amount: 1n })))
  harness.nowNs += 1_000_000n
  for (let done = 0; done < TRANSFERS; done += 6_000)
    harness.submit(Array.from({ length: 6_000 }, (_, index): Command => ({ kind: 'Transfer', id: id(100 + done + index), debit: debit(bank), credit: others[index % 3]!, amount: 1n })))
  const { appender } = openLog(nodeDisk, dir, { partition: 0 })
  for (const payload of [new Uint8Array(0), ...harness.payloads.filter(({ length }) => length > 0)]) {
    const head = appender.head()
    const content = { schemaVersion: 1, epoch: 1n, timeNs: harness.nowNs, nextCommandOffset: 0n, nextCommandIndex: 0, payload }
    appender.append(seal({ ...content, firstSequence: head.sequence + 1n, count: decodeEvents(payload).length }, head, appender.durable().sequence))
  }
  appender.sync()
  appender.close()
} // prettier-ignore

async function send(url: string, mutation: Mutation, input: object): Promise<Record<string, unknown>> {
  const text = `mutation($input: ${MUTATIONS[mutation]}!) { result: ${mutation}(input: $input) { ${RESULT} } }`
  return (await graphql<{ result: Record<string, unknown> }>(url, text, { input })).result
}

async function viewsOf(url: string): Promise<unknown[]> {
  const accounts = []
  for (const id of ACCOUNTS) accounts.push(await graphql(url, ACCOUNT, { id }))
  return [...accounts, await graphql(url, TRIAL)]
}

/** Every file under a folder, by its name. */
function filesIn(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return new Map(names.map(({ parentPath, name }) => [path.relative(folder, path.join(parentPath, name)), readFileSync(path.join(parentPath, name)).toString('base64')] as const).sort()) // prettier-ignore
}

test('killed and run again it comes to the same bytes, and the views of both folders agree account by account', async () => {
  await withFolder(async (folder) => {
    const [old, fresh, other] = ['old', 'new', 'other'].map((name) => path.join(folder, name)) as [string, string, string] // prettier-ignore
    makeLog(old)
    const before = await startServer(old)
    const sent: (readonly [Mutation, object])[] = []
    const answers: Record<string, unknown>[] = []
    const act = async (mutation: Mutation, input: object): Promise<string> => {
      const id = newId()
      sent.push([mutation, { id, ...input }])
      answers.push(await send(before.url, mutation, { id, ...input }))
      return id
    }
    const money = (debitAccountId: string, creditAccountId: string, amount: string) => ({ debitAccountId, creditAccountId, amount, currency: 'EUR' }) // prettier-ignore
    const within = await act('transfer', { ...money(near, bank, '11'), memo: 'kept together' })
    const apart = await act('transfer', { ...money(far, late, '13'), memo: 'split' })
    const hold = await act('placeHold', money(far, near, '17'))
    await act('postHold', { holdId: hold, amount: '6', keepOpen: true })
    await act('postHold', { holdId: hold })
    const voided = await act('placeHold', money(late, far, '19'))
    await act('voidHold', { holdId: voided })
    const open = await act('placeHold', { ...money(near, bank, '23'), timeoutSeconds: 86_400 })
    await act('reverseTransfer', { transferId: within, amount: '4' })
    await act('reverseTransfer', { transferId: apart, amount: '5' })
    await act('transfer', money(far, late, '99999999'))
    await act('voidHold', { holdId: voided })
    await graphql(before.url, `mutation($input: ChangeAccountInput!) { changeAccount(input: $input) { __typename } }`, { input: { accountId: late, owner: 'somebody else', overdraftLimit: '500' } }) // prettier-ignore
    await graphql(before.url, `mutation($input: FreezeAccountInput!) { freezeAccount(input: $input) { __typename } }`, { input: { accountId: far } }) // prettier-ignore
    expect(answers.map(({ code }) => code).filter(Boolean)).toEqual(['insufficient_funds', 'hold_not_open'])
    const views = await viewsOf(before.url)
    await before.stop()

    const refused = onlyJson((await purser('start', '--data', old, '--partitions', '3', '--json')).stdout)
    expect(refused).toMatchObject({
      ok: false,
      error: {
        code: 'partitions_differ',
        message: expect.stringContaining('purser repartition') as string,
      },
    })

    const oldBytes = filesIn(path.join(old, 'log'))
    const args = (to: string) => ['repartition', '--from', old, '--to', to, '--partitions', '3', '--json']
    let killed = 0
    for (let round = 0; round < 3; round++) {
      const running = spawnPurser(args(fresh))
      for (let isOver = false; !isOver && !existsSync(path.join(fresh, 'repartition', 'log', '2'));) {
        isOver = running.child.exitCode !== null
        await setTimeout(2)
      }
      await setTimeout(round * 60)
      running.child.kill('SIGKILL')
      await running.finished
      if (!existsSync(path.join(fresh, 'repartition', 'log', '2'))) continue
      killed += 1
      const early = onlyJson((await purser('start', '--data', fresh, '--json')).stdout)
      expect(early).toMatchObject({ error: { code: 'folder_unusable', message: expect.stringContaining('Run the same command again') as string } }) // prettier-ignore
    }
    expect(killed).toBeGreaterThan(0)
    const { stdout, exitCode } = await purser(...args(fresh))
    const made = onlyJson(stdout)
    expect({ exitCode, made }).toMatchObject({
      exitCode: 0,
      made: { ok: true, accounts: 4, holdsOpen: 1, leftOut: 0 },
    })
    expect(String(made['position'])).toMatch(/^0:\d+,1:\d+,2:\d+$/)
    expect(String(made['oldPosition'])).toMatch(/^0:\d+$/)
    await purser(...args(other))
    expect(filesIn(path.join(other, 'log'))).toEqual(filesIn(path.join(fresh, 'log')))
    // Done is done, and nobody's folder is written over.
    const again = onlyJson((await purser(...args(fresh))).stdout)
    expect({ ...again, seconds: 0 }).toEqual({ ...made, seconds: 0 })
    const foreign = path.join(folder, 'foreign')
    mkdirSync(foreign)
    writeFileSync(path.join(foreign, 'letters.txt'), 'dear')
    expect(onlyJson((await purser(...args(foreign))).stdout)).toMatchObject({ ok: false, refusal: 'folder_not_empty', error: { code: 'repartition_refused' } }) // prettier-ignore
    expect(filesIn(path.join(old, 'log'))).toEqual(oldBytes)

    const after = await startServer(fresh)
    expect(await viewsOf(after.url)).toEqual(views)
    for (const [index, [mutation, input]] of sent.entries()) {
      const answer = answers[index]!
      expect(await send(after.url, mutation, input)).toEqual({ ...answer, replayed: true, ...(answer['transfer'] === undefined ? {} : { transfer: expect.objectContaining(partOf(answer['transfer'] as object)) as object }) }) // prettier-ignore
    }
    const { transfer } = await graphql<{ transfer: object }>(after.url, TRANSFER, { id: apart })
    expect(transfer).toMatchObject({ kind: 'TRANSFER', debitAccountId: far, creditAccountId: late, creditBalance: { balance: { minor: expect.any(String) as string } } }) // prettier-ignore
    // What was reversed in part can be reversed further where its accounts live together, and not where they do not.
    const rest = await send(after.url, 'reverseTransfer', { id: newId(), transferId: within, amount: '8' })
    expect(rest).toMatchObject({ code: 'amount_exceeds_transfer' })
    expect(await send(after.url, 'reverseTransfer', { id: newId(), transferId: within, amount: '7' })).toMatchObject({ __typename: 'TransferApplied' }) // prettier-ignore
    await expect(send(after.url, 'reverseTransfer', { id: newId(), transferId: apart })).rejects.toThrow(/live in different partitions|from one partition/) // prettier-ignore
    expect(await send(after.url, 'postHold', { id: newId(), holdId: open })).toMatchObject({ transfer: { amount: { minor: '23' } } }) // prettier-ignore
    expect(await send(after.url, 'transfer', { id: newId(), ...money(near, late, '3') })).toMatchObject({ transfer: { state: 'POSTED' } }) // prettier-ignore
    await after.stop()
    const audit = await purser('audit', '--data', fresh, '--json')
    expect({ exitCode: audit.exitCode, answer: onlyJson(audit.stdout) }).toMatchObject({ exitCode: 0, answer: { ok: true } }) // prettier-ignore
  })
})

/** A transfer as it was answered then: a hold may have ended since, and a transfer may have been reversed. */
function partOf(transfer: object): object {
  const { state: _, ...same } = transfer as { readonly state: string }
  return same
}
