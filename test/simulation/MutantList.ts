/** A safeguard and the edits that remove it. Each `find` occurs exactly once in its file. */
export interface Mutant {
  readonly name: string
  readonly where: "engine" | "SQL mirror" | "function"
  readonly edits: ReadonlyArray<{
    readonly file: string
    readonly find: string
    readonly replace: string
  }>
}

const mutant =
  (where: Mutant["where"], file: string) =>
  (name: string, ...edits: ReadonlyArray<readonly [find: string, replace: string]>): Mutant => ({
    name,
    where,
    edits: edits.map(([find, replace]) => ({ file, find, replace }))
  })

const invocations = mutant("engine", "src/Engine/Invocations.ts")
const starts = mutant("engine", "src/Engine/Starts.ts")
const fairShare = mutant("engine", "src/Domain/FairShare.ts")
const claimLoop = mutant("engine", "src/Engine/ClaimLoop.ts")
const queue = mutant("engine", "src/Engine/QueueState.ts")
const outcome = mutant("engine", "src/Domain/Outcome.ts")
const platform = mutant("engine", "src/Domain/Answers/PlatformError.ts")
const database = mutant("SQL mirror", "test/support/MemoryDatabase.ts")
const claim = mutant("SQL mirror", "test/support/MemoryClaim.ts")
const run = mutant("SQL mirror", "test/support/MemoryRun.ts")
const settle = mutant("SQL mirror", "test/support/MemorySettle.ts")
const sweep = mutant("SQL mirror", "test/support/MemorySweep.ts")
const schedule = mutant("SQL mirror", "test/support/MemorySchedule.ts")

const together = (name: string, ...mutants: ReadonlyArray<Mutant>): Mutant => ({
  name,
  where: mutants[0]?.where ?? "engine",
  edits: mutants.flatMap(({ edits }) => edits)
})

