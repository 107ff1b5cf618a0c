import type { SQL, TransactionSQL } from "bun"

export interface RpcFunction {
  readonly name: string
  readonly args: ReadonlyArray<{
    /** Empty for an unnamed argument. */
    readonly name: string
    readonly type: string
    readonly optional: boolean
  }>
  /** Stable and immutable functions run in a read-only transaction. */
  readonly read_only: boolean
  readonly result: "void" | "scalar" | "composite" | "set of scalars" | "set of rows"
  readonly settings: Readonly<Record<string, string>>
}

/** The function settings that PostgREST applies to the whole transaction (db-hoisted-tx-settings). */
const HOISTED = ["statement_timeout", "default_transaction_isolation"]

export const readFunctions = async (
  sql: SQL
): Promise<ReadonlyMap<string, ReadonlyArray<RpcFunction>>> => {
  const rows: ReadonlyArray<{ found: RpcFunction }> = await sql`
    select json_build_object(
      'name', p.proname,
      'read_only', p.provolatile <> 'v',
      'result', case
        when p.prorettype = 'void'::regtype then 'void'
        when p.proretset then case when r.is_row then 'set of rows' else 'set of scalars' end
        when r.is_row then 'composite' else 'scalar' end,
      'settings', coalesce((
        select json_object_agg(split_part(setting, '=', 1), split_part(setting, '=', 2))
          from unnest(p.proconfig) as c(setting)
         where split_part(setting, '=', 1) in ${sql(HOISTED)}), '{}'),
      'args', coalesce((
        select json_agg(json_build_object(
          'name', coalesce(a.name, ''), 'type', format_type(a.type, null),
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
    where n.nspname = 'public' and p.prokind = 'f'
    order by p.proname, p.oid`
  return Map.groupBy(
    rows.map(({ found }) => found),
    ({ name }) => name
  )
}

export const accepts = (candidate: RpcFunction, given: ReadonlySet<string>): boolean =>
  candidate.args.every(({ name, optional }) => optional || given.has(name)) &&
  [...given].every((name) => candidate.args.some((arg) => arg.name === name))

export const takesBody = ({ args }: RpcFunction, types: ReadonlyArray<string>): boolean =>
  args.length === 1 && args[0]?.name === "" && types.includes(args[0].type)

export interface Called {
  readonly body: string | undefined
  readonly rows: number
  /** Null if the function did not set a status. */
  readonly response_status: string | null
  readonly response_headers: string | null
}

/** Computes a returned set completely, and then truncates it to `maxRows`. */
export const callFunction = async (
  transaction: TransactionSQL,
  target: RpcFunction,
  input: { readonly text: string; readonly given: ReadonlySet<string> | "body" },
  maxRows: number
): Promise<Called> => {
  const { given, text } = input
  const args = given === "body" ? target.args : target.args.filter(({ name }) => given.has(name))
  const columns = args.map(({ name, type }) => `${quote(name)} ${type}`).join(", ")
  const named = args.map(({ name }) => `${quote(name)} => pgrst_args.${quote(name)}`).join(", ")
  // The cast goes through text, because Bun would encode a json parameter a second time.
  const source =
    given === "body" || args.length === 0
      ? ""
      : `json_to_record($1::text::json) as pgrst_args(${columns}), lateral `
  const passed = given === "body" ? `$1::text::${target.args[0]?.type}` : named
  const call = `public.${quote(target.name)}(${passed})`
  const sql = QUERIES[target.result](source, call, maxRows)
  const [row]: ReadonlyArray<Omit<Called, "body"> & { body: string | null }> =
    await transaction.unsafe(sql, args.length === 0 ? [] : [text])
  const answer = row ?? { body: null, rows: 0, response_status: null, response_headers: null }
  return { ...answer, body: target.result === "void" ? undefined : (answer.body ?? "null") }
}

// After the call, the enclosing query reads the values that the function set.
const SET = `nullif(current_setting('response.status', true), '') as response_status,
  nullif(current_setting('response.headers', true), '') as response_headers`

// Uses PostgREST's own aliases, because a column with the same name as an alias hides the row in PostgREST, too.
const QUERIES: Record<
  RpcFunction["result"],
  (source: string, call: string, max: number) => string
> = {
  // PostgreSQL does not call a stable function whose result is unused, so the query reads the result even of a void function.
  void: (source, call) =>
    `select pgrst_t.pgrst_v::text as body, 1 as rows, ${SET} from ${source}(select ${call} as pgrst_v offset 0) as pgrst_t`,
  scalar: (source, call) =>
    `select to_json(pgrst_t.pgrst_v)::text as body, 1 as rows, ${SET} from ${source}(select ${call} as pgrst_v offset 0) as pgrst_t`,
  composite: (source, call) =>
    `select row_to_json(pgrst_t)::text as body, 1 as rows, ${SET} from (select pgrst_r.* from ${source}${call} as pgrst_r) as pgrst_t`,
  "set of scalars": (source, call, max) =>
    `select coalesce(json_agg(pgrst_t.pgrst_v), '[]')::text as body, count(*)::int as rows, ${SET} from (select pgrst_r.pgrst_v from ${source}${call} as pgrst_r(pgrst_v) limit ${max}) as pgrst_t`,
  "set of rows": (source, call, max) =>
    `select coalesce(json_agg(pgrst_t), '[]')::text as body, count(*)::int as rows, ${SET} from (select pgrst_r.* from ${source}${call} as pgrst_r limit ${max}) as pgrst_t`
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`
