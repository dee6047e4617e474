/**
 * A real Apache Kafka in child processes: one broker or several (KRaft, each broker and controller), on free ports of
 * loopback, its data in a temporary folder. Brokers can be killed, paused, and started again as they were.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, openSync, closeSync, readFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { createKafka } from '../../../eventlog/kafka/kafkajs/client.ts'
import type { KafkaSettings } from '../../../eventlog/kafka/settings.ts'
import { formatBroker } from './format.ts'
import { startSwitchedProxy, type SwitchedProxy } from './switched-proxy.ts'
import { archivingJava, kafkaProgram, measuredJava, quickJava, type KafkaProgram } from './java.ts'

const START_MS_MAX = 60_000
const PAUSE_MS_MAX = 10_000
const MAIN_CLASS = 'kafka.Kafka'

/**
 * A dead broker is missed soon, and so is the controller among them, as docs/distributed.md asks for: the others first elect
 * a controller, if it was that, and the controller then waits for a session of the broker that it has not heard of.
 */
const SOON_MISSED = [
  'broker.session.timeout.ms=1500',
  'broker.heartbeat.interval.ms=200',
  'controller.quorum.fetch.timeout.ms=1000',
  'controller.quorum.election.timeout.ms=500',
  'controller.quorum.election.backoff.max.ms=250',
]

/** One broker of a cluster. */
export interface TestBroker {
  readonly nodeId: number
  /** `host:port`. */
  readonly address: string
  /** Of the listener that brokers keep for themselves; it is never encrypted. */
  readonly controllerAddress: string
  /** With `security`: of the listener that asks for a certificate. */
  readonly mutualAddress: string
  /** Of the process that runs, or ran last. */
  pid(): number
  /** Where the cluster is `proxied`: who begins at its address is told of nothing but the brokers' proxies. */
  readonly proxy: SwitchedProxy | undefined
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** Starts it again on its data, after `kill`; resolves when it answers. */
  restart(): Promise<void>
}

export interface TestCluster {
  readonly addresses: readonly string[]
  readonly brokers: readonly TestBroker[]
  /** Kills every broker and removes their data. */
  stop(): Promise<void>
}

export interface TestClusterOptions {
  /** Default: 1. */
  readonly brokers?: number
  /** Lines of server.properties that go behind the others. */
  readonly properties?: readonly string[]
  /** Gives each broker a second door, behind a proxy. */
  readonly proxied?: boolean
  /** Its speed is measured: Java compiles as it would by itself. Default: no more than pays within minutes. */
  readonly isMeasured?: boolean
  /** Each broker is ended in order, and leaves its classes in this file. */
  readonly archiveTo?: string
  /** The listener of clients is SASL_SSL; a second one, MUTUAL, knows clients by their certificates. Not with `proxied`. */
  readonly security?: ClusterSecurity
}

/** What a broker that asks who one is has to know. */
export interface ClusterSecurity {
  /** Lines of server.properties. */
  readonly properties: readonly string[]
  /** Who is there from the beginning, as `kafka-storage format --add-scram` takes them. */
  readonly scramUsers: readonly string[]
  /** How one gets in who may do everything. */
  readonly admin: Pick<KafkaSettings, 'tls' | 'sasl'>
}

