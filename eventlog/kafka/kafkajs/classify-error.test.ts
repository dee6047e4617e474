import { expect, test } from 'vitest'
import { isLasting, plainText, classifyError } from './classify-error.ts'

function errorWith(message: string, fields: object): Error {
  return Object.assign(new Error(message), fields)
}

const connection = { name: 'KafkaJSConnectionError' }
const ALERT = '807C7133C67F0000:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:rec_layer_s3.c:1601:SSL alert number 42\n' // prettier-ignore

test.each([
  ['credentials', 'kafka_refused', errorWith('no', { name: 'KafkaJSSASLAuthenticationError' })],
  ['credentials', 'kafka_refused', errorWith('no', { type: 'UNSUPPORTED_SASL_MECHANISM' })],
  ['rights', 'kafka_refused', errorWith('no', { type: 'TOPIC_AUTHORIZATION_FAILED' })],
  ['rights', 'kafka_refused', errorWith('no', { type: 'GROUP_AUTHORIZATION_FAILED' })],
  ['untrusted', 'kafka_untrusted', errorWith('no', { ...connection, code: 'CERT_HAS_EXPIRED' })],
  ['untrusted', 'kafka_untrusted', errorWith('no', { ...connection, code: 'ERR_TLS_CERT_ALTNAME_INVALID' })],
  ['untrusted', 'kafka_untrusted', errorWith('no', { ...connection, code: 'SELF_SIGNED_CERT_IN_CHAIN' })],
  ['untrusted', 'kafka_untrusted', errorWith('no', { ...connection, code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })],
  ['certificate', 'kafka_refused', errorWith(ALERT, { ...connection, code: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE' })],
  ['certificate', 'kafka_refused', errorWith(ALERT, { ...connection, code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' })],
  ['closed', 'kafka_unreachable', errorWith('Closed connection', { name: 'KafkaJSConnectionClosedError' })],
  ['away', 'kafka_unreachable', errorWith('connect', { ...connection, code: 'ECONNREFUSED' })],
  ['away', 'kafka_unreachable', errorWith('late', { name: 'KafkaJSRequestTimeoutError' })],
  ['missing', 'topics_missing', errorWith('This server does not host this topic-partition', { type: 'UNKNOWN_TOPIC_OR_PARTITION' })],
  ['refused', 'kafka_refused', errorWith('no', { type: 'INVALID_REPLICATION_FACTOR' })],
  ['refused', 'kafka_refused', 'no error at all'],
] as const)('what is wrong is known by what kafkajs and Node say: %s, %s, %s', (kind, code, error) => {
  expect(classifyError(error)).toMatchObject({ kind, code })
  expect(classifyError(error instanceof Error ? new Error('wrapped', { cause: error }) : error).kind).toBe(kind)
  expect(isLasting(classifyError(error))).toBe(!['missing', 'closed', 'away', 'refused'].includes(kind))
}) // prettier-ignore

test('of OpenSSL’s own lines only what they mean is told', () => {
  expect(plainText(`Connection error: ${ALERT}`)).toBe('Connection error: sslv3 alert bad certificate')
  expect(plainText('Connection error: connect ECONNREFUSED 127.0.0.1:1')).toBe('Connection error: connect ECONNREFUSED 127.0.0.1:1') // prettier-ignore
})
