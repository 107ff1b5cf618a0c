import type { ArgumentType } from "./Rpc.ts"
import { MAX_ANSWER_BYTES, type RpcArguments } from "./RpcCall.ts"

/** One SQL statement with its parameters, all of them text. */
export interface RpcStatement {
  readonly text: string
  readonly parameters: ReadonlyArray<string | null>
}

/** The columns of the one row that a statement of ours returns: the answer as JSON text, and its length in bytes. */
export const ANSWER_COLUMN = "answer"
export const LENGTH_COLUMN = "length"

/**
 * The call of a SQL function as one statement, for mechanisms that speak to PostgreSQL itself. Arguments travel as text
 * and are cast by the server to the type that the SQL function declares, so no driver's idea of types comes in between.
 * An answer beyond the bound is not sent (`answer` is null, `length` is not).
 */
export const statementOf = (
  rpc: { readonly name: string; readonly types: Readonly<Record<string, ArgumentType>> },
  args: RpcArguments
): RpcStatement => {
  const given = Object.entries(rpc.types).filter(([name]) => args[name] !== undefined)
  const call = given.map(([name, type], i) => `${name} => $${i + 1}::text::${type}`).join(", ")
  return {
    text: `with call as materialized (select public.${rpc.name}(${call})::text as answer)
select case when octet_length(answer) <= ${MAX_ANSWER_BYTES} then answer end as ${ANSWER_COLUMN},
       octet_length(answer) as ${LENGTH_COLUMN}
  from call`,
    parameters: given.map(([name, type]) => literal(type, args[name]))
  }
}

const literal = (type: ArgumentType, value: unknown): string | null => {
  if (value === null) return null
  if (type === "jsonb") return JSON.stringify(value)
  return Array.isArray(value) ? `{${value.map(element).join(",")}}` : String(value)
}

const element = (value: unknown): string =>
  value === null ? "NULL" : `"${String(value).replaceAll(/[\\"]/g, "\\$&")}"`
