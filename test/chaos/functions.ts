/**
 * The functions: `integration-sync` has the fence, and `plain-sync` does not. Each function records one effect in the
 * ledger. The ledger can delay a function before and after the effect.
 */
import { withSyncRun } from "../../supabase/functions/_shared/syncRun.ts"

const ledger = Deno.env.get("LEDGER_URL") ?? ""

const post = async (path: string, body: unknown): Promise<void> => {
  const answer = await fetch(`${ledger}/${path}`, { method: "POST", body: JSON.stringify(body) })
  await answer.text()
}

const book = async (run_id: string, key: string, attempt: number): Promise<void> => {
  await post("gates/begun", { run_id })
  await post("effects", { run_id, key, attempt })
  await post("gates/worked", { run_id })
}

const fenced = withSyncRun(
  async (context) => {
    if (context.config.defer === true) context.defer()
    await book(context.run.id, context.idempotencyKey, context.run.attempt)
    return { booked: context.idempotencyKey }
  },
  { heartbeatEveryMs: 300, rpcTimeoutMs: 2_000 }
)

const plain = async (request: Request): Promise<Response> => {
  const { run_id, idempotency_key, attempt } = await request.json()
  await post("gates/called", { run_id })
  await book(run_id, idempotency_key, attempt)
  return Response.json({ success: true })
}

Deno.serve((request) =>
  new URL(request.url).pathname === "/plain-sync" ? plain(request) : fenced(request)
)
