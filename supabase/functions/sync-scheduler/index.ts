import { carriesKey, isRecord, readProject } from "../_shared/syncRun.ts"
// The binary's engine, bundled into one file without dependencies.
// @ts-types="./engine.d.ts"
import { type EdgeEngine, makeEdgeEngine } from "./engine.js"

/** The time limit for a response, in ms. The platform ends an unanswered request after 150 s, but the function can continue. */
const ANSWER_WITHIN_MS = 140_000

const ticketForm = /^[0-9a-f]{64}$/

/** When the isolate shuts down, a tick records the runs in progress and releases all others. */
const ending = new AbortController()
addEventListener("beforeunload", () => ending.abort())

/**
 * Runs one tick for a caller with a secret key in `apikey`, or with a ticket from the database in `x-sync-ticket`. Responds with
 * the summary and 200, or 500 if the tick failed. If the tick takes too long or the request has `Prefer: respond-async`, responds
 * with 202, and the summary is only in `sync_tick`.
 */
const handle = async (request: Request): Promise<Response> => {
  if (request.method !== "POST") return refuse(405, "METHOD_NOT_ALLOWED", "Use POST")
  const project = readProject({})
  if (typeof project === "string") return refuse(500, "CONFIGURATION", project)
  const ticket = request.headers.get("x-sync-ticket") ?? ""
  const hasKey = await carriesKey(request, project.callerKeys)
  if (!hasKey && !ticketForm.test(ticket)) return unauthorized()
  try {
    const engine = makeEdgeEngine({
      ...Deno.env.toObject(),
      SUPABASE_URL: project.url,
      SUPABASE_SECRET_KEY: project.key
    })
    if (!hasKey && !(await engine.redeem(ticket))) return unauthorized()
    return await answer(engine, /\brespond-async\b/i.test(request.headers.get("prefer") ?? ""))
  } catch (error) {
    console.error(error)
    return refuse(500, "ENGINE", hasKey ? String(error) : "See the function's log for the cause")
  }
}

const answer = async (engine: EdgeEngine, isAsync: boolean): Promise<Response> => {
  const ticking = engine.tick(ending.signal)
  // The tick continues after the response.
  background(ticking.catch((error) => console.error(error)))
  const waiting = isAsync ? undefined : await patiently(ticking)
  return waiting === undefined
    ? Response.json({ accepted: true }, { status: 202 })
    : Response.json(waiting.summary, { status: waiting.ok ? 200 : 500 })
}

/** Returns undefined if the work takes longer than `ANSWER_WITHIN_MS`. */
const patiently = async <A>(work: Promise<A>): Promise<A | undefined> => {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), ANSWER_WITHIN_MS)
  return await Promise.race([work, late.promise]).finally(() => clearTimeout(timer))
}

const background = (work: Promise<unknown>): void => {
  const runtime: unknown = Reflect.get(globalThis, "EdgeRuntime")
  if (isRecord(runtime) && typeof runtime.waitUntil === "function") runtime.waitUntil(work)
}

const unauthorized = (): Response =>
  refuse(401, "UNAUTHORIZED", "Send a secret key of the project in apikey, or an unused ticket")

const refuse = (status: number, code: string, message: string): Response =>
  Response.json({ errors: [{ code, message }] }, { status })

Deno.serve(handle)
