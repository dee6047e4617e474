/** What the proxy of the fault suites promises: suites rest on it. */
import net from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startSwitchedProxy, type SwitchedProxy } from './switched-proxy.ts'

let target: net.Server
let arrived: string
let proxy: SwitchedProxy
const open: net.Socket[] = []

beforeEach(async () => {
  arrived = ''
  target = net.createServer((socket) => {
    open.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      arrived += bytes.toString()
      socket.write(`<${bytes.toString()}>`)
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  proxy = await startSwitchedProxy((target.address() as net.AddressInfo).port)
})

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy()
  await proxy.close()
  target.close()
})

function connect(): { socket: net.Socket; answered: () => string } {
  let answer = ''
  const socket = net.connect(proxy.port, '127.0.0.1')
  open.push(socket)
  socket.on('error', () => undefined)
  socket.on('data', (bytes) => (answer += bytes.toString()))
  return { socket, answered: () => answer }
}

test('it passes on what it is given, both ways, and the end', async () => {
  const { socket, answered } = connect()
  socket.write('a')
  await expect.poll(answered).toBe('<a>')
  socket.end()
  await expect.poll(() => proxy.connections()).toBe(0)
})

test('what it holds arrives later, also from a client that has gone since', async () => {
  const { socket, answered } = connect()
  socket.write('a')
  await expect.poll(answered).toBe('<a>')
  proxy.hold()
  socket.write('late')
  await new Promise((resolve) => setTimeout(resolve, 50))
  socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(arrived).toBe('a')
  proxy.flow()
  await expect.poll(() => arrived).toBe('alate')
})

test('what it holds one way alone still comes the other way', async () => {
  const { socket, answered } = connect()
  await expect.poll(() => open.length).toBe(2)
  proxy.hold('there')
  socket.write('a')
  open[1]!.write('back')
  await expect.poll(answered).toBe('back')
  expect(arrived).toBe('')
  proxy.flow()
  await expect.poll(answered).toBe('back<a>')
})

test('what it delays comes no earlier, and in order', async () => {
  proxy.delay(80)
  const startedMs = performance.now()
  const { socket, answered } = connect()
  socket.write('a')
  socket.write('b')
  await expect.poll(answered).toMatch(/b>$/)
  expect(arrived).toBe('ab')
  expect(performance.now() - startedMs).toBeGreaterThan(159)
})

test('what it cuts is cut for both, and a refused connection never opens for long', async () => {
  const { socket } = connect()
  await expect.poll(() => proxy.connections()).toBe(1)
  proxy.cut()
  await expect.poll(() => socket.destroyed).toBe(true)
  proxy.refuse()
  const other = connect()
  await expect.poll(() => other.socket.destroyed).toBe(true)
  proxy.accept()
  const last = connect()
  last.socket.write('x')
  await expect.poll(last.answered).toBe('<x>')
})
