/**
 * An in-memory stand-in for the three database functions of the fence, so that tests can lose responses. Handlers and tests wait
 * for each other through gates and events.
 */
export const secretKey = "sb_secret_test_0123456789"
export const legacyKey = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"

export type Rpc = "begin_sync_run" | "heartbeat_sync_run" | "complete_sync_run"

/**
 * What happens to a call. `gateway`: executed, answered with a 502 page · `cut`: executed, truncated response · `hang`:
 * executed, no response · `busy`: not executed, 503 · `denied`: not executed, 401.
 */
export type Fault = "gateway" | "cut" | "hang" | "busy" | "denied"

export interface Row {
  readonly leaseToken: string
  status: "running" | "unknown" | "completed" | "failed" | "pending"
  nonce: string | null
  heartbeats: number
  error: unknown
  response: unknown
}

export interface Call {
  readonly rpc: string
  readonly args: Record<string, unknown>
  readonly headers: Headers
}

export const startLedger = () => {
  const rows = new Map<string, Row>()
  const calls: Call[] = []
  const events: string[] = []
  const faults = new Map<string, Fault[]>()
  const openGates = new Set<string>()
  const watchers = new Set<() => void>()
  const changed = () => {
    for (const watcher of [...watchers]) watcher()
  }

  const until = <A>(look: () => A | false | undefined): Promise<A> =>
    new Promise((resolve) => {
      const watcher = () => {
        const found = look()
        if (found === false || found === undefined) return
        watchers.delete(watcher)
        resolve(found)
      }
      watchers.add(watcher)
      watcher()
    })

  const apply = (rpc: string, args: Record<string, unknown>): Record<string, unknown> => {
    const row = rows.get(String(args.p_run_id))
    const isOwner = row !== undefined && row.leaseToken === args.p_lease_token
    switch (rpc) {
      case "begin_sync_run": {
        if (!isOwner) return { granted: false, reason: "token_mismatch" }
        if (row.status !== "running") return { granted: false, reason: "not_running" }
        if (row.nonce !== null && row.nonce !== args.p_nonce) {
          return { granted: false, reason: "already_begun" }
        }
        row.nonce = String(args.p_nonce)
        return { granted: true }
      }
      case "heartbeat_sync_run": {
        if (!isOwner || !["running", "unknown"].includes(row.status)) return { accepted: false }
        row.status = "running"
        row.heartbeats += 1
        return { accepted: true, status: row.status }
      }
      case "complete_sync_run": {
        if (!isOwner) return { accepted: false, reason: "token_mismatch" }
        const isLive = ["running", "unknown", "pending"].includes(row.status)
        if (!isLive) return { accepted: row.status === args.p_status, status: row.status }
        row.status = args.p_status === "completed" ? "completed" : "failed"
        row.error = args.p_error
        row.response = args.p_response
        return { accepted: true, status: row.status }
      }
      default:
        return {}
    }
  }

  const answerRpc = async (request: Request, rpc: string): Promise<Response> => {
    const parsed: unknown = await request.json()
    const args = Object.fromEntries(Object.entries(Object(parsed)))
    const key = request.headers.get("apikey")
    calls.push({ rpc, args, headers: request.headers })
    const fault = faults.get(`${rpc} ${args.p_run_id}`)?.shift()
    if (fault === "denied" || (key !== secretKey && key !== legacyKey)) {
      changed()
      return Response.json({ code: "PGRST301", message: "denied" }, { status: 401 })
    }
    if (fault === "busy") {
      changed()
      return Response.json({ code: "PGRST002" }, { status: 503 })
    }
    const answer = JSON.stringify(apply(rpc, args))
    changed()
    switch (fault) {
      case "gateway":
        return new Response("<html>Bad gateway</html>", { status: 502 })
      case "cut":
        return new Response(answer.slice(0, 6))
      case "hang":
        return new Promise(() => {})
      default:
        return new Response(answer, { headers: { "content-type": "application/json" } })
    }
  }

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: async (request) => {
      const path = new URL(request.url).pathname
      const rpc = /^\/rest\/v1\/rpc\/(\w+)$/.exec(path)?.[1]
      if (rpc !== undefined) return answerRpc(request, rpc)
      if (path.startsWith("/events/")) {
        events.push(decodeURIComponent(path.slice("/events/".length)))
        changed()
        return new Response("noted")
      }
      if (path.startsWith("/gates/")) {
        const gate = decodeURIComponent(path.slice("/gates/".length))
        events.push(`waiting ${gate}`)
        changed()
        await until(() => openGates.has(gate))
        return new Response("open")
      }
      return new Response("not found", { status: 404 })
    }
  })

  return {
    url: `http://127.0.0.1:${server.port}`,
    calls,
    events,
    until,
    start: (runId: string, leaseToken: string): Row => {
      const row: Row = {
        leaseToken,
        status: "running",
        nonce: null,
        heartbeats: 0,
        error: undefined,
        response: undefined
      }
      rows.set(runId, row)
      return row
    },
    /** Makes this run's next calls to `rpc` fail, in order. */
    injectFaults: (rpc: Rpc, runId: string, ...kinds: Fault[]) => {
      faults.set(`${rpc} ${runId}`, kinds)
    },
    callsOf: (rpc: Rpc, runId: string) =>
      calls.filter((call) => call.rpc === rpc && call.args.p_run_id === runId),
    openGate: (gate: string) => {
      openGates.add(gate)
      changed()
    },
    stop: () => server.stop(true)
  }
}

export type LedgerStandIn = ReturnType<typeof startLedger>