/** Starts a cluster and waits until it answers. @throws KafkaUnavailableError without Java or Maven */
export async function startKafkaCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const {
    brokers: count = 1,
    properties = [],
    proxied = false,
    isMeasured = false,
    archiveTo,
    security,
  } = options
  const program = await kafkaProgram()
  const java = isMeasured
    ? measuredJava(program, MAIN_CLASS)
    : archiveTo === undefined
      ? quickJava(program, MAIN_CLASS)
      : archivingJava(program, archiveTo, MAIN_CLASS)
  const root = mkdtempSync(path.join(os.tmpdir(), 'purser-kafka-'))
  const ports = await freePorts(3 * count)
  const proxies = proxied
    ? await Promise.all(
        Array.from({ length: count }, (_, index) => startSwitchedProxy(ports[3 * index + 2]!)),
      )
    : []
  const nodes = Array.from({ length: count }, (_, index): Node => ({
    nodeId: index + 1,
    port: ports[3 * index]!,
    controllerPort: ports[3 * index + 1]!,
    proxiedPort: ports[3 * index + 2]!,
    proxy: proxies[index],
    security,
    program,
    java,
    // What ends at once writes down no classes.
    ending: archiveTo === undefined ? 'KILL' : 'TERM',
  }))
  const voters = nodes.map((node) => `${node.nodeId}@127.0.0.1:${node.controllerPort}`).join(',')
  const brokers = nodes.map(
    (node) => new Broker(path.join(root, String(node.nodeId)), node, voters, count, properties),
  )
  const addresses = brokers.map(({ address }) => address)
  const stop = async (): Promise<void> => {
    await Promise.all([...brokers.map((broker) => broker.kill()), ...proxies.map((proxy) => proxy.close())])
    rmSync(root, { recursive: true, force: true })
  }
  try {
    await Promise.all(brokers.map((broker) => broker.format()))
    for (const broker of brokers) broker.start()
    await untilAnswers(addresses, count, security, () => brokers.map((broker) => broker.trouble()).join(''))
  } catch (error) {
    await stop()
    throw error
  }
  return { addresses, brokers, stop }
}

interface Node {
  readonly nodeId: number
  readonly port: number
  readonly controllerPort: number
  /** Where it listens for what comes through its proxy, or for clients with certificates. */
  readonly proxiedPort: number
  readonly proxy: SwitchedProxy | undefined
  readonly security: ClusterSecurity | undefined
  readonly program: KafkaProgram
  /** What runs a broker, up to its settings. */
  readonly java: readonly string[]
  readonly ending: 'KILL' | 'TERM'
}

