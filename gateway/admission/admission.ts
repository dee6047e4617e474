/**
 * The one door. Every operation passes here before it runs, whichever way it came: GraphQL over HTTP, SSE and WebSocket, and
 * the bulk lane. What is to hold for all of them (identity, limits, quotas) is decided in `admit` and nowhere else.
 */
import { getOperationAST, Kind, type DocumentNode, type OperationDefinitionNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { GatewayLimits } from '../bounds.ts'
import { fault } from '../errors.ts'
import type { RequestContext, Transport } from '../services.ts'

/** What wants to pass. */
export interface Operation {
  readonly kind: 'query' | 'mutation' | 'subscription' | 'commands' | 'imports'
  /** As its sender calls it; not to be trusted. */
  readonly name: string | undefined
}

/** Told of each operation that passes: for tests and logs. */
export type AdmissionListener = (operation: Operation, transport: Transport) => void

const RETRY_AFTER_MS = 200

export class Admission {
  readonly #limits: GatewayLimits
  readonly #subscriptions: () => number
  readonly #waiting: () => number
  readonly #listener: AdmissionListener | undefined
  #running = 0
  #aside = 0
  #draining = false

  /**
   * @param subscriptions how many are open now
   * @param waiting offers that wait for a writer: each partition has a bound of its own for them, so that one whose writer
   *   pauses keeps nobody else out
   */
  constructor(
    limits: GatewayLimits,
    subscriptions: () => number,
    waiting: () => number,
    listener?: AdmissionListener,
  ) {
    this.#limits = limits
    this.#subscriptions = subscriptions
    this.#waiting = waiting
    this.#listener = listener
  }

  /** Operations under way, those that wait for a position among them; open subscriptions do not count. */
  get running(): number {
    return this.#running + this.#aside
  }

  get draining(): boolean {
    return this.#draining
  }

  drain(): void {
    this.#draining = true
  }

  /**
   * Lets an operation in.
   * @returns what to call when it is done
   * @throws Fault SERVICE_DRAINING, BUSY
   */
  admit(operation: Operation, transport: Transport): () => void {
    if (this.#draining)
      throw fault('SERVICE_DRAINING', 'This server is going down. Send it again, to the next one.')
    if (operation.kind === 'subscription' && this.#subscriptions() >= this.#limits.subscriptionsMax)
      throw fault('BUSY', 'As many subscriptions are open as fit.', { retryAfterMs: RETRY_AFTER_MS })
    if (this.#running - this.#waiting() >= this.#limits.operationsMax)
      throw fault('BUSY', 'As many operations are under way as fit.', { retryAfterMs: RETRY_AFTER_MS })
    this.#listener?.(operation, transport)
    if (operation.kind === 'subscription') return () => undefined
    this.#running++
    return () => void this.#running--
  }

  /**
   * Leaves the place of an operation that was let in to others, while it waits for a position. A subscription has none to
   * leave, and counts among those that wait all the same.
   * @returns how it comes back: at once, since those that waited are no more than fit beside the others
   * @throws Fault BUSY
   */
  stepAside(places: 0 | 1): () => void {
    if (this.#aside >= this.#limits.waitingReadsMax)
      throw fault('BUSY', 'As many reads wait for their position as fit. Ask without one, or in a moment.', {
        retryAfterMs: RETRY_AFTER_MS,
      })
    this.#aside++
    this.#running -= places
    return () => {
      this.#aside--
      this.#running += places
    }
  }
}

/** Puts the door in front of every GraphQL operation: in the pipeline that all transports share, not in one of them. */
export function useAdmission(admission: Admission): Plugin {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const { document, operationName, context } = executionOf(args)
      const operation = getOperationAST(document, operationName)
      try {
        const release = admission.admit(operationOf(operation), context.transport)
        context.point.hasPlace(() => admission.stepAside(1))
        Object.assign(context, { onlyBalances: asksOnlyForBalances(document, operation) })
        return { onExecuteDone: release }
      } catch (error) {
        setResultAndStopExecution({ errors: [error as ReturnType<typeof fault>] })
        return undefined
      }
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const { document, operationName, context } = executionOf(args)
      try {
        admission.admit(operationOf(getOperationAST(document, operationName)), context.transport)
        context.point.hasPlace(() => admission.stepAside(0))
      } catch (error) {
        setResultAndStopExecution({ errors: [error as ReturnType<typeof fault>] })
      }
    },
  }
}

/** What is to be executed; the pipeline's own types leave it open. */
function executionOf(args: unknown): {
  document: DocumentNode
  operationName: string | undefined
  context: RequestContext
} {
  const { document, operationName, contextValue } = args as {
    document: DocumentNode
    operationName?: string
    contextValue: RequestContext
  }
  return { document, operationName, context: contextValue }
}

function operationOf(operation: OperationDefinitionNode | null | undefined): Operation {
  return { kind: operation?.operation ?? 'query', name: operation?.name?.value }
}

const onlyBalances = new WeakMap<DocumentNode, boolean>()

/** True if all root fields are `balance`: then nothing else of the request has to be at the same position as they. */
function asksOnlyForBalances(
  document: DocumentNode,
  operation: OperationDefinitionNode | null | undefined,
): boolean {
  let known = onlyBalances.get(document)
  if (known === undefined) {
    known =
      operation?.selectionSet.selections.every(
        (selection) => selection.kind === Kind.FIELD && selection.name.value === 'balance',
      ) === true
    // Documents with several operations are rare, and told apart by their names: not worth remembering.
    if (document.definitions.length === 1) onlyBalances.set(document, known)
  }
  return known
}
