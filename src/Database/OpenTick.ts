import { Either } from "effect"
import { VERSION } from "../Version.ts"
import type { Rpc } from "./Rpc.ts"

export interface OpenTickRequest {
  readonly tickId: string
  readonly engineId: string
  readonly adoptAfterMs: number
  readonly quiescenceMs: number
  readonly runningGuardMs: number
  readonly driftAlertMs: number
  /** The maximum combined number of runs and integrations, from 1 to 100. */
  readonly limit: number
  readonly orgId?: string | undefined
  readonly integrationIds?: ReadonlyArray<string> | undefined
  readonly wakeWithinMs?: number | undefined
  /** Whether an idle tick's answer includes the accounting APIs and their health. */
  readonly withApis?: boolean
}

export interface OpenTickArguments {
  readonly p_tick_id: string
  readonly p_engine_id: string
  readonly p_options: {
    readonly engine_version: string
    readonly adopt_after_seconds: number
    readonly drift_alert_seconds: number
    readonly quiescence_seconds: number
    readonly running_guard_seconds: number
    readonly limit: number
    readonly org_id?: string | undefined
    readonly integration_ids?: ReadonlyArray<string> | undefined
    /** How far ahead functions are warmed up, in seconds; 60 by default. */
    readonly warm_up_within_seconds?: number | undefined
    readonly with_apis?: boolean | undefined
  }
}

export const openTickArguments = (request: OpenTickRequest): OpenTickArguments => ({
  p_tick_id: request.tickId,
  p_engine_id: request.engineId,
  p_options: {
    engine_version: VERSION,
    adopt_after_seconds: request.adoptAfterMs / 1000,
    quiescence_seconds: request.quiescenceMs / 1000,
    running_guard_seconds: request.runningGuardMs / 1000,
    drift_alert_seconds: request.driftAlertMs / 1000,
    limit: request.limit,
    org_id: request.orgId,
    integration_ids: request.integrationIds,
    warm_up_within_seconds:
      request.wakeWithinMs === undefined ? undefined : request.wakeWithinMs / 1000,
    with_apis: request.withApis
  }
})

export const openTickFunction = {
  name: "open_sync_tick",
  readOnly: false,
  types: { p_tick_id: "uuid", p_engine_id: "text", p_options: "jsonb" }
} as const

/** Returns the raw answer. An idle process reads only a few fields and loads no schemas (ADR 26). TickRpc decodes the answer. */
export const openTickUndecoded: Rpc<OpenTickArguments, unknown> = {
  ...openTickFunction,
  encode: Either.right,
  decode: Either.right
}
