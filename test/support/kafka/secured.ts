/**
 * A cluster whose only way in for clients is encrypted and asks who they are: SASL_SSL with every mechanism that Purser
 * speaks, a certificate for 127.0.0.1 alone, sessions that end after some seconds, and nobody may do what no ACL says.
 * Beside it a listener where a client's own certificate says who it is.
 */
import type { KafkaSettings } from '../../../eventlog/kafka/settings.ts'
import { readFileSync } from 'node:fs'
import { createAuthority, type Authority, type Certificate } from './certificates.ts'
import type { ClusterSecurity } from './cluster.ts'

type Mechanism = NonNullable<KafkaSettings['sasl']>['mechanism']

/** Who is let in: each knows one mechanism, and a password made of the name. */
export type Users = Readonly<Record<string, Mechanism>>

export interface SecuredCluster {
  readonly security: ClusterSecurity
  /** Vouches for the brokers. */
  readonly authority: Authority
  /** Of the one who may do everything, for the listener that asks for it. */
  readonly adminCertificate: Certificate
}

/** May do everything. */
export const ADMIN = 'admin'

export function passwordOf(user: string): string {
  return `${user}-secret`
}

/** @param sessionMs how long a client is believed to be who it said it was */
export function secureCluster(folder: string, users: Users, sessionMs: number): SecuredCluster {
  const authority = createAuthority(folder, 'authority')
  const broker = authority.issue('broker', 'IP:127.0.0.1')
  const adminCertificate = authority.issue(ADMIN)
  const all = Object.entries({ ...users, [ADMIN]: 'plain' as const, broker: 'plain' as const })
  const plain = all.filter(([, mechanism]) => mechanism === 'plain')
  const entries = plain.map(([user]) => ` user_${user}="${passwordOf(user)}"`).join('')
  const module = 'org.apache.kafka.common.security'
  const listener = 'listener.name.sasl_ssl'
  const security: ClusterSecurity = {
    properties: [
      'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'sasl.mechanism.inter.broker.protocol=PLAIN',
      `${listener}.plain.sasl.jaas.config=${module}.plain.PlainLoginModule required username="broker" password="${passwordOf('broker')}"${entries};`,
      `${listener}.scram-sha-256.sasl.jaas.config=${module}.scram.ScramLoginModule required;`,
      `${listener}.scram-sha-512.sasl.jaas.config=${module}.scram.ScramLoginModule required;`,
      `connections.max.reauth.ms=${sessionMs}`,
      'ssl.keystore.type=PEM',
      `ssl.keystore.location=${broker.bothFile}`,
      'ssl.truststore.type=PEM',
      `ssl.truststore.location=${authority.file}`,
      'listener.name.mutual.ssl.client.auth=required',
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // The controller's listener is the only one where somebody can be anonymous: the broker itself is.
      `super.users=User:broker;User:ANONYMOUS;User:${ADMIN};User:CN=${ADMIN}`,
    ],
    scramUsers: all
      .filter(([, mechanism]) => mechanism !== 'plain')
      .map(([user, mechanism]) => `${mechanism.toUpperCase()}=[name=${user},password=${passwordOf(user)}]`),
    admin: {
      tls: { ca: readFileSync(authority.file, 'utf8') },
      sasl: { mechanism: 'plain', username: ADMIN, password: passwordOf(ADMIN) },
    },
  }
  return { security, authority, adminCertificate }
}
