import { JSONSchema, type Schema } from "effect"

interface Node {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Node>>
  readonly type?: string
  readonly enum?: ReadonlyArray<unknown>
  readonly const?: unknown
  readonly anyOf?: ReadonlyArray<Node>
  readonly oneOf?: ReadonlyArray<Node>
  readonly items?: Node | ReadonlyArray<Node>
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: Node | boolean
  readonly patternProperties?: Readonly<Record<string, Node>>
}

/** Types that are shown by name. Each name means the same type in all schemas. */
const NAMED: Readonly<Record<string, string>> = {
  Instant: "instant",
  Int: "integer",
  NonNegativeInt: "integer",
  NumberFromString: "string",
  UUID: "string"
}

/**
 * Describes the JSON that a schema encodes to, in TypeScript notation. `instant` is an instant in ISO 8601, UTC.
 */
export const shapeOf = (schema: Schema.Schema.AnyNoContext): string => {
  const root: Node = JSON.parse(JSON.stringify(JSONSchema.make(schema)))
  return show(root, root.$defs ?? {}, "")
}

const show = (node: Node, defs: Readonly<Record<string, Node>>, indent: string): string => {
  if (node.$ref !== undefined) {
    const name = decodeURIComponent(node.$ref.split("/").at(-1) ?? "")
    const target = defs[name]
    return NAMED[name] ?? (target === undefined ? "any" : show(target, defs, indent))
  }
  const choices = node.anyOf ?? node.oneOf
  if (choices !== undefined) {
    return [...new Set(choices.map((one) => show(one, defs, indent)))].join(" | ")
  }
  if (node.const !== undefined) return JSON.stringify(node.const)
  if (node.enum !== undefined) return node.enum.map((one) => JSON.stringify(one)).join(" | ")
  if (node.type === "array") return showArray(node, defs, indent)
  if (node.type === "object") return showObject(node, defs, indent)
  return node.type ?? "any"
}

const showArray = (
  { items }: Node,
  defs: Readonly<Record<string, Node>>,
  indent: string
): string => {
  if (items === undefined) return "[any]"
  const list = Array.isArray(items) ? items : [items]
  return `[${[...new Set(list.map((one) => show(one, defs, indent)))].join(", ")}]`
}

const showObject = (node: Node, defs: Readonly<Record<string, Node>>, indent: string): string => {
  const inner = `${indent}  `
  const required = new Set(node.required ?? [])
  const fields = Object.entries(node.properties ?? {}).map(
    ([name, one]) =>
      `${inner}${JSON.stringify(name)}${required.has(name) ? "" : "?"}: ${show(one, defs, inner)}`
  )
  const rest = Object.values(node.patternProperties ?? {})[0] ?? node.additionalProperties
  if (typeof rest === "object") fields.push(`${inner}"<name>": ${show(rest, defs, inner)}`)
  return fields.length === 0 ? "{}" : `{\n${fields.join("\n")}\n${indent}}`
}
