import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { BUCKET, BUCKET_CREDENTIALS, startBucket, type TestStore } from '../../test/support/bucket.ts'
import { describeSnapshotStore } from './contract.ts'
import { openS3Store, type S3StoreOptions } from './s3-store.ts'
import { SnapshotStoreError, type SnapshotStore } from './snapshot-store.ts'

const MiB = 1024 * 1024
const credentials = BUCKET_CREDENTIALS
let folder: string
let bucket: TestStore
let stores = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'purser-s3-'))
  bucket = await startBucket()
})
afterAll(async () => {
  await bucket.close()
  await rm(folder, { recursive: true })
})

function optionsFor(port: number): S3StoreOptions {
  const endpoint = `http://127.0.0.1:${port}`
  return { bucket: BUCKET, prefix: `purser/${stores}`, region: 'eu-central-1', endpoint, pathStyle: true, credentials, pieceBytes: 5 * MiB } // prettier-ignore
}

describeSnapshotStore('a bucket', async () => {
  stores++
  const options = optionsFor(bucket.port)
  const { region, endpoint } = options
  return {
    store: openS3Store(options),
    strange: async (name) => {
      const client = new S3Client({ region: region!, endpoint: endpoint!, forcePathStyle: true, credentials })
      await client.send(
        new PutObjectCommand({ Bucket: BUCKET, Key: `${options.prefix}/${name}`, Body: 'strange' }),
      )
      client.destroy()
    },
  }
})

type Outcome = 'done' | 'pass' | 'cut' | 'hang'
/** What stands between the store and the server: it may answer in the server's place, or break the connection. */
type Fault = (request: http.IncomingMessage, response: http.ServerResponse) => Promise<Outcome> | Outcome

describe('a bucket behind a bad network', () => {
  let fault: Fault = () => 'pass'
  let requests = 0
  let proxy: http.Server
  const opened: SnapshotStore[] = []

  beforeAll(async () => {
    const serve = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
      requests++
      const outcome = await fault(request, response)
      if (outcome === 'done') return
      const { method, headers, url } = request
      const forward = http.request({ host: '127.0.0.1', port: bucket.port, method, headers, path: url })
      forward.on('response', (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        if (outcome === 'pass') answer.pipe(response)
        // The first bytes of the body, then the end of the connection, or nothing.
        else answer.once('data', (piece: Buffer) => response.write(piece.subarray(0, 10), () => outcome === 'cut' && response.destroy())) // prettier-ignore
      })
      request.pipe(forward)
    }
    proxy = http.createServer((request, response) => void serve(request, response))
    await new Promise<void>((resolve) => {
      proxy.listen(0, '127.0.0.1', resolve)
    })
  })
  afterAll(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  afterEach(() => {
    fault = () => 'pass'
    for (const store of opened.splice(0)) store.close()
  })
  function openStore(retryForMs: number): SnapshotStore {
    stores++
    requests = 0
    const store = openS3Store({ ...optionsFor((proxy.address() as AddressInfo).port), retryForMs })
    opened.push(store)
    return store
  }

  test('every request may fail twice, each in a way of its own, and nothing is lost', async () => {
    const tries = new Map<string, number>()
    fault = (request, response) => {
      const key = `${request.method} ${request.url} ${request.headers.range ?? ''}`
      const tried = (tries.get(key) ?? 0) + 1
      tries.set(key, tried)
      if (tried > 2) return 'pass'
      if (tried === 2 && request.method === 'GET') return 'cut'
      if (tries.size % 2 === 0) request.socket.destroy()
      else {
        request.resume()
        response.writeHead(503).end()
      }
      return 'done'
    }
    const store = openStore(20_000)
    const bytes = Buffer.alloc(12 * MiB, 'a longer text than a piece of it')
    await writeFile(path.join(folder, 'out'), bytes)
    await store.publish(4, 9n, path.join(folder, 'out'), 1)
    expect(await store.fetch(4, 9n, path.join(folder, 'in'))).toBe('fetched')
    expect(bytes.equals(await readFile(path.join(folder, 'in')))).toBe(true)
  })

  test('an outage that outlasts the bound is said to be one', async () => {
    fault = (request) => {
      request.socket.destroy()
      return 'done'
    }
    const failure = { code: 'snapshot_store_unreachable' }
    await expect(openStore(500).list(1)).rejects.toMatchObject(failure)
    expect(requests).toBeGreaterThan(1)
  })

  test('a store that takes a request and never answers it is an outage too, also in the middle of an answer', async () => {
    await writeFile(path.join(folder, 'out'), 'a snapshot of some length')
    await openStore(0).publish(4, 9n, path.join(folder, 'out'), 1)
    const silent = { ...optionsFor((proxy.address() as AddressInfo).port), requestMsMax: 300, retryForMs: 0 }
    const store = openS3Store(silent)
    opened.push(store)
    const failure = {
      code: 'snapshot_store_unreachable',
      message: expect.stringContaining('within 0.3 s') as string,
    }
    fault = ({ headers }) => (headers.range === undefined ? 'pass' : 'hang')
    await expect(store.fetch(4, 9n, path.join(folder, 'in'))).rejects.toMatchObject(failure)
    fault = () => 'done'
    await expect(store.list(4)).rejects.toMatchObject(failure)
    await expect(store.publish(4, 10n, path.join(folder, 'out'), 1)).rejects.toMatchObject(failure)
  })

  test('nobody who gave up waits for a store that never answers, nor for one that was closed', async () => {
    fault = () => 'done'
    const store = openStore(60_000)
    const giving = new AbortController()
    const gone = new Error('gone')
    const waiting = expect(store.list(1, giving.signal)).rejects.toBe(gone)
    const closed = expect(store.list(1)).rejects.toThrow('closed from this side')
    await vi.waitFor(() => {
      expect(requests).toBe(2)
    })
    giving.abort(gone)
    await waiting
    store.close()
    await closed
  })

  test('what is missing in the configuration is said at once', async () => {
    const { region: _region, ...options } = optionsFor(1)
    const store = openS3Store(options)
    opened.push(store)
    const startedMs = performance.now()
    await expect(store.list(1)).rejects.toMatchObject({
      code: 'snapshot_store_refused',
      message: expect.stringContaining('Region is missing') as string,
    })
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })

  test('a refusal is not tried again', async () => {
    fault = (request, response) => {
      request.resume()
      response.writeHead(403, { 'content-type': 'application/xml' })
      response.end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>')
      return 'done'
    }
    await expect(openStore(20_000).list(1)).rejects.toMatchObject({
      code: 'snapshot_store_refused',
      message: expect.stringContaining('Access Denied') as string,
    })
    expect(requests).toBe(1)
  })

  test('an object that is replaced while it comes down is never mixed with the one before', async () => {
    const store = openStore(1_000)
    const write = async (fill: string): Promise<void> => {
      await writeFile(path.join(folder, 'out'), Buffer.alloc(12 * MiB, fill))
      await openS3Store({ ...optionsFor(bucket.port) }).publish(4, 9n, path.join(folder, 'out'), 1)
    }
    await write('a')
    let ranges = 0
    fault = async (request): Promise<Outcome> => {
      if (request.headers.range !== undefined && ++ranges === 2) await write('b')
      return 'pass'
    }
    await expect(store.fetch(4, 9n, path.join(folder, 'mixed'))).rejects.toThrow(SnapshotStoreError)
    expect(await readdir(folder)).not.toContain('mixed')
  })
})