/** The safeguards under test. The advisory lock, the jitter and the batches are omitted: their removal alone does no harm. */
export const MUTANTS: ReadonlyArray<Mutant> = [
  invocations("a run is sent within 20 s of the request for its start", [
    "const SEND_WITHIN_MS = 20_000",
    "const SEND_WITHIN_MS = 2_000_000"
  ]),
  starts(
    "only a confirmed start is sent",
    ['if (answer?._tag === "Started") {', "if (answer !== undefined) {"],
    [
      "run: { ...answer.run, lease_token",
      'run: { ...("run" in answer ? answer.run : claimed.run), lease_token'
    ]
  ),
  together(
    "at most `concurrency` invocations are in flight",
    invocations(
      "",
      ["Arr.range(1, concurrency)", "Arr.range(1, concurrency + 2)"],
      ["{ concurrency, discard: true }", '{ concurrency: "unbounded", discard: true }']
    ),
    queue("", ["Math.min(concurrency - started.open, 1)", "1"])
  ),
  together(
    "a tick's queue holds a run once, and a batch with two starts of a run recognises both",
    mutant("engine", "src/Engine/Claims.ts")("", [
      "const waiting = claimed.map(",
      "const waiting = pending.map("
    ]),
    mutant("engine", "src/Layers/LedgerLive.ts")("", [
      "if (started.delete(run_id) && start !== undefined)",
      "if (start !== undefined)"
    ])
  ),
  fairShare("a free permit goes to the organisation with the fewest permits", [
    "return a.organisation.open < b.organisation.open",
    "return a.organisation.open > b.organisation.open"
  ]),
  queue("no organisation gets the last permit while others are waiting", [
    "FairShare.take(started, Math.min(concurrency - started.open, 1), mostOfOne)",
    "FairShare.take(started, Math.min(concurrency - started.open, 1), concurrency + 0 * mostOfOne)"
  ]),
  claimLoop("newly due slots are claimed while runs are in progress", [
    "const LOOK_EVERY_MS = 5_000",
    "const LOOK_EVERY_MS = 5_000_000"
  ]),
  claimLoop("a fetch excludes organisations that already have waiting runs", [
    "excludedOrgs: [...waiting, ...lateOrgs(progress)]",
    "excludedOrgs: [...lateOrgs(progress)]"
  ]),
  starts("claimed runs that were not started are released", [
    "ledger.release(runIds)",
    "Effect.succeed(runIds)"
  ]),
  outcome(
    "a timeout proves nothing",
    ['case "TimedOut":\n      return noAnswer(', 'case "TimedOut":\n      return notExecuted('],
    [
      "const noAnswer =",
      "const notExecuted = (code: string, message: string): Outcome => ({ _tag: 'NotExecuted', httpStatus: null, code, message, retryAfterMs: null })\n\nconst noAnswer ="
    ]
  ),
  platform("the platform's 504 proves nothing", [
    'when: "504 with `sb-error-code: IDLE_TIMEOUT`",\n    matches: says(504, /^IDLE_TIMEOUT$/),\n    outcome: "Unknown"',
    'when: "504 with `sb-error-code: IDLE_TIMEOUT`",\n    matches: says(504, /^IDLE_TIMEOUT$/),\n    outcome: "NotExecuted"'
  ]),
  mutant("engine", "src/Domain/Retry.ts")("a retry waits as long as Retry-After says", [
    "retryAfterMs === null ? 0 : Math.max(retryAfterMs, 1_000)",
    "0"
  ]),
  mutant("engine", "src/Domain/CatchUp.ts")("skipped slots are recorded", [
    "if (upTo < first) return null",
    "if (upTo < first || reason !== null) return null"
  ]),
  mutant("engine", "src/Domain/Schedule/Schedule.ts")(
    "interval-like schedules follow elapsed time",
    ["const intervalLike = isIntervalLike(fields)", "const intervalLike = fields.length === 0"]
  ),

  database("a slot has one row", ["if (this.slots.has(full.idempotency_key)) return null", ""]),
  together(
    "an integration has one live run",
    database("", [
      "if (isLive(full) && this.liveRun(full.integration_id) !== undefined) return null",
      ""
    ]),
    claim("", ['return "already_running"\n  return null', "return null\n  return null"])
  ),
  claim("a claim requires the next_run_at that was read", ["i.next_run_at !== expected ||", ""]),
  claim("a claim requires the schedule_version that was read", [
    'if (i.schedule_version !== slot.schedule_version) return "schedule_changed"',
    ""
  ]),
  claim("only its claimer releases a claim", [
    'run?.status === "pending" && run.claimed_by === engineId',
    'run?.status === "pending"'
  ]),
  run("only a pending run starts", [
    'run.status !== "pending" || run.lease_token === leaseToken',
    "run.lease_token === leaseToken"
  ]),
  run("an engine does not start another engine's fresh claim", [
    'if (isAnothers && !isFree(run, now, adoptAfterSeconds)) return "claimed_by_another"',
    ""
  ]),
  together(
    "a disabled integration starts nothing",
    run("", [
      'if (db.integrations.get(run.integration_id)?.enabled !== true) return "disabled"',
      ""
    ]),
    claim("", ["      i?.enabled === true &&\n", "      i !== undefined &&\n"])
  ),
  together(
    "a retry waits for its time",
    run("", ['if (run.not_before !== null && run.not_before > now) return "not_before"', ""]),
    claim("", ["(run.not_before === null || run.not_before <= now) &&\n", "\n"])
  ),
  settle("settling requires the lease token", [
    "if (leaseToken === null || run.lease_token !== leaseToken) {\n    return { run_id: runId",
    'if (leaseToken === "") {\n    return { run_id: runId'
  ]),
  together(
    "a finished run never changes",
    settle("", [
      'if (run.status !== "pending" && run.status !== "running" && run.status !== "unknown") return null\n  if (run.status !== "running" && outcome !== "completed" && outcome !== "failed") return null',
      ""
    ]),
    database("", ["if (!isRetry) throw", "if (!isRetry && run.id === '') throw"])
  ),
  run("a later attempt keeps the ambiguity of an earlier one", [
    "ambiguous_before: run.ambiguous",
    "ambiguous_before: false"
  ]),
  settle("failed means that no attempt is ambiguous", [
    'return run.ambiguous_before ? "unknown" : "failed"\n    case "accepted"',
    'return "failed"\n    case "accepted"'
  ]),
  settle("a run that began was executed", ['if (run.began_at !== null) return "unknown"', ""]),
  together(
    "attempts are counted",
    settle("", ['if (run.attempt < run.max_attempts) return "pending"', 'return "pending"']),
    sweep("", ["const isLeft = run.attempt < run.max_attempts", "const isLeft = run.attempt < 99"])
  ),
  run("beginning requires the lease token", [
    'return refused("token_mismatch")\n  if (run.status !== "running") return refused("not_running")\n  if (run.lease_until',
    'return { granted: true }\n  if (run.status !== "running") return refused("not_running")\n  if (run.lease_until'
  ]),
  run("only a running run begins", [
    'if (run.status !== "running") return refused("not_running")\n  if (run.lease_until',
    "if (run.lease_until"
  ]),
  run("no run begins after its lease has ended", [
    "run.lease_until === null || run.lease_until <= now",
    "run.lease_until === null"
  ]),
  run("a run begins once", [
    "if (run.began_at !== null && !isAsked) return",
    "if (run.began_at === 0 && !isAsked) return"
  ]),
  run("a heartbeat requires the lease token", [
    'return refused("token_mismatch")\n  if (run.status === "unknown" && run.released_at !== null)',
    'leaseToken = run.lease_token\n  if (run.status === "unknown" && run.released_at !== null)'
  ]),
  settle("an ambiguous run raises an incident", [
    'if (to === "unknown") db.raise("unknown", run.id)\n  else if',
    "if"
  ]),
  together(
    "a retry waits until the function must have ended",
    settle("", ["? lastSignOfLife(run) + quiescenceSeconds * 1000", "? now"]),
    sweep("", ["not_before: lastSignOfLife(run) + quiescenceSeconds * 1000", "not_before: now"])
  ),
  sweep("'hold' is never retried automatically", [
    'onUnknownOf(run) !== "hold" && (run.not_before',
    "(run.not_before"
  ]),
  sweep("only the fence proves that nothing happened", ["  run.fenced &&\n", ""]),
  sweep("a run that began is never proven idle", ["  run.began_at === null &&\n", ""]),
  sweep("a run whose lease ended is swept", [
    "for (const run of [...leased, ...unleased])",
    "for (const run of unleased)"
  ]),
  claim("an orphaned claim is adopted", [
    "run.claimed_by === null || (run.claimed_at ?? run.created_at) + adoptAfterSeconds * 1000 <= now",
    "run.claimed_by === null"
  ]),
  claim("a slot that was fetched and never claimed becomes due again", [
    "i.reserved_until = now + RESERVED_MS",
    "i.reserved_until = now + 1e12"
  ]),
  claim("no other fetch returns a reserved slot", ["i.reserved_until <= now ||", "true ||"]),
  claim("a repeated fetch returns the same integrations", [
    "          i.fetch_token === fetchToken ||\n",
    ""
  ]),
  claim("a repeated fetch returns the same pending runs", [
    " || run.claim_token === fetchToken)",
    ")"
  ]),
  schedule("slots skipped by an edit are recorded", [
    "  db.ranges.push({",
    "  const none: Array<unknown> = []\n  none.push({"
  ]),
  mutant("function", "test/simulation/Isolate.ts")("a function that may not begin does nothing", [
    "if (begun?.granted !== true) return refuse",
    "if (begun?.granted === undefined) return refuse"
  ])
]
