import type { SQL } from "bun"
import { type ApiKeys, type Caller, issueKeys } from "./ApiKeys.ts"
import { ConnectionPool } from "./ConnectionPool.ts"
import { passOn } from "./FunctionProxy.ts"
import { type Fault, GatewayFaults, type Wait } from "./GatewayFaults.ts"
import { type Answer, RESET, serveHttp } from "./HttpServer.ts"
import {
  errorAnswer,
  functionAmbiguous,
  functionMissing,
  sqlErrorAnswer
} from "./PostgrestError.ts"
import { accepts, callFunction, findFunctions, type RpcFunction } from "./RpcFunction.ts"

/** How to start a gateway. */
export interface GatewayOptions {
  readonly databaseUrl: string
  /** Default: new keys. */
  readonly secretKey?: string
  readonly anonKey?: string
  /** Where `/functions/v1/<name>` leads: `<functionsUrl>/<name>`, any origin. Without it no function exists. */
  readonly functionsUrl?: string
  /** Sets are cut to this many rows (default 1000, as on Supabase). */
  readonly maxRows?: number
  /** Connections to the database (default 10). */
  readonly poolSize?: number
  /** How long a call waits for a connection before PGRST003 (default 10 s). */
  readonly poolTimeoutMs?: number
  /** The API's statement_timeout (default 8 s; a function's own `set statement_timeout` wins). */
  readonly statementTimeoutMs?: number
  readonly port?: number
}

/** A running gateway. `url` is what `SUPABASE_URL` is for a project. */
export interface RpcGateway extends ApiKeys {
  readonly url: string
  /** What goes wrong, and how often each function was called. */
  readonly faults: GatewayFaults
  /** A JWT of this project with the given claims, such as `{ role: "authenticated" }`. */
  readonly sign: (claims: Readonly<Record<string, unknown>>) => string
  readonly close: () => Promise<void>
}

/**
 * Serves a database's functions as Supabase does: `POST /rest/v1/rpc/<fn>` with PostgREST's roles, transactions, encoding
 * and errors, and `/functions/v1/<name>` passed on as it is. Faithful for RPC with named arguments only; tables, GET,
 * filters and `Prefer` are not there. One request is one transaction, committed before the answer, whether or not the
 * caller still listens.
 */
