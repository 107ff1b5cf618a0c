/** The invariants of every simulated world, under all faults. */
export const INVARIANTS: Readonly<Record<number, string>> = {
  0: "the simulation ends without an error and without an endless loop",
  1: "a slot has at most one row and is in at most one range",
  2: "every due slot has a row or is in a recorded range",
  3: "a fenced attempt takes effect at most once, and never after a later attempt has begun; with 'hold', a slot takes effect at most once",
  4: "a completed run took effect",
  5: "a failed or skipped run took no effect",
  6: "only the listed transitions happen; finished rows never change",
  7: "an integration has at most one live run; an engine has at most `concurrency` invocations in flight",
  8: "a write with a stale token, version or slot changes no row",
  9: "a run is sent only with a confirmed start and a live lease, within 20 s; a fenced run takes effect only after it began",
  10: "after the faults end, every run is settled within a bound; a run that stays unknown has an open incident",
  11: "next_run_at only moves forward",
  12: "a held, failing or invalid integration delays no other integration",
  13: "a run has at most max_attempts attempts; no retry starts before its time or before Retry-After has passed",
  14: "(the size limit of a response: see test/Layers/InvokerLive.test.ts)",
  15: "a planted secret never leaves an integration's config",
  16: "after SIGTERM, an engine claims no more slots, releases claimed runs that it has not started, and ends",
  17: "the same seed gives the same trace",
  18: "rows and ranges follow the zone's local time, across DST transitions too",
  19: "an organisation that misbehaves delays other organisations by at most a stated bound",
  20: "no other fetch returns a reserved slot for 15 s; a repeated fetch with the same token returns it again"
}

/**
 * Every transition that an engine may make, as `from>to:function`, optionally followed by an outcome or a reason.
 * `function` is the name of a function in the mirror.
 */
export const TRANSITIONS: ReadonlySet<string> = new Set([
  "null>pending:insert",
  "pending>running:start",
  "running>completed:settle:completed",
  "unknown>completed:settle:completed",
  "pending>completed:settle:completed",
  "running>failed:settle:failed",
  "running>failed:settle:not_executed",
  "unknown>failed:settle:failed",
  "pending>failed:settle:failed",
  "unknown>failed:never_began",
  "running>unknown:settle:unknown",
  "running>unknown:settle:not_executed",
  "running>unknown:settle:failed",
  "pending>unknown:settle:failed",
  "running>unknown:lease_ended",
  "running>pending:settle:not_executed",
  "running>pending:return",
  "unknown>running:heartbeat",
  "unknown>pending:never_began",
  "unknown>pending:on_unknown_retry",
  "unknown>pending:operator_retry",
  "failed>pending:operator_retry",
  "skipped>pending:operator_retry",
  "pending>skipped:disabled",
  "pending>unknown:disabled"
])
