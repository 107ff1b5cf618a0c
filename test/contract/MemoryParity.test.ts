import { afterAll, beforeAll, expect, test } from "bun:test"
import type { SQL } from "bun"
import { connect, createDatabase, type TestDatabase } from "../support/Postgres.ts"
import { type Outcome, PARITY_SQL, Parity, type Step } from "./Parity.ts"
import { ParitySteps } from "./ParitySteps.ts"

// The simulation relies on the in-memory mirror of the SQL functions, so this test compares the two after random sequences of
// steps. Sequences 298 to 369 cover every response and transition below. `bun run parity` runs 2,000 sequences.
const FIRST = 298
const SEQUENCES = Number(process.env.PARITY_SEQUENCES ?? 75)
const STEPS = 80
const TIMEOUT_MS = 2_500 * SEQUENCES
const START = Date.UTC(2026, 10, 24, 2, 0, 0)

let database: TestDatabase
let sql: SQL

beforeAll(async () => {
  database = await createDatabase({ sql: PARITY_SQL })
  sql = connect(database.url, { max: 1 })
  await sql.unsafe("set timezone = 'UTC'")
}, 120_000)

afterAll(async () => {
  await sql.close()
  await database.drop()
})

/** Summarises an outcome as keywords, so that the test can assert that every branch occurred. */
const describeStep = (step: Step, { raw }: Outcome): ReadonlyArray<string> => {
  if (!("call" in step)) return ["edit" in step ? "edit" : "remove"]
  const text = JSON.stringify(raw.sql)
  const words = text.matchAll(/"(?:reason|granted|done|accepted)":"?(\w+)/g)
  const counts = text.matchAll(/"(expired|proven|requeued|released|skipped|advanced)":[1-9]/g)
  const raised = text.includes('"raised"') ? ["raised"] : []
  const all = [...words, ...counts].map(([, word]) => word).concat(raised)
  return [step.call, ...all.map((word) => `${step.call}: ${word}`)]
}

const ANSWERS: Readonly<Record<string, ReadonlyArray<string>>> = {
  begin_sync_run: [
    ...["true", "already_begun", "lease_ended", "not_found", "not_running", "token_mismatch"]
  ],
  claim_sync_runs: [
    ...["already_recorded", "already_running", "breaker_open", "disabled", "gone", "lost_race"],
    ...["not_due", "rejected", "schedule_changed", "schedule_error", "advanced", "raised"]
  ],
  complete_sync_run: ["true", "finished", "not_found", "token_mismatch", "raised"],
  heartbeat_sync_run: ["true", "not_found", "not_running", "released", "token_mismatch"],
  open_sync_tick: ["expired", "proven", "released", "requeued", "skipped"],
  pause_integration: ["true", "already_paused", "not_found", "raised"],
  release_sync_claims: ["released"],
  release_sync_run: ["true", "already_released", "not_found", "status_is_completed", "raised"],
  resume_integration: ["true", "not_found", "not_paused"],
  retry_sync_run: [
    ...["true", "already_running", "disabled", "gone", "not_found", "status_is_completed"],
    ...["status_is_pending", "status_is_running", "raised"]
  ],
  settle_sync_runs: ["true", "false", "finished", "not_found", "token_mismatch"],
  start_sync_runs: [
    ...["api_limit", "api_throttled", "claimed_by_another", "disabled", "gone", "lost_race"],
    "not_before"
  ],
  sweep_sync_runs: ["expired", "proven", "released", "requeued", "skipped"],
  trigger_sync_run: ["true", "already_running", "disabled", "not_found"]
}

const TRANSITIONS = [
  "failed > pending: operator_retry",
  "null > pending: insert",
  "pending > completed: settle:completed",
  "pending > failed: settle:failed",
  "pending > running: start",
  "pending > skipped: disabled",
  "pending > unknown: disabled",
  "pending > unknown: settle:failed",
  "running > completed: settle:completed",
  "running > pending: return",
  "running > failed: settle:failed",
  "running > failed: settle:not_executed",
  "running > pending: settle:not_executed",
  "running > unknown: lease_ended",
  "running > unknown: settle:failed",
  "running > unknown: settle:not_executed",
  "running > unknown: settle:unknown",
  "skipped > pending: operator_retry",
  "unknown > completed: settle:completed",
  "unknown > failed: never_began",
  "unknown > failed: settle:failed",
  "unknown > pending: never_began",
  "unknown > pending: on_unknown_retry",
  "unknown > pending: operator_retry",
  "unknown > running: heartbeat"
]

/**
 * Most sequences use generic plans, because PostgreSQL would otherwise spend 40 % of the time on plans for single values. Every
 * tenth sequence lets PostgreSQL choose.
 */
const planModeOf = (seed: number) => (seed % 10 === 0 ? "auto" : "force_generic_plan")

const runSequence = async (seed: number, seen: Set<string>): Promise<void> => {
  await sql.unsafe("begin")
  await sql.unsafe(`set local plan_cache_mode = ${planModeOf(seed)}`)
  try {
    const parity = new Parity(sql, START)
    const steps = new ParitySteps(parity, seed)
    for (let n = 0; n < 5; n++) await steps.addIntegration()
    const cursors: { sql: string | undefined; memory: string | undefined } = {
      sql: undefined,
      memory: undefined
    }
    for (let n = 0; n < STEPS; n++) {
      if (steps.random.chance(0.5)) steps.advance()
      const drawn = steps.next()
      const isPaged = "call" in drawn && drawn.call === "read_due_integrations"
      const isNext = isPaged && cursors.sql !== undefined && cursors.memory !== undefined
      const step = isNext ? { ...drawn, args: { ...drawn.args, p_cursor: cursors.memory } } : drawn
      const outcome = await parity.take(step, isNext ? { p_cursor: cursors.sql } : {})
      const where = { seed, n, step: JSON.stringify(step) }
      expect({ ...where, ...outcome.memory }).toEqual({ ...where, ...outcome.sql })
      for (const word of describeStep(step, outcome)) seen.add(word)
      for (const { from, to, why } of parity.db.transitions) seen.add(`${from} > ${to}: ${why}`)
      if (isPaged) {
        cursors.sql = cursorOf(outcome.raw.sql)
        cursors.memory = cursorOf(outcome.raw.memory)
      }
    }
  } finally {
    await sql.unsafe("rollback")
  }
}

const cursorOf = (answer: unknown): string | undefined =>
  typeof answer === "object" && answer !== null && "cursor" in answer
    ? ((answer.cursor as string | null) ?? undefined)
    : undefined

test(
  "PostgreSQL and the mirror have the same responses and rows after every step",
  async () => {
    const seen = new Set<string>()
    for (let n = 0; n < SEQUENCES; n++) await runSequence(FIRST + n, seen)
    const expected = Object.entries(ANSWERS).flatMap(([call, words]) =>
      words.map((word) => `${call}: ${word}`)
    )
    const all = ["edit", "remove", ...Object.keys(ANSWERS), ...expected, ...TRANSITIONS]
    expect(all.filter((word) => !seen.has(word))).toEqual([])
  },
  TIMEOUT_MS
)
