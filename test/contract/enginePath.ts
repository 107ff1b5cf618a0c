import { expect } from "bun:test"
import { randomUUID } from "node:crypto"
import { Schema } from "effect"
import * as Rpc from "../../src/Database/Rpc.ts"
import * as TickRpc from "../../src/Database/TickRpc.ts"
import { DueIntegration } from "../../src/Domain/Integration.ts"
import { Run } from "../../src/Domain/Run.ts"
import { SCHEMA_VERSION } from "../../src/Version.ts"
import type { Caller, Subject } from "./SupabaseContract.ts"

const decodeDue = Schema.decodeUnknownSync(Schema.Array(DueIntegration))
const decodeRuns = Schema.decodeUnknownSync(Schema.Array(Run))

const slotAt = Date.UTC(2026, 0, 1, 6)
const nextAt = Date.UTC(2099, 0, 1, 6)

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

const insertDue = (first: number, count: number) => `
truncate public.organization_integrations, public.sync_run_log cascade;
insert into public.organization_integrations
  (id, org_id, integration_type, sync_schedule, timezone, next_run_at, schedule_since, config)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '${uuid(7)}', 'xledger',
       '0 6 * * *', 'Europe/Oslo', '2026-01-01T06:00:00Z', '2025-01-01T00:00:00Z', '{"name": "Blåbær ''1''"}'
  from generate_series(${first}, ${first + count - 1}) n`

const open = (caller: Caller, p_tick_id: string) =>
  caller.call(TickRpc.openTick, {
    p_tick_id,
    p_engine_id: "contract",
    p_options: {
      engine_version: "0.0.0",
      adopt_after_seconds: 10,
      drift_alert_seconds: 300,
      quiescence_seconds: 430,
      running_guard_seconds: 1800,
      limit: 100
    }
  })

const claim = (caller: Caller, due: ReadonlyArray<DueIntegration>, p_claim_token: string) =>
  caller.call(Rpc.claimRuns, {
    p_engine_id: "contract",
    p_claim_token,
    p_slots: due.map((one) => ({
      integration_id: one.integration_id,
      org_id: one.org_id,
      schedule_version: one.schedule_version,
      expected_next_run_at: one.next_run_at,
      scheduled_for: one.next_run_at,
      trigger: "schedule" as const,
      next_run_at: nextAt,
      skipped_range: null,
      schedule_error: null
    }))
  })

/** Takes one due slot through the real functions of a tick. */
export const tickOnce = async (subject: Subject, caller: Caller): Promise<void> => {
  await subject.execute(insertDue(1, 1))
  const tick = randomUUID()
  const opened = await open(caller, tick)
  expect(opened).toMatchObject({
    schema_version: SCHEMA_VERSION,
    idle: false,
    pending: [],
    more: false
  })
  expect(opened.swept).toEqual({ expired: 0, proven: 0, requeued: 0, released: 0, skipped: 0 })
  const due = decodeDue(opened.integrations)
  expect(due).toEqual([
    {
      integration_id: uuid(1),
      org_id: uuid(7),
      integration_type: "xledger",
      sync_schedule: "0 6 * * *",
      timezone: "Europe/Oslo",
      next_run_at: slotAt,
      schedule_version: 1,
      schedule_since: Date.UTC(2025, 0, 1),
      catch_up: "latest",
      catch_up_window_ms: null
    }
  ])

  const token = randomUUID()
  const claims = await claim(caller, due, token)
  expect(claims.skipped).toEqual([])
  const [run] = decodeRuns(claims.claimed)
  expect(run).toMatchObject({
    org_id: uuid(7),
    integration_id: uuid(1),
    integration_type: "xledger",
    scheduled_for: slotAt,
    trigger: "schedule",
    status: "pending",
    attempt: 0,
    max_attempts: 3,
    idempotency_key: `${uuid(1)}:2026-01-01T06:00:00.000Z`,
    claimed_by: "contract"
  })
  expect(run?.config).toBeUndefined()
  const repeated = await claim(caller, due, token)
  expect(decodeRuns(repeated.claimed).map((one) => one.run_id)).toEqual([run?.run_id ?? ""])

  const lease_token = randomUUID()
  const started = await caller.call(Rpc.startRuns, {
    p_engine_id: "contract",
    p_starts: [
      {
        run_id: run?.run_id ?? "",
        lease_token,
        lease_seconds: 215
      }
    ],
    p_adopt_after_seconds: 10,
    p_drift_alert_seconds: 300
  })
  expect(started.skipped).toEqual([])
  expect(started.started).toMatchObject([{ attempt: 1, config: { name: "Blåbær '1'" } }])

  const settled = await caller.call(Rpc.settleRuns, {
    p_engine_id: "contract",
    p_settlements: [
      {
        run_id: run?.run_id ?? "",
        lease_token,
        outcome: "completed",
        http_status: 200,
        response: { rows: 3, note: "ferdig ✓" }
      }
    ],
    p_quiescence_seconds: 430
  })
  expect(settled.settled).toMatchObject([{ accepted: true, status: "completed" }])

  const finished = await caller.call(TickRpc.finishTick, {
    p_tick_id: tick,
    p_engine_id: "contract",
    p_summary: { due: 1, triggered: 1, completed: 1, failed: 0, runs: [], errors: [] },
    p_clock_skew_ms: -3
  })
  expect(finished.finished).toBe(true)
  expect((await open(caller, randomUUID())).idle).toBe(true)
  const rows = await subject.execute(
    "select status, response::text as response, attempt from public.sync_run_log where status = 'completed'"
  )
  expect(rows).toEqual([
    { status: "completed", response: '{"note": "ferdig ✓", "rows": 3}', attempt: 1 }
  ])
}

/** A busy tick claims a full page in one transaction. */
export const claimHundred = async (subject: Subject, caller: Caller): Promise<void> => {
  await subject.execute(insertDue(1000, 100))
  const opened = await open(caller, randomUUID())
  const due = decodeDue(opened.integrations)
  expect(due).toHaveLength(100)
  const claims = await claim(caller, due, randomUUID())
  const runs = decodeRuns(claims.claimed)
  expect(runs.map((run) => run.integration_id).toSorted()).toEqual(
    Array.from({ length: 100 }, (_, i) => uuid(1000 + i))
  )
  expect(claims.skipped).toEqual([])
  const page = await caller.call(Rpc.readPending, {
    p_engine_id: "other",
    p_limit: 100,
    p_adopt_after_seconds: 0
  })
  expect(
    decodeRuns(page)
      .map((run) => run.run_id)
      .toSorted()
  ).toEqual(runs.map((run) => run.run_id).toSorted())
}
