/** What an error of kafkajs means to an operator: its kind, its reason in words that fit a sentence, and the remedy. */

/**
 * - `credentials`: the broker rejects the user or the password.
 * - `rights`: the user may not do that.
 * - `untrusted`: the broker's certificate has an unknown issuer, has expired, or is another host's.
 * - `certificate`: the broker wants a certificate, or another one.
 * - `missing`: the topic, or this partition of it, does not exist.
 * - `closed`: the broker ended the connection.
 * - `away`: it could not be reached, or was silent.
 * - `refused`: any other negative answer.
 */
export type KafkaErrorKind =
  'credentials' | 'rights' | 'untrusted' | 'certificate' | 'missing' | 'closed' | 'away' | 'refused'

export interface KafkaErrorClass {
  readonly kind: KafkaErrorKind
  readonly code: 'kafka_refused' | 'kafka_untrusted' | 'kafka_unreachable' | 'topics_missing'
  /** Without a stop at its end. */
  readonly reason: string
  /** A sentence. */
  readonly remedy: string
}

const CODES: Readonly<Record<KafkaErrorKind, KafkaErrorClass['code']>> = {
  credentials: 'kafka_refused',
  rights: 'kafka_refused',
  untrusted: 'kafka_untrusted',
  certificate: 'kafka_refused',
  missing: 'topics_missing',
  closed: 'kafka_unreachable',
  away: 'kafka_unreachable',
  refused: 'kafka_refused',
}

const REMEDIES: Readonly<Record<KafkaErrorKind, string>> = {
  credentials: 'Check the user, the password and the mechanism.',
  rights: 'Give this user the rights that its role needs: docs/distributed.md lists them.',
  untrusted:
    'Check the file with the certificates that vouch for the brokers, and that the brokers are addressed by a name that stands in theirs.',
  certificate:
    'Check the own certificate and its private key: the broker asks for one that it has reason to trust.',
  missing:
    'Create what is missing: purser topics --create. If it exists, check --topic-prefix, and what this user may see.',
  closed:
    'Check whether that broker runs, and whether it wants TLS and SASL: it ends the connection of who speaks otherwise.',
  away: 'Check the addresses, whether the brokers run, that they can be reached from here, and whether they want TLS.',
  refused: 'Check the settings of the topics, and how many brokers run.',
}

/** Codes of Node's `tls` when it does not trust the broker. */
const UNTRUSTED =
  /^(ERR_TLS_CERT_ALTNAME|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(GET|VERIFY)_|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH)/
/** Codes of Node's `tls` when the broker does not trust us. */
const ALERT = /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)/
/** The connection ended before TLS began, the answer was no TLS, or it ended without an answer. */
const CLOSED = /before secure TLS connection|wrong version number|^Closed connection|closed by the server/i
const CREDENTIALS = new Set(['SASL_AUTHENTICATION_FAILED', 'UNSUPPORTED_SASL_MECHANISM'])
const RIGHTS: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED: 'not authorized for the topic',
  GROUP_AUTHORIZATION_FAILED: 'not authorized for the consumer group',
  CLUSTER_AUTHORIZATION_FAILED: 'not authorized for the cluster',
}
const AWAY = /Connection|Timeout|BrokerNotFound|NoBrokerAvailable/

/** Kinds that last until somebody changes a setting, a certificate or a right. */
const LASTING: ReadonlySet<KafkaErrorKind> = new Set(['credentials', 'rights', 'untrusted', 'certificate'])

/** The innermost cause: kafkajs wraps errors when it gives up. */
export function rootOf(error: unknown): unknown {
  let root = error
  while (root instanceof Error && root.cause instanceof Error) root = root.cause
  return root
}

/** @param error as it was thrown, wrapped or not */
export function classifyError(error: unknown): KafkaErrorClass {
  const root = rootOf(error)
  const kind = kindOf(root)
  return { kind, code: CODES[kind], reason: reasonOf(root), remedy: REMEDIES[kind] }
}

/** True if retrying cannot help: somebody has to change a setting, a certificate or a right. */
export function isLasting({ kind }: KafkaErrorClass): boolean {
  return LASTING.has(kind)
}

function kindOf(root: unknown): KafkaErrorKind {
  if (!(root instanceof Error)) return 'refused'
  const { name, message } = root
  const { type, code } = root as { readonly type?: unknown; readonly code?: unknown }
  if (name === 'KafkaJSSASLAuthenticationError') return 'credentials'
  if (typeof type === 'string') {
    if (CREDENTIALS.has(type)) return 'credentials'
    if (type in RIGHTS) return 'rights'
  }
  if (typeof code === 'string') {
    if (UNTRUSTED.test(code)) return 'untrusted'
    if (ALERT.test(code)) return 'certificate'
  }
  if (isMissing(root)) return 'missing'
  if (CLOSED.test(message)) return 'closed'
  return AWAY.test(name) ? 'away' : 'refused'
}

/** Has its own reason, because the brokers' message does not say what is missing. */
function isMissing(root: unknown): boolean {
  return root instanceof Error && 'type' in root && root.type === 'UNKNOWN_TOPIC_OR_PARTITION'
}

function reasonOf(root: unknown): string {
  if (!(root instanceof Error)) return String(root)
  if (isMissing(root)) return 'there is no such topic or partition'
  const { type } = root as { readonly type?: unknown }
  if (typeof type === 'string' && type in RIGHTS) return RIGHTS[type]!
  return plainText(root.message).replace(/^Connection error: |\.$/g, '')
}

/** Keeps only the meaning of an OpenSSL line, which also has thread, number, part, function and file. */
export function plainText(message: string): string {
  return message.replace(/\w+:error:\w+:SSL routines:[^:]*:([^:]+):[^\n]*/, '$1').trim()
}
