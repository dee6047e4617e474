/** A bare TCP server of Node's, in a process of its own: it reads messages of a known length, and answers each. */
import { createServer, type AddressInfo } from 'node:net'
import { LANE_RESULT_BYTES } from '../schemas/lane-results.ts'
import { LANE_HEADER_BYTES } from '../schemas/lane.ts'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { answerParent } from './child.ts'
import { cpuBetween, RoleClock, type RoleCpu } from './role-cpu.ts'

export type EchoDialogue = {
  /** @returns the port */
  readonly listen: { readonly ask: { readonly batch: number }; readonly answer: number }
  readonly cpu: { readonly ask: object; readonly answer: RoleCpu }
}

const clock = new RoleClock()
const before = clock.now()

function listen(batch: number): Promise<number> {
  const messageBytes = LANE_HEADER_BYTES + batch * COMMAND_SLOT_BYTES
  const answer = new Uint8Array(LANE_HEADER_BYTES + batch * LANE_RESULT_BYTES)
  const server = createServer({ noDelay: true }, (socket) => {
    let received = 0
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      for (received += chunk.length; received >= messageBytes; received -= messageBytes) socket.write(answer)
    })
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

answerParent<EchoDialogue>({
  listen: ({ batch }) => listen(batch),
  cpu: () => cpuBetween(before, clock.now()),
})
