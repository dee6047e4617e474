/** The client of `commit`, a process of its own: it opens connections and sends loads through them. */
import { answerParent } from './child.ts'
import { bulkLane, echoLane, type Lane } from './lanes.ts'
import { sendLoad, type Load, type LoadResult } from './load.ts'
import { SerialSet } from './serial-set.ts'

export interface ClientLoad extends Load {
  readonly kind: 'bulk' | 'echo'
  readonly port: number
  readonly connections: number
}

export interface ClientResult extends LoadResult {
  readonly cpuSeconds: number
}

export type ClientDialogue = {
  readonly load: { readonly ask: ClientLoad; readonly answer: ClientResult }
  /** The serials of all commands that were acknowledged. */
  readonly acknowledged: { readonly ask: object; readonly answer: Uint8Array }
}

const acknowledged = new SerialSet()

async function load(ask: ClientLoad): Promise<ClientResult> {
  const lanes: Lane[] = []
  try {
    for (let connection = 0; connection < ask.connections; connection++)
      lanes.push(ask.kind === 'echo' ? await echoLane(ask.port) : await bulkLane(ask.port))
    const before = process.cpuUsage()
    const result = await sendLoad(lanes, ask, ask.kind === 'echo' ? undefined : acknowledged)
    const { user, system } = process.cpuUsage(before)
    return { ...result, cpuSeconds: (user + system) / 1e6 }
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()))
  }
}

answerParent<ClientDialogue>({ load, acknowledged: () => acknowledged.toBytes() })
