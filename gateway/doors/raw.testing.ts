/** For tests: HTTP requests byte by byte, as no client library sends them. */
import net from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** The body, read as JSON. */
  json(): unknown
}

/** Sends a request and reads what comes back until the server closes: say `Connection: close`. */
export function rawRequest(port: number, request: string | Buffer, host = '127.0.0.1'): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = net.connect(port, host, () => socket.write(request))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.once('error', reject)
    socket.once('close', () => resolve(parseAnswer(Buffer.concat(chunks).toString('utf8'))))
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')))
  })
}

/** A request from its lines; an empty line and the body follow. */
export function requestText(lines: readonly string[], body = ''): string {
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const body = text.slice(end + 4)
  return { status: Number(first.split(' ')[1]), headers, body, json: () => JSON.parse(body) as unknown }
}
