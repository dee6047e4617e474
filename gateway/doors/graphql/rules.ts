/**
 * Bounds of a query's shape: one validation rule, and the number of tokens in its text. The bounds are constants,
 * because verdicts are remembered by document.
 */
import {
  Kind,
  type ASTVisitor,
  type FieldNode,
  type FragmentDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql'
import {
  PAGE_ITEMS_DEFAULT,
  PAGE_ITEMS_MAX,
  QUERY_ALIASES_MAX,
  QUERY_COST_MAX,
  QUERY_DEPTH_MAX,
  QUERY_ROOT_FIELDS_MAX,
} from '../../bounds.ts'
import { fault } from '../../errors.ts'

/** The size of a selection, fragments included. */
interface Shape {
  readonly depth: number
  readonly aliases: number
  /** Fields that it may produce. A field below a list counts once per item. */
  readonly cost: number
}

const NOTHING: Shape = { depth: 0, aliases: 0, cost: 0 }

/** Fields that return a page of items. */
const PAGED_FIELDS: ReadonlySet<string> = new Set(['history', 'accounts', 'audit'])

/** Rejects operations that are deeper, wider or costlier than bounds.ts allows. */
export function boundedOperation(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(operation) {
      const shape = new Measure(context).selection(operation.selectionSet)
      const roots = operation.selectionSet.selections.length
      const excess = excessOf(shape, roots)
      if (excess !== undefined)
        context.reportError(fault('OPERATION_TOO_COMPLEX', excess, {}, { nodes: operation }))
    },
  }
}

function excessOf({ depth, aliases, cost }: Shape, roots: number): string | undefined {
  if (depth > QUERY_DEPTH_MAX) return `The operation is deeper than ${QUERY_DEPTH_MAX} fields.`
  if (aliases > QUERY_ALIASES_MAX) return `The operation has more than ${QUERY_ALIASES_MAX} aliases.`
  if (roots > QUERY_ROOT_FIELDS_MAX)
    return `The operation has more than ${QUERY_ROOT_FIELDS_MAX} root fields.`
  if (cost > QUERY_COST_MAX)
    return `The operation may produce more than ${QUERY_COST_MAX} fields. Ask for smaller pages, or in several requests.`
  return undefined
}

/**
 * Measures selections. Each fragment is measured once, however often it is spread: the work stays in proportion to the
 * text.
 */
class Measure {
  readonly #context: ValidationContext
  readonly #fragments = new Map<FragmentDefinitionNode, Shape>()

  constructor(context: ValidationContext) {
    this.#context = context
  }

  selection(selectionSet: SelectionSetNode): Shape {
    let depth = 0
    let aliases = 0
    let cost = 0
    for (const selection of selectionSet.selections) {
      const shape =
        selection.kind === Kind.FIELD
          ? this.#field(selection)
          : selection.kind === Kind.INLINE_FRAGMENT
            ? this.selection(selection.selectionSet)
            : this.#fragment(this.#context.getFragment(selection.name.value))
      depth = Math.max(depth, shape.depth)
      aliases += shape.aliases
      cost += shape.cost
    }
    return { depth, aliases, cost }
  }

  #field(field: FieldNode): Shape {
    const below = field.selectionSet === undefined ? NOTHING : this.selection(field.selectionSet)
    return {
      depth: below.depth + 1,
      aliases: below.aliases + (field.alias === undefined ? 0 : 1),
      cost: 1 + below.cost * pageItems(field),
    }
  }

  #fragment(fragment: FragmentDefinitionNode | null | undefined): Shape {
    if (fragment === null || fragment === undefined) return NOTHING
    const known = this.#fragments.get(fragment)
    if (known !== undefined) return known
    // A rule of its own (NoFragmentCycles) reports cycles. Here the recursion only has to end.
    this.#fragments.set(fragment, NOTHING)
    const shape = this.selection(fragment.selectionSet)
    this.#fragments.set(fragment, shape)
    return shape
  }
}

/** Items that a field may return: the number asked for, or the maximum if a variable holds it. */
function pageItems(field: FieldNode): number {
  if (!PAGED_FIELDS.has(field.name.value)) return 1
  let items = PAGE_ITEMS_DEFAULT
  for (const argument of field.arguments ?? []) {
    if (argument.name.value !== 'first' && argument.name.value !== 'last') continue
    if (argument.value.kind === Kind.NULL) continue
    const asked = argument.value.kind === Kind.INT ? Number(argument.value.value) : PAGE_ITEMS_MAX
    items = Math.min(Math.max(asked, 1), PAGE_ITEMS_MAX)
  }
  return items
}
