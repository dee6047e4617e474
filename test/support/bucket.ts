/** A bucket of S3 on this machine, and a store that takes every connection and never answers. */
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'

/** The part of s3rver that is used here: it has no types of its own, and is an application of koa. */
type S3rver = new (options: object) => {
  readonly middleware: ((context: { req: IncomingMessage }, next: () => Promise<void>) => Promise<void>)[]
  run(): Promise<AddressInfo>
  close(): Promise<void>
}

/** Who may use the bucket. */
export const BUCKET_CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
export const BUCKET = 'snapshots'

export interface TestStore {
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves an empty bucket named BUCKET. It writes one object after the other, because s3rver writes into the file that it
 * shows: of two objects of one name at once it would keep a mixture, where S3 keeps one of them whole.
 */
export async function startBucket(): Promise<TestStore> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'purser-s3-'))
  const Server = createRequire(import.meta.url)('s3rver') as S3rver
  const server = new Server({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: folder,
    configureBuckets: [{ name: BUCKET }],
  })
  let written: Promise<void> = Promise.resolve()
  server.middleware.unshift((context, next) => {
    if (!writesObject(context.req)) return next()
    const answered = written.then(next)
    written = answered.catch(() => undefined)
    return answered
  })
  const { port } = await server.run()
  return {
    port,
    close: async () => {
      await server.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** A part of an upload is no object yet: its last request makes it one. */
function writesObject({ method, url = '' }: IncomingMessage): boolean {
  const isPart = new URL(url, 'http://store').searchParams.has('uploadId')
  return method === (isPart ? 'POST' : 'PUT')
}

export async function startSilentStore(): Promise<TestStore> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
