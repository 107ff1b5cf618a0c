import { SCHEMA_VERSION } from "../../src/Version.ts"
import * as Claim from "./MemoryClaim.ts"
import { type MemoryDatabase, Raised } from "./MemoryDatabase.ts"
import * as Operate from "./MemoryOperate.ts"
import { giveBack } from "./MemoryRevert.ts"
import * as Run from "./MemoryRun.ts"
import * as Settle from "./MemorySettle.ts"
import * as Sweep from "./MemorySweep.ts"

export { Raised } from "./MemoryDatabase.ts"

export type Arguments = Readonly<Record<string, unknown>>

const as = <A>(value: unknown): A => value as A
const optional = <A>(value: unknown): A | undefined => as<A | null>(value) ?? undefined

/** Mirrors the SQL functions in supabase/migrations. Throws Raised where the SQL function would raise an error. */
export class MemoryFunctions {
  readonly db: MemoryDatabase

  constructor(db: MemoryDatabase) {
    this.db = db
  }

  call(name: string, args: Arguments): unknown {
    const { db } = this
    const text = (key: string) => as<string>(args[`p_${key}`])
    const scope = {
      org_id: optional<string>(args.p_org_id),
      integration_ids: optional<ReadonlyArray<string>>(args.p_integration_ids)
    }
    switch (name) {
      case "open_sync_tick":
        return Sweep.openTick(db, text("tick_id"), text("engine_id"), as(args.p_options))
      case "read_sync_schema":
        return { schema_version: SCHEMA_VERSION, engines_from: SCHEMA_VERSION }
      case "fetch_sync_work":
        return Claim.fetchWork(
          db,
          text("engine_id"),
          text("fetch_token"),
          as(args.p_limit),
          as(args.p_options)
        )
      case "read_due_integrations":
        return Claim.readDue(db, as(args.p_limit), optional<string>(args.p_cursor) ?? null, scope)
      case "read_pending_runs":
        return Sweep.readPending(db, as(args.p_limit), as(args.p_adopt_after_seconds), scope)
      case "sweep_sync_runs":
        return {
          ...Sweep.sweep(
            db,
            text("engine_id"),
            as(args.p_quiescence_seconds),
            as(args.p_running_guard_seconds)
          ),
          rejected: []
        }
      case "claim_sync_runs":
        return Claim.claim(db, text("engine_id"), text("claim_token"), as(args.p_slots))
      case "release_sync_claims":
        return Claim.release(db, text("engine_id"), as(args.p_run_ids))
      case "start_sync_runs":
        return Run.start(
          db,
          text("engine_id"),
          as(args.p_starts),
          as(args.p_adopt_after_seconds),
          as(args.p_drift_alert_seconds)
        )
      case "revert_sync_starts":
        return giveBack(db, text("engine_id"), as(args.p_starts))
      case "settle_sync_runs":
        return Settle.settle(
          db,
          text("engine_id"),
          as(args.p_settlements),
          as(args.p_quiescence_seconds)
        )
      case "begin_sync_run":
        return Run.begin(db, text("run_id"), text("lease_token"), as(args.p_nonce ?? null))
      case "heartbeat_sync_run":
        return Run.heartbeat(db, text("run_id"), text("lease_token"))
      case "complete_sync_run":
        return Settle.complete(
          db,
          text("run_id"),
          text("lease_token"),
          text("status"),
          as(args.p_error ?? null),
          args.p_response ?? null
        )
      case "finish_sync_tick":
        return Sweep.finishTick(
          db,
          text("tick_id"),
          text("engine_id"),
          args.p_summary,
          as(args.p_clock_skew_ms ?? null)
        )
      case "read_upcoming_warm_ups":
        return Sweep.upcomingWarmUps(db, as(args.p_within_seconds ?? 60))
      case "record_function_contact":
        return { pays: true, verdict: null, cold_ms: null, warm_ms: null }
      case "retry_sync_run":
        return Operate.retry(db, text("run_id"), text("actor"), text("reason"))
      case "release_sync_run":
        return Operate.releaseRun(db, text("run_id"), text("actor"), text("reason"))
      case "trigger_sync_run":
        return Operate.trigger(db, text("integration_id"), text("actor"), text("reason"))
      case "pause_integration":
        return Operate.pause(db, text("integration_id"), text("actor"), text("reason"))
      case "resume_integration":
        return Operate.resume(db, text("integration_id"), text("actor"), text("reason"))
      default:
        throw new Raised(`function public.${name} does not exist`)
    }
  }
}
