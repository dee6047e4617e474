/**
 * The names by which this server may be called.
 *
 * A web page can point its own host name to 127.0.0.1. Its browser then takes this server for the page's own origin,
 * and only the `Host` header tells the two apart (DNS rebinding). So every request and every upgrade has to name an
 * allowed host: loopback, the address that the connection came in on, or a name given with `--allow-host`.
 */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv4, isIPv6, type Socket } from 'node:net'
import { fault, type Fault } from '../errors.ts'
import { show } from '../commands/values.ts'

/** `host`, `host:port`, `1.2.3.4:port`, `[::1]:port`. User names, percent signs and zones are refused. */
const AUTHORITY = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,255}))(?::(\d{0,5}))?$/
const ABSOLUTE_TARGET = /^https?:\/\/([^/?#]*)/i
const MAPPED_IPV4 = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

export class AllowedHosts {
  readonly #named: ReadonlySet<string>

  /** @param named host names and IP addresses allowed besides loopback, without ports: each stands for all ports */
  constructor(named: readonly string[]) {
    this.#named = new Set(named.map((name) => hostOf(name) ?? name))
  }

  /**
   * Checks the host that a request names, and leaves `request.url` in origin form (`/path?query`). A request of
   * HTTP/1.0 may name no host: browsers do not speak it, health checks do.
   * @throws Fault MISDIRECTED_REQUEST; BAD_REQUEST if it names several hosts, or none in HTTP/1.1
   */
  check(request: IncomingMessage): void {
    const named = request.headersDistinct['host'] ?? []
    if (named.length > 1) throw fault('BAD_REQUEST', 'A request has one Host header, not several.')
    if (named.length === 0 && request.httpVersion !== '1.0')
      throw fault('BAD_REQUEST', 'A request of HTTP/1.1 has a Host header.')
    const { localAddress } = request.socket
    for (const authority of [...named, ...takeTargetAuthority(request)])
      if (!this.#allows(authority, localAddress)) throw misdirected(authority)
  }

  #allows(authority: string, localAddress: Socket['localAddress']): boolean {
    const host = hostOf(authority)
    if (host === undefined) return false
    if (host === 'localhost' || this.#named.has(host)) return true
    if (isIP(host) === 0) return false
    // Nobody can point an IP address elsewhere. Probes call a container by its own address.
    return isLoopback(host) || (localAddress !== undefined && host === canonicalAddress(localAddress))
  }
}

/**
 * The host of an authority, in the one form in which hosts are compared: `localhost` for `LOCALHOST.:4000`. Undefined
 * if the text is no authority.
 */
export function hostOf(authority: string): string | undefined {
  if (isIPv6(authority)) return canonicalAddress(authority)
  const match = AUTHORITY.exec(authority)
  if (match === null || Number(match[3] ?? 0) > 65_535) return undefined
  const [, address, name] = match
  if (address !== undefined) return isIPv6(address) ? canonicalAddress(address) : undefined
  const plain = name!.toLowerCase().replace(/\.$/, '')
  return plain === '' ? undefined : plain
}

/**
 * True if a page of another origin sent the request. Browsers put a page's origin into `Origin`; programs send none.
 * Pages of other origins may not act in their visitor's name.
 */
export function isForeignOrigin({ headersDistinct: { origin, host } }: IncomingMessage): boolean {
  if (origin === undefined) return false
  if (origin.length !== 1 || host?.length !== 1 || !URL.canParse(origin[0]!)) return true
  const from = new URL(origin[0]!)
  // Both sides take the page's scheme, so that a default port may be given or left out on either.
  const here = `${from.protocol}//${host[0]!}`
  return !/^https?:$/.test(from.protocol) || !URL.canParse(here) || new URL(here).host !== from.host
}

/** @throws Fault FORBIDDEN */
export function checkOrigin(request: IncomingMessage): void {
  if (isForeignOrigin(request))
    throw fault('FORBIDDEN', 'A page of another origin may not call this server. A proxy in between has to pass Host on as it is.') // prettier-ignore
}

/** Takes the authority out of a target in absolute form (`GET http://host/path`). It is checked as `Host` is. */
function takeTargetAuthority(request: IncomingMessage): readonly string[] {
  const match = ABSOLUTE_TARGET.exec(request.url ?? '')
  if (match === null) return []
  const rest = request.url!.slice(match[0].length)
  request.url = rest.startsWith('/') ? rest : `/${rest}`
  return [match[1]!]
}

function misdirected(authority: string): Fault {
  const host = hostOf(authority)
  const remedy =
    host === undefined
      ? 'Call it as localhost, or by a name that --allow-host (PURSER_ALLOW_HOSTS) gives it.'
      : 'Call it as localhost, or let its operator add this name with --allow-host (PURSER_ALLOW_HOSTS).'
  return fault('MISDIRECTED_REQUEST', `This server does not go by the name ${show(authority)}. ${remedy}`)
}

function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

/** The one spelling of an address. IPv4 within IPv6 is written as IPv4. */
function canonicalAddress(address: string): string {
  if (isIPv4(address)) return address
  const withoutZone = address.replace(/%.*$/, '')
  const short = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1)
  const mapped = MAPPED_IPV4.exec(short)
  if (mapped === null) return short
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