export const startGateway = async (options: GatewayOptions): Promise<RpcGateway> => {
  const { keys, sign, authenticate } = issueKeys(options)
  const faults = new GatewayFaults()
  const pool = new ConnectionPool({
    databaseUrl: options.databaseUrl,
    size: options.poolSize ?? 10,
    timeoutMs: options.poolTimeoutMs ?? 10_000
  })
  const known = new Map<string, ReadonlyArray<RpcFunction>>()

  const lookUp = async (sql: SQL, name: string): Promise<ReadonlyArray<RpcFunction>> => {
    const found = known.get(name) ?? (await findFunctions(sql, name))
    if (found.length > 0) known.set(name, found)
    return found
  }

  const execute = async (sql: SQL, target: RpcFunction, call: Call): Promise<Response> => {
    const body = await sql.begin(
      target.read_only ? "read only" : "read write",
      async (transaction) => {
        await transaction`select set_config('search_path', 'public, extensions', true),
        set_config('statement_timeout', ${target.statement_timeout ?? String(options.statementTimeoutMs ?? 8000)}, true),
        set_config('request.jwt.claims', ${JSON.stringify(call.caller.claims)}, true),
        set_config('request.method', 'POST', true), set_config('request.path', ${`/rpc/${call.fn}`}, true),
        set_config('role', ${call.caller.role}, true)`
        return callFunction(transaction, target, call.json, call.given, options.maxRows ?? 1000)
      }
    )
    if (body === undefined) return new Response(null, { status: 204 })
    return new Response(body, {
      headers: { "Content-Type": "application/json; charset=utf-8", "Content-Range": "0-0/*" }
    })
  }

  const answerCall = async (call: Call): Promise<Response> => {
    const borrowed = await pool.acquire()
    if (borrowed === undefined) {
      const message = "Timed out acquiring connection from connection pool."
      return errorAnswer(504, "PGRST003", message)
    }
    const { sql, release } = borrowed
    try {
      const candidates = await lookUp(sql, call.fn)
      const fitting = candidates.filter((candidate) => accepts(candidate, call.given))
      const [target] = fitting
      if (target === undefined) return functionMissing(call.fn, call.given, candidates)
      return fitting.length > 1
        ? functionAmbiguous(call.fn, fitting)
        : await execute(sql, target, call)
    } catch (error) {
      known.delete(call.fn)
      return sqlErrorAnswer(error, call.caller.role)
    } finally {
      release()
    }
  }

  const rpc = async (request: Request, fn: string): Promise<Answer> => {
    const caller = authenticate(request.headers)
    if (caller instanceof Response) return caller
    if (request.method !== "POST") return errorAnswer(405, "PGRST101", "Only POST is served here")
    const profile = request.headers.get("content-profile") ?? "public"
    if (profile !== "public") return errorAnswer(406, "PGRST106", `Invalid schema: ${profile}`)
    const json = (await request.text()) || "{}"
    const args = parseObject(json)
    if (args === undefined) return errorAnswer(400, "PGRST102", "Empty or invalid json")
    const call = { fn, caller, json, given: new Set(Object.keys(args)) }
    return withFault(faults.next({ fn, args, role: caller.role }), () => answerCall(call))
  }

  const forward = async (request: Request, path: string, search: string): Promise<Answer> => {
    const body = await request.bytes()
    const args = parseObject(new TextDecoder().decode(body)) ?? {}
    const fault = faults.next({ fn: `functions/${path.split("/")[0]}`, args, role: "" })
    return withFault(fault, () => passOn(options.functionsUrl, request, path + search, body))
  }

  const route = async (request: Request): Promise<Answer> => {
    const { pathname, search } = new URL(request.url)
    if (pathname.startsWith("/rest/v1/rpc/"))
      return rpc(request, decodeURIComponent(pathname.slice(13)))
    if (pathname.startsWith("/functions/v1/")) return forward(request, pathname.slice(14), search)
    if (!pathname.startsWith("/rest/v1/"))
      return Response.json({ message: "no Route matched" }, { status: 404 })
    const caller = authenticate(request.headers)
    if (caller instanceof Response) return caller
    const table = pathname.slice(9)
    if (table === "") return Response.json({ swagger: "2.0", paths: {} })
    const message = `Could not find the table 'public.${table}' in the schema cache`
    return errorAnswer(404, "PGRST205", message)
  }

  const server = await serveHttp(async (request) => {
    const answer = await route(request)
    if (answer !== RESET && !answer.headers.has("date")) {
      answer.headers.set("Date", new Date(Date.now() + faults.dateOffsetMs).toUTCString())
    }
    return answer
  }, options.port)
  const close = async () => {
    await server.close()
    await pool.close()
  }
  return { ...keys, url: server.url, faults, sign, close }
}

interface Call {
  readonly fn: string
  readonly caller: Caller
  readonly json: string
  readonly given: ReadonlySet<string>
}

const withFault = async (fault: Fault, execute: () => Promise<Answer>): Promise<Answer> => {
  await pause(fault.waitBefore)
  const { instead } = fault
  const answer = instead === undefined || fault.execute === true ? await execute() : undefined
  await pause(fault.waitAfter)
  if (instead === undefined) return answer ?? RESET
  return instead === RESET ? RESET : instead()
}

const pause = async (wait: Wait | undefined): Promise<void> => {
  await (typeof wait === "number" ? Bun.sleep(wait) : wait)
}

const parseObject = (json: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const parsed: unknown = JSON.parse(json)
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined
    return Object.fromEntries(Object.entries(parsed))
  } catch {
    return undefined
  }
}