/** What server.properties says of where clients find the broker. */
function listeners({ port, controllerPort, proxiedPort, proxy, security }: Node): string[] {
  if (security !== undefined) {
    const doors = `SASL_SSL://127.0.0.1:${port},MUTUAL://127.0.0.1:${proxiedPort}`
    return [
      `listeners=${doors},CONTROLLER://127.0.0.1:${controllerPort}`,
      `advertised.listeners=${doors}`,
      'listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,MUTUAL:SSL',
      'inter.broker.listener.name=SASL_SSL',
      ...security.properties,
    ]
  }
  const door = proxy === undefined ? '' : `,PROXIED://127.0.0.1:${proxiedPort}`
  const told = proxy === undefined ? '' : `,PROXIED://${proxy.address}`
  return [
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${door}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}${told}`,
    'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT',
    'inter.broker.listener.name=PLAINTEXT',
  ]
}

class Broker implements TestBroker {
  readonly nodeId: number
  readonly address: string
  readonly controllerAddress: string
  readonly mutualAddress: string
  readonly proxy: SwitchedProxy | undefined
  readonly #security: ClusterSecurity | undefined
  readonly #program: KafkaProgram
  readonly #java: readonly string[]
  readonly #ending: Node['ending']
  readonly #folder: string
  readonly #properties: string
  #keeper: ChildProcess | undefined
  #started: Promise<number> | undefined
  #knownPid = 0

  constructor(folder: string, node: Node, voters: string, brokers: number, more: readonly string[]) {
    this.nodeId = node.nodeId
    this.address = `127.0.0.1:${node.port}`
    this.controllerAddress = `127.0.0.1:${node.controllerPort}`
    this.mutualAddress = `127.0.0.1:${node.proxiedPort}`
    this.proxy = node.proxy
    this.#security = node.security
    this.#program = node.program
    this.#java = node.java
    this.#ending = node.ending
    this.#folder = folder
    this.#properties = path.join(folder, 'server.properties')
    const replicas = Math.min(3, brokers)
    mkdirSync(folder, { recursive: true })
    const lines = [
      `node.id=${node.nodeId}`,
      'process.roles=broker,controller',
      `controller.quorum.voters=${voters}`,
      'controller.listener.names=CONTROLLER',
      ...listeners(node),
      `log.dirs=${path.join(folder, 'data')}`,
      `offsets.topic.replication.factor=${replicas}`,
      'offsets.topic.num.partitions=3',
      `transaction.state.log.replication.factor=${replicas}`,
      'transaction.state.log.min.isr=1',
      `share.coordinator.state.topic.replication.factor=${replicas}`,
      'share.coordinator.state.topic.min.isr=1',
      'group.initial.rebalance.delay.ms=0',
      'auto.create.topics.enable=false',
      'unclean.leader.election.enable=false',
      'message.max.bytes=8388608',
      'replica.fetch.max.bytes=8388608',
      'socket.send.buffer.bytes=4194304',
      'socket.receive.buffer.bytes=4194304',
      'socket.request.max.bytes=104857600',
      'log.cleaner.dedupe.buffer.size=2097152',
      ...(brokers > 1 ? SOON_MISSED : []),
      'replica.lag.time.max.ms=3000',
      ...more,
    ]
    writeFileSync(this.#properties, `${lines.join('\n')}\n`)
  }

  format(): Promise<void> {
    const { nodeId } = this
    const scramUsers = this.#security?.scramUsers ?? []
    const data = path.join(this.#folder, 'data')
    return formatBroker({ program: this.#program, nodeId, properties: this.#properties, data, scramUsers })
  }

  start(): void {
    // The shell ends the broker when its standard input closes, so it never outlives the process that started it.
    const script = `"$@" & pid=$!; echo $pid; cat > /dev/null; kill -${this.#ending} $pid; wait $pid`
    const out = openSync(path.join(this.#folder, 'broker.log'), 'a')
    const keeper = spawn('sh', ['-c', script, 'broker', 'java', ...this.#java, this.#properties], {
      stdio: ['pipe', 'pipe', out],
      cwd: this.#folder,
    })
    closeSync(out)
    this.#keeper = keeper
    this.#started = new Promise((resolve, reject) => {
      keeper.once('error', reject)
      let text = ''
      keeper.stdout!.on('data', (data: Buffer) => {
        if (text.includes('\n')) return
        text += data.toString()
        if (!text.includes('\n')) return
        this.#knownPid = Number(text.slice(0, text.indexOf('\n')))
        resolve(this.#knownPid)
      })
    })
  }

  pid(): number {
    return this.#knownPid
  }

  async kill(): Promise<void> {
    const keeper = this.#keeper
    if (keeper === undefined) return
    this.#keeper = undefined
    const isGone = new Promise((resolve) => keeper.once('exit', resolve))
    const pid = await this.#started!
    // A paused one too: SIGKILL needs no answer.
    if (this.#ending === 'KILL') process.kill(pid, 'SIGKILL')
    keeper.stdin!.end()
    await isGone
  }

  pause(): void {
    process.kill(this.#knownPid, 'SIGSTOP')
    // On a busy machine it answers for a while yet: until its first thread has run and seen the signal.
    const nothing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    for (let waits = 0; waits < PAUSE_MS_MAX && isRunning(this.#knownPid); waits++)
      Atomics.wait(nothing, 0, 0, 1)
  }

  resume(): void {
    process.kill(this.#knownPid, 'SIGCONT')
  }

  async restart(): Promise<void> {
    this.start()
    await untilAnswers([this.address], 1, this.#security, () => this.trouble())
  }

  /** The end of what the broker wrote down: for who waits in vain. */
  trouble(): string {
    try {
      return readFileSync(path.join(this.#folder, 'broker.log'), 'utf8').split('\n').slice(-15).join('\n')
    } catch {
      return ''
    }
  }
}

/** False if it is known to be stopped. */
function isRunning(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text[text.lastIndexOf(')') + 2] !== 'T'
  } catch {
    return false
  }
}

/** Waits until these brokers answer and know of so many. */
async function untilAnswers(
  addresses: readonly string[],
  count: number,
  security: ClusterSecurity | undefined,
  trouble: () => string,
): Promise<void> {
  const deadlineMs = performance.now() + START_MS_MAX
  for (const address of addresses) {
    const admin = createKafka(
      { brokers: [address], clientId: 'purser-tests', topicPrefix: 'x', ...security?.admin },
      () => undefined,
    ).admin({ retry: { retries: 0 } })
    for (;;) {
      try {
        await admin.connect()
        const { brokers, controller } = await admin.describeCluster()
        if (brokers.length >= count && controller !== null) break
      } catch (error) {
        if (performance.now() > deadlineMs)
          throw new Error(`Kafka did not answer within a minute:\n${trouble()}`, { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await admin.disconnect()
  }
}

/** Ports that are free now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer()
          server.listen(0, '127.0.0.1', () => {
            resolve(server)
          })
        }),
    ),
  )
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
