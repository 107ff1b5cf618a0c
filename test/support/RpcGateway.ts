import { type ApiKeys, issueKeys } from "./ApiKeys.ts"
import { ConnectionPool } from "./ConnectionPool.ts"
import { passOn } from "./FunctionProxy.ts"
import { type Fault, GatewayFaults, type Wait } from "./GatewayFaults.ts"
import { type Answer, RESET, serveHttp } from "./HttpServer.ts"
import { PostgrestCache } from "./PostgrestCache.ts"
import { answerCall } from "./PostgrestCall.ts"
import { errorAnswer } from "./PostgrestError.ts"
import { readBody, refuse } from "./PostgrestRequest.ts"

export interface GatewayOptions {
  readonly databaseUrl: string
  readonly secretKey?: string
  readonly anonKey?: string
  /** The base URL to which `/functions/v1/<name>` is forwarded. */
  readonly functionsUrl?: string
  /** The maximum number of rows in a returned set (default 1000, as on Supabase). */
  readonly maxRows?: number
  readonly poolSize?: number
  /** How long a call waits for a connection before it gets PGRST003, in ms (default 10 s). */
  readonly poolTimeoutMs?: number
  /** In ms; by default the timeout of `authenticator`. A function's own timeout takes precedence. */
  readonly statementTimeoutMs?: number
  /** The pause before the schema is read again after an outage, in ms (default 1 s). Doubles with each retry, up to 32 s. */
  readonly reloadPauseMs?: number
  readonly port?: number
}

export interface RpcGateway extends ApiKeys {
  readonly url: string
  readonly faults: GatewayFaults
  readonly sign: (claims: Readonly<Record<string, unknown>>) => string
  readonly close: () => Promise<void>
}

/** Supports only RPC with named arguments and `/functions/v1/<name>`. Tables, GET, filters and `Prefer` are missing. */
export const startGateway = async (options: GatewayOptions): Promise<RpcGateway> => {
  const { keys, sign, authenticate } = issueKeys(options)
  const { databaseUrl, statementTimeoutMs } = options
  const faults = new GatewayFaults()
  let isClosing = false
  const cache: PostgrestCache = new PostgrestCache({
    databaseUrl,
    pauseMs: options.reloadPauseMs ?? 1_000,
    onRecovered: () => pool.flush()
  })
  const pool = new ConnectionPool({
    databaseUrl,
    size: options.poolSize ?? 10,
    timeoutMs: options.poolTimeoutMs ?? 10_000,
    settings: () => ({
      ...cache.current?.roles.get("authenticator"),
      ...(statementTimeoutMs === undefined ? {} : { statement_timeout: `${statementTimeoutMs}` })
    })
  })
  const maxRows = options.maxRows ?? 1000
  const onRepeat = () => {
    faults.repeated += 1
  }
  const project = { databaseUrl, pool, cache, maxRows, isClosing: () => isClosing, onRepeat }
  await cache.start()

  const rpc = async (request: Request, fn: string): Promise<Answer> => {
    const caller = authenticate(request.headers)
    if (caller instanceof Response) return caller
    if (fn.includes("/"))
      return errorAnswer(404, "PGRST125", "Invalid path specified in request URL")
    const refused = refuse(request)
    if (refused !== undefined) return refused
    const body = await readBody(request)
    if (body instanceof Response) return body
    return withFault(faults.next({ fn, args: body.args, role: caller.role }), () =>
      answerCall(project, { fn, caller, body, headers: request.headers })
    )
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
  // Aborts and rolls back calls in flight, as PostgREST does on SIGTERM.
  const close = async () => {
    isClosing = true
    await server.close()
    await pool.close()
    await cache.close()
  }
  return { ...keys, url: server.url, faults, sign, close }
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
