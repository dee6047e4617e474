/**
 * Admission: every operation passes here before it runs, by whichever door it came (GraphQL over HTTP, SSE and
 * WebSocket, and both bulk doors). What must hold for all of them (identity, limits, quotas) is decided in `admit` and
 * nowhere else.
 */
import { getOperationAST, Kind, type DocumentNode, type OperationDefinitionNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { GatewayLimits } from '../bounds.ts'
import { fault } from '../errors.ts'
import type { RequestContext, Transport } from '../services.ts'

export interface Operation {
  readonly kind: 'query' | 'mutation' | 'subscription' | 'commands' | 'imports'
  /** The name that the sender gave it; not to be trusted. */
  readonly name: string | undefined
}

/** Called with each operation that is admitted: for tests and logs. */
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
   * @param waiting offers that wait for a writer now. Each partition has its own bound for them, so that a writer that
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

  /** Operations under way, including those that wait for a position. Open subscriptions do not count. */
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
   * @returns call it when the operation is done
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
   * Frees the slot of an admitted operation while it waits for a position. A subscription has no slot to free, but
   * counts among those that wait.
   * @param places slots that the operation frees
   * @returns takes the slot back, at once: the bound of those that wait keeps the overshoot small
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

/** Admits every GraphQL operation in the pipeline that all transports share. */
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

/** The operation to be executed. The pipeline's own types leave it open. */
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

/** True if all root fields are `balance`. Then no other field of the request has to be at the same position. */
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
    // Documents with several operations are rare, and the answer depends on the operation's name: not remembered.
    if (document.definitions.length === 1) onlyBalances.set(document, known)
  }
  return known
}
