import { SQL } from "bun"
import type { Caller } from "./ApiKeys.ts"
import type { Borrowed, ConnectionPool } from "./ConnectionPool.ts"
import type { Known, PostgrestCache } from "./PostgrestCache.ts"
import {
  connectionLost,
  diedSilently,
  isLost,
  JSON_TYPE,
  notConnected,
  POSTGREST,
  poolExhausted,
  schemaCacheAway,
  sqlErrorAnswer
} from "./PostgrestError.ts"
import { functionAmbiguous, functionMissing, textFunctionMissing } from "./PostgrestHint.ts"
import type { RpcBody } from "./PostgrestRequest.ts"
import { accepts, type Called, callFunction, type RpcFunction, takesBody } from "./RpcFunction.ts"

export interface Call {
  readonly fn: string
  readonly caller: Caller
  readonly body: RpcBody
  readonly headers: Headers
}

export interface Project {
  readonly databaseUrl: string
  readonly pool: ConnectionPool
  readonly cache: PostgrestCache
  readonly maxRows: number
  readonly isClosing: () => boolean
  readonly onRepeat: () => void
}

/** Like PostgREST, uses the cached schema, and commits the call's transaction before it sends the response. */
export const answerCall = async (project: Project, call: Call): Promise<Response> => {
  const { cache, pool } = project
  const target = await choose(cache, call)
  if (target instanceof Response) return target
  let borrowed: Borrowed | undefined
  try {
    borrowed = await pool.acquire()
  } catch (error) {
    cache.suspect()
    return notConnected(project.databaseUrl, error)
  }
  if (borrowed === undefined) return poolExhausted()
  try {
    return borrowed.ended === undefined
      ? await execute(project, borrowed.sql, target.chosen, target.known, call)
      : answerEnded(borrowed.ended, call)
  } catch (error) {
    if (!(error instanceof SQL.PostgresError)) throw error
    return sqlErrorAnswer(error, call.caller.role)
  } finally {
    borrowed.release()
  }
}

/** The server had closed the idle connection, so the call was not executed. */
const answerEnded = (error: unknown, { caller }: Call): Response =>
  error instanceof SQL.PostgresError && error.errno !== undefined
    ? sqlErrorAnswer(error, caller.role)
    : connectionLost()

interface Target {
  readonly chosen: RpcFunction
  readonly known: Known
}

const choose = async (cache: PostgrestCache, call: Call): Promise<Target | Response> => {
  const first = find(cache.current, call)
  if (!(first instanceof Response) || first.status !== 404) return first
  await cache.caughtUp()
  return find(cache.current, call)
}

const find = (known: Known | undefined, { body, fn }: Call): Target | Response => {
  if (known === undefined) return schemaCacheAway()
  const candidates = known.functions.get(fn) ?? []
  const { given } = body
  const fitting = candidates.filter((one) =>
    given === "text" ? takesBody(one, ["text"]) : accepts(one, given)
  )
  const whole = candidates.filter((one) => given !== "text" && takesBody(one, ["json", "jsonb"]))
  const [chosen = whole[0], ...others] = fitting
  if (chosen !== undefined && others.length === 0) return { chosen, known }
  if (chosen !== undefined) return functionAmbiguous(fn, fitting)
  return given === "text" ? textFunctionMissing(fn) : functionMissing(fn, given, known.functions)
}

const execute = async (
  project: Project,
  sql: SQL,
  target: RpcFunction,
  known: Known,
  call: Call
): Promise<Response> => {
  const settings = settingsOf(target, known, call)
  const isolation = settings.default_transaction_isolation ?? "read committed"
  const mode = target.read_only ? "read only" : "read write"
  const { given, text } = call.body
  const isWhole = given === "text" || takesBody(target, ["json", "jsonb"])
  const names = Object.keys(settings)
  const setAll = `select ${names.map((_, n) => `set_config($${2 * n + 1}, $${2 * n + 2}, true)`).join(", ")}`
  for (;;) {
    let isCalling = false
    try {
      const called = await sql.begin(
        `isolation level ${isolation} ${mode}`,
        async (transaction) => {
          await transaction.unsafe(setAll, Object.entries(settings).flat())
          isCalling = true
          const input = { text, given: isWhole ? ("body" as const) : given }
          const result = await callFunction(transaction, target, input, project.maxRows)
          isCalling = false
          return result
        }
      )
      return answerOf(target, called)
    } catch (error) {
      if (isLost(error)) {
        project.cache.suspect()
        const isSilent =
          !isCalling && error instanceof SQL.PostgresError && error.errno === undefined
        return isSilent ? diedSilently() : connectionLost()
      }
      // As in PostgREST before version 16, the call is retried without limit, even after the caller has disconnected.
      const isRepeated = error instanceof SQL.PostgresError && error.errno === "40001"
      if (!isRepeated || project.isClosing()) throw error
      project.onRepeat()
    }
  }
}

/** Sets the role last, because the role cannot change some of the other settings. */
const settingsOf = (
  target: RpcFunction,
  known: Known,
  { caller, fn, headers }: Call
): Readonly<Record<string, string>> => ({
  search_path: '"public", "public", "extensions"',
  ...known.roles.get(caller.role),
  ...target.settings,
  "request.jwt.claims": JSON.stringify(caller.claims),
  "request.method": "POST",
  "request.path": `/rpc/${fn}`,
  "request.headers": JSON.stringify(Object.fromEntries(headers)),
  role: caller.role
})

const answerOf = (target: RpcFunction, called: Called): Response => {
  const { body, response_headers, response_status, rows } = called
  const isSet = target.result.startsWith("set of")
  const last = isSet ? rows - 1 : 0
  const chosen: ReadonlyArray<Record<string, string>> = JSON.parse(response_headers ?? "[]")
  return new Response(body ?? null, {
    status: response_status === null ? (body === undefined ? 204 : 200) : Number(response_status),
    headers: {
      ...(body === undefined ? {} : { "Content-Type": JSON_TYPE }),
      "Content-Range": last < 0 ? "*/*" : `0-${last}/*`,
      Server: `postgrest/${POSTGREST}`,
      ...Object.assign({}, ...chosen)
    }
  })
}
