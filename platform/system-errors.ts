/** Errors of the operating system, as sentences: what happened, then what to do, with a code that scripts may rely on. */
import type { PlatformErrorCode } from './errors.ts'

/** What Node puts on an error of the system. */
export type SystemError = Error & {
  readonly code?: string
  /** The call that failed: `mkdir`, `open`, `listen`, `getaddrinfo`. */
  readonly syscall?: string
  readonly path?: string
  readonly port?: number
  readonly hostname?: string
}

export interface SystemFailure {
  readonly code: PlatformErrorCode
  readonly message: string
}

type Describe = (error: SystemError) => SystemFailure

/**
 * Says what an error of the system means.
 * @returns undefined where its code is none that an operator can do something about
 */
export function describeSystemError(error: SystemError): SystemFailure | undefined {
  const describe = Object.hasOwn(DESCRIBE, error.code ?? '') ? DESCRIBE[error.code!] : undefined
  return describe?.(error)
}

const nameOf = ({ path }: SystemError): string => path ?? 'The path'
const isAddress = ({ syscall }: SystemError): boolean => syscall === 'listen' || syscall === 'bind'
const folder = (message: string): SystemFailure => ({ code: 'folder_unusable', message })
const usage = (message: string): SystemFailure => ({ code: 'usage', message })

const notAllowed: Describe = (error) =>
  isAddress(error)
    ? {
        code: 'port_unusable',
        message: `Port ${error.port ?? ''} is kept for administrators by this system. Choose one above 1023.`,
      }
    : folder(`Not allowed: ${error.path ?? error.message}. Check the permissions.`)

const noSuchAddress: Describe = () => usage('This machine has no such address. Check `host`.')
const noSuchHost: Describe = ({ hostname }) =>
  usage(`There is no host called ${hostname ?? 'that'}. Check the name in \`host\` or \`url\`.`)
const tooMany: Describe = () =>
  folder('Too many files are open in this process or on this machine. Raise the limit (ulimit -n).')

const DESCRIBE: Readonly<Record<string, Describe>> = {
  EADDRINUSE: ({ port }) => ({
    code: 'port_in_use',
    message: `Port ${port ?? ''} is in use by another program. Stop it, or choose another port.`,
  }),
  EADDRNOTAVAIL: noSuchAddress,
  EAFNOSUPPORT: noSuchAddress,
  ENOTFOUND: noSuchHost,
  EAI_AGAIN: ({ hostname }) =>
    usage(`The name ${hostname ?? ''} cannot be looked up now. Check the name and this machine's DNS.`),
  EACCES: notAllowed,
  EPERM: notAllowed,
  EROFS: (error) => folder(`${nameOf(error)} is on a read-only file system. Choose another folder.`),
  ENOSPC: () => folder('The disk is full. Make room; nothing that was acknowledged is lost.'),
  EDQUOT: () =>
    folder('The quota of this user is used up. Make room; nothing that was acknowledged is lost.'),
  EIO: (error) => folder(`The disk failed at ${nameOf(error)}. Look at the disk before you go on.`),
  ENOTDIR: (error) => folder(`${nameOf(error)} is not a folder. Check the path.`),
  EEXIST: (error) => folder(`${nameOf(error)} is not a folder. Check the path.`),
  ELOOP: (error) => folder(`${nameOf(error)} is a link that leads back to itself. Check the path.`),
  ENAMETOOLONG: () => folder('The path is longer than the system allows. Choose a shorter one.'),
  ENOENT: (error) =>
    error.syscall === 'mkdir'
      ? folder(`The system makes no folder at ${nameOf(error)}. Choose another place.`)
      : { code: 'file_unreadable', message: `There is no file ${error.path ?? ''}. Check the path.` },
  EISDIR: (error) => ({
    code: 'file_unreadable',
    message: `${nameOf(error)} is a folder, not a file. Check the path.`,
  }),
  ENXIO: (error) => ({
    code: 'file_unreadable',
    message: `${nameOf(error)} cannot be read. Check the path.`,
  }),
  EMFILE: tooMany,
  ENFILE: tooMany,
}
