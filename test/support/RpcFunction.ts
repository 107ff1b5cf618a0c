import type { SQL, TransactionSQL } from "bun"

/** A function of schema `public`, as far as a call needs it. */
export interface RpcFunction {
  readonly name: string
  readonly args: ReadonlyArray<{
    readonly name: string
    readonly type: string
    readonly optional: boolean
  }>
  /** Stable and immutable functions run in a read-only transaction. */
  readonly read_only: boolean
  readonly result: "void" | "scalar" | "composite" | "set of scalars" | "set of rows"
  /** The function's own `set statement_timeout`, which PostgREST applies to the whole transaction. */
  readonly statement_timeout: string | null
}

/** All functions of that name, overloads included; empty when there is none. */
export const findFunctions = async (
  sql: SQL,
  name: string
): Promise<ReadonlyArray<RpcFunction>> => {
  const rows: ReadonlyArray<{ found: RpcFunction }> = await sql`
    select json_build_object(
      'name', p.proname,
      'read_only', p.provolatile <> 'v',
      'result', case
        when p.prorettype = 'void'::regtype then 'void'
        when p.proretset then case when r.is_row then 'set of rows' else 'set of scalars' end
        when r.is_row then 'composite' else 'scalar' end,
      'statement_timeout', (select split_part(setting, '=', 2) from unnest(p.proconfig) as c(setting)
                             where setting like 'statement_timeout=%'),
      'args', coalesce((
        select json_agg(json_build_object(
          'name', a.name, 'type', format_type(a.type, null),
          'optional', a.position > p.pronargs - p.pronargdefaults) order by a.position)
        from (select name, type, row_number() over (order by ordinality) as position
                from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames)
                     with ordinality as u(type, mode, name, ordinality)
               where mode is null or mode in ('i', 'b', 'v')) a), '[]')) as found
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    join pg_type t on t.oid = p.prorettype
    cross join lateral (select t.typtype = 'c' or p.prorettype = 'record'::regtype
                        or coalesce(p.proargmodes::text[] && '{t,b,o}', false) as is_row) r
    where n.nspname = 'public' and p.prokind = 'f' and p.proname = ${name}`
  return rows.map(({ found }) => found)
}

/** The one that takes exactly these arguments, defaults considered. */
export const accepts = (candidate: RpcFunction, given: ReadonlySet<string>): boolean =>
  candidate.args.every(({ name, optional }) => optional || given.has(name)) &&
  [...given].every((name) => candidate.args.some((arg) => arg.name === name))

/**
 * Calls the function within the transaction with the arguments in `json`, an object; answers JSON as PostgREST encodes it,
 * or undefined for void. A set is cut to `maxRows` after all of it was computed.
 */
export const callFunction = async (
  transaction: TransactionSQL,
  target: RpcFunction,
  json: string,
  given: ReadonlySet<string>,
  maxRows: number
): Promise<string | undefined> => {
  const args = target.args.filter(({ name }) => given.has(name))
  const columns = args.map(({ name, type }) => `${quote(name)} ${type}`).join(", ")
  const named = args.map(({ name }) => `${quote(name)} => args.${quote(name)}`).join(", ")
  // The cast goes through text: Bun would encode a parameter of type json a second time.
  const source =
    args.length === 0 ? "" : `json_to_record($1::text::json) as args(${columns}), lateral `
  const call = `public.${quote(target.name)}(${named})`
  const text = QUERIES[target.result](source, call, maxRows)
  const rows: ReadonlyArray<{ body: string | null }> = await transaction.unsafe(
    text,
    args.length === 0 ? [] : [json]
  )
  return target.result === "void" ? undefined : (rows[0]?.body ?? "null")
}

const QUERIES: Record<
  RpcFunction["result"],
  (source: string, call: string, max: number) => string
> = {
  // The value is used even here: a stable function whose result nobody wants is not called at all.
  void: (source, call) =>
    `select r.v::text as body from ${source}(select ${call} as v offset 0) as r`,
  scalar: (source, call) =>
    `select to_json(r.v)::text as body from ${source}(select ${call} as v offset 0) as r`,
  composite: (source, call) =>
    `select row_to_json(s)::text as body from (select r.* from ${source}${call} as r) as s`,
  "set of scalars": (source, call, max) =>
    `select coalesce(json_agg(s.v), '[]')::text as body from (select r.v from ${source}${call} as r(v) limit ${max}) as s`,
  "set of rows": (source, call, max) =>
    `select coalesce(json_agg(s), '[]')::text as body from (select r.* from ${source}${call} as r limit ${max}) as s`
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`
