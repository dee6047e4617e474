/** A bare TCP server of Node's, in a process of its own: it reads messages of a known length, and answers each. */
import { createServer, type AddressInfo } from 'node:net'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { answerParent } from './child.ts'
import { MESSAGE_HEADER_BYTES, RESULT_BYTES } from './lanes.ts'
import { cpuBetween, RoleClock, type RoleCpu } from './role-cpu.ts'

export type EchoDialogue = {
  /** @returns the port */
  readonly listen: { readonly ask: { readonly batch: number }; readonly answer: number }
  readonly cpu: { readonly ask: object; readonly answer: RoleCpu }
}

const clock = new RoleClock()
const before = clock.now()

function listen(batch: number): Promise<number> {
  const messageBytes = MESSAGE_HEADER_BYTES + batch * COMMAND_SLOT_BYTES
  const answer = new Uint8Array(MESSAGE_HEADER_BYTES + batch * RESULT_BYTES)
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
