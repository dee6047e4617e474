/** How to reach Kafka. Read from the configuration; nothing here looks at the environment. */

export interface KafkaSettings {
  /** `host:port` of brokers to begin with; the cluster names the others. */
  readonly brokers: readonly string[]
  /** This process's name in the brokers' logs and metrics. */
  readonly clientId: string
  /** Prefix of the topics' names: `<prefix>.commands`, `<prefix>.events`. */
  readonly topicPrefix: string
  /** Undefined: connections are not encrypted. */
  readonly tls?: KafkaTls
  /** Undefined: no authentication. */
  readonly sasl?: KafkaSasl
}

/** PEM texts, as Node's `tls.connect` takes them. */
export interface KafkaTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** Default: true. False trusts any certificate: for trials only. */
  readonly rejectUnauthorized?: boolean
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

export const TOPIC_PREFIX_DEFAULT = 'purser'

export interface TopicNames {
  readonly commands: string
  readonly events: string
}

/** The two topics of a deployment; both have the same number of partitions. */
export function topicNames({ topicPrefix }: Pick<KafkaSettings, 'topicPrefix'>): TopicNames {
  return { commands: `${topicPrefix}.commands`, events: `${topicPrefix}.events` }
}

/**
 * Bytes of a record batch that both topics have to allow (`max.message.bytes`): the largest frame or commands record, with
 * what the batch costs beside it. What is sent together stays below it.
 */
export const RECORD_BATCH_BYTES_MAX = 8 * 1024 * 1024
