import type { AnswerFacts, AnswerRule } from "./AnswerRule.ts"

/** Requires both the status and the code to match, because a function may forward another function's headers. */
const says =
  (status: number, code: RegExp) =>
  (facts: AnswerFacts): boolean =>
    facts.status === status && facts.platformCode !== null && code.test(facts.platformCode)

const retried = "The run is retried automatically."

/** Rules for Supabase's own errors. *Source*: https://supabase.com/docs/guides/functions/error-codes */
export const platformRules: ReadonlyArray<AnswerRule> = [
  {
    name: "platform_key_refused",
    when: "401 with `sb-error-code: UNAUTHORIZED_*`",
    matches: says(401, /^UNAUTHORIZED/),
    outcome: "Failed",
    code: "FUNCTION_KEY_REFUSED",
    what: "The platform refused the key",
    why: "the function's verify_jwt setting requires a valid JWT, and an sb_secret_ key is not a JWT",
    fix: "Set verify_jwt = false for a function that checks the apikey header itself, or use the project's service role JWT.",
    speaks: "engine"
  },
  {
    name: "platform_not_found",
    when: "404 with `sb-error-code: NOT_FOUND`",
    matches: says(404, /^NOT_FOUND$/),
    outcome: "Failed",
    code: "FUNCTION_NOT_FOUND",
    what: "The project does not have this function",
    why: "it was never deployed, was deleted, or has another name",
    fix: "Deploy it (supabase functions deploy <name>), or correct SYNC_SCHEDULER_FUNCTION or the integration's function_name.",
    speaks: "engine"
  },
  {
    name: "platform_boot_error",
    when: "503 with `sb-error-code: BOOT_ERROR`",
    matches: says(503, /^BOOT_ERROR$/),
    outcome: "NotExecuted",
    code: "<sb-error-code>",
    what: "The function did not start",
    why: "its code failed before it could accept a request",
    fix: `Check the function's boot log. ${retried}`,
    speaks: "engine"
  },
  {
    name: "platform_load_error",
    when: "503 with `sb-error-code: LOAD_FUNCTION_*`",
    matches: says(503, /^LOAD_FUNCTION_/),
    outcome: "NotExecuted",
    code: "<sb-error-code>",
    what: "The platform could not load the function",
    why: "the function never received the request",
    fix: `If this persists, deploy the function again. ${retried}`,
    speaks: "engine"
  },
  {
    name: "platform_rate_limit",
    when: "429 with `sb-error-code: RATE_LIMIT_EXCEEDED`",
    matches: says(429, /^RATE_LIMIT_EXCEEDED$/),
    outcome: "NotExecuted",
    code: "<sb-error-code>",
    what: "The platform limits how often functions are invoked",
    why: "the request was rejected before it reached the function",
    fix: `If this persists, lower SYNC_SCHEDULER_CONCURRENCY, or run the binary instead of the Edge Function. ${retried}`,
    speaks: "engine"
  },
  {
    name: "platform_idle_timeout",
    when: "504 with `sb-error-code: IDLE_TIMEOUT`",
    matches: says(504, /^IDLE_TIMEOUT$/),
    outcome: "Unknown",
    code: "<sb-error-code>",
    what: "The function did not respond within 150 s",
    why: "its work may still be in progress, or may be done",
    fix: "Make a long sync respond with 202 and report its result later (defer in the fence).",
    speaks: "engine"
  },
  {
    name: "platform_worker_limit",
    when: "546 with `sb-error-code: WORKER_LIMIT` or `WORKER_RESOURCE_LIMIT`",
    matches: says(546, /^WORKER_(RESOURCE_)?LIMIT$/),
    outcome: "Unknown",
    code: "<sb-error-code>",
    what: "The platform stopped the function because it reached a CPU time, memory or wall-clock limit",
    why: "it was running, and its progress is unknown",
    fix: "Sync in smaller batches, or move heavy work out of the function.",
    speaks: "engine"
  },
  {
    name: "platform_worker_error",
    when: "500 with `sb-error-code: WORKER_ERROR` or `EDGE_FUNCTION_ERROR`",
    matches: says(500, /^(WORKER|EDGE_FUNCTION)_ERROR$/),
    outcome: "Unknown",
    code: "<sb-error-code>",
    what: "The function threw an error and did not catch it",
    why: "it may have done its work before the error",
    fix: 'Catch errors in the function and return {"error": {"code", "message"}}, as the fence does.',
    speaks: "engine"
  },
  {
    name: "platform_other",
    when: "5xx with any other `sb-error-code`",
    matches: ({ status, platformCode }) => status >= 500 && status < 600 && platformCode !== null,
    outcome: "Unknown",
    code: "<sb-error-code>",
    what: "The platform responded with an error",
    why: "it does not say whether the function ran",
    fix: "See https://supabase.com/docs/guides/functions/error-codes",
    speaks: "engine"
  }
]
