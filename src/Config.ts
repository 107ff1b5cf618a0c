import { Context } from "effect"
import {
  databaseUrl,
  duration,
  hostNames,
  httpUrl,
  integer,
  oneOf,
  optional,
  pattern,
  projectUrl,
  secret,
  serviceKey,
  signingSecret,
  withDefault
} from "./Config/Setting.ts"
import { telemetryTable } from "./Config/Telemetry.ts"

/** What the engine goes by. Spans in milliseconds; the settings' names and meaning are in the table below. */
export interface EngineSettings {
  /** Who this engine is in `claimed_by`, `sync_tick` and events: unique per process. */
  readonly engineId: string
  readonly concurrency: number
  readonly invokeTimeoutMs: number
  readonly leaseMarginMs: number
  readonly runningGuardMs: number
  readonly quiescenceMs: number
  readonly adoptAfterMs: number
  readonly retryBaseMs: number
  readonly retryCapMs: number
  readonly driftAlertMs: number
  readonly catchUpWindowMs: number
}

/** The engine's settings as a service, so that tests and commands can vary them. */
export class EngineConfig extends Context.Tag("@sync-scheduler/EngineConfig")<
  EngineConfig,
  EngineSettings
>() {}

/** Every setting of Sync Scheduler, in the order in which people meet them. */
export const table = {
  supabaseUrl: optional(
    "SUPABASE_URL",
    "Where the Supabase project answers; its API and its Edge Functions are under it.",
    "https://<project-ref>.supabase.co",
    projectUrl
  ),
  secretKey: secret(
    "SUPABASE_SECRET_KEY",
    "The project's secret key: reads what is due, writes runs, invokes the functions.",
    "sb_secret_...",
    serviceKey
  ),
  serviceRoleKey: secret(
    "SUPABASE_SERVICE_ROLE_KEY",
    "The older service_role key; used when there is no SUPABASE_SECRET_KEY.",
    "eyJ...",
    serviceKey
  ),
  databaseUrl: secret(
    "SUPABASE_DB_URL",
    "Direct connection to the database, used instead of the API when set; sslmode is honoured.",
    "postgresql://postgres:<password>@<host>:5432/postgres?sslmode=require",
    databaseUrl
  ),
  functionName: withDefault(
    "SYNC_SCHEDULER_FUNCTION",
    "integration-sync",
    "Name of the Edge Function that does the syncs.",
    pattern(
      /^[A-Za-z][A-Za-z0-9_-]*$/,
      "a function's name is letters, digits, - and _, a letter first",
      "Write the function's name only; a whole URL goes in SYNC_SCHEDULER_FUNCTION_URL."
    )
  ),
  functionUrl: optional(
    "SYNC_SCHEDULER_FUNCTION_URL",
    "Whole URL of the function, when it is not under SUPABASE_URL/functions/v1.",
    "https://<project-ref>.supabase.co/functions/v1/integration-sync",
    httpUrl
  ),
  concurrency: withDefault(
    "SYNC_SCHEDULER_CONCURRENCY",
    "5",
    "How many functions are invoked at the same time.",
    integer(1, 1000)
  ),
  invokeTimeout: withDefault(
    "SYNC_SCHEDULER_INVOKE_TIMEOUT",
    "155s",
    "How long to wait for a function's whole answer.",
    duration("100ms", "1h")
  ),
  leaseMargin: withDefault(
    "SYNC_SCHEDULER_LEASE_MARGIN",
    "60s",
    "How much longer than the invocation a run belongs to its engine.",
    duration("1s", "1h")
  ),
  runningGuard: withDefault(
    "SYNC_SCHEDULER_RUNNING_GUARD",
    "30m",
    "How long a run that works in the background blocks its integration.",
    duration("1s", "7d")
  ),
  quiescence: withDefault(
    "SYNC_SCHEDULER_QUIESCENCE",
    "430s",
    "How long after its last sign of life a lost run may still be working.",
    duration("0s", "1d")
  ),
  adoptAfter: withDefault(
    "SYNC_SCHEDULER_ADOPT_AFTER",
    "10s",
    "After how long other engines start a claim that its engine did not start.",
    duration("0s", "1h")
  ),
  retryBase: withDefault(
    "SYNC_SCHEDULER_RETRY_BASE",
    "5s",
    "The first retry waits up to this long; each next one up to twice as long.",
    duration("1ms", "1h")
  ),
  retryCap: withDefault(
    "SYNC_SCHEDULER_RETRY_CAP",
    "15m",
    "No retry waits longer than this.",
    duration("1ms", "1d")
  ),
  driftAlert: withDefault(
    "SYNC_SCHEDULER_DRIFT_ALERT",
    "5m",
    "A run that starts later than this after its slot raises an incident.",
    duration("1s", "7d")
  ),
  catchUpWindow: withDefault(
    "SYNC_SCHEDULER_CATCH_UP_WINDOW",
    "24h",
    "How far back catch_up = 'all' runs missed slots.",
    duration("1s", "400d")
  ),
  alertWebhookUrl: secret(
    "SYNC_SCHEDULER_ALERT_WEBHOOK_URL",
    "Where incidents are posted.",
    "https://hooks.example.com/sync",
    httpUrl
  ),
  alertWebhookSecret: secret(
    "SYNC_SCHEDULER_ALERT_WEBHOOK_SECRET",
    "Signs what is posted there (Standard Webhooks, HMAC-SHA256).",
    "whsec_<base64 of 24 to 64 random bytes>",
    signingSecret
  ),
  alertFormat: withDefault(
    "SYNC_SCHEDULER_ALERT_FORMAT",
    "auto",
    "What is posted: cloudevents or slack; auto is slack for hooks.slack.com.",
    oneOf(["auto", "cloudevents", "slack"])
  ),
  pingUrl: secret(
    "SYNC_SCHEDULER_PING_URL",
    "Dead man's switch: pinged after every tick.",
    "https://hc-ping.com/<uuid>",
    httpUrl
  ),
  listen: withDefault(
    "SYNC_SCHEDULER_LISTEN",
    "127.0.0.1:8787",
    "Where serve listens: host:port.",
    pattern(
      /^(?:\[[0-9a-fA-F:]+\]|[^\s:/]+):(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]?\d{1,4})$/,
      "it is not host:port",
      "Write for example 127.0.0.1:8787."
    )
  ),
  allowedHosts: optional(
    "SYNC_SCHEDULER_ALLOWED_HOSTS",
    "Names, separated by commas, under which a reverse proxy shows serve's page.",
    "sync.example.com",
    hostNames
  ),
  allowActions: withDefault(
    "SYNC_SCHEDULER_ALLOW_ACTIONS",
    "false",
    "Whether serve lets whoever has the admin token run, retry, pause and resume.",
    oneOf(["false", "true"])
  ),
  adminToken: secret(
    "SYNC_SCHEDULER_ADMIN_TOKEN",
    "Token for serve's actions, and for listening beyond this machine.",
    "<32 random characters>",
    pattern(/^\S{16,}$/, "it is shorter than 16 characters", "Make one with: openssl rand -hex 32")
  ),
  interval: withDefault(
    "SYNC_SCHEDULER_INTERVAL",
    "60s",
    "How often serve ticks.",
    duration("1s", "1d")
  ),
  probes: withDefault(
    "SYNC_SCHEDULER_PROBES",
    "true",
    "Whether serve and run probe accounting APIs that no sync reached for 15 minutes.",
    oneOf(["true", "false"])
  ),
  drain: withDefault(
    "SYNC_SCHEDULER_DRAIN",
    "160s",
    "How long serve, when it is stopped, waits for what is in flight.",
    duration("0s", "1h")
  ),
  edgeWallClock: withDefault(
    "SYNC_SCHEDULER_EDGE_WALL_CLOCK",
    "150s",
    "How long an Edge Function of the project lives: 150s on the free plan, 400s on paid ones.",
    duration("30s", "1h")
  ),
  edgeLimit: withDefault(
    "SYNC_SCHEDULER_EDGE_LIMIT",
    "500",
    "The most runs that one tick in an Edge Function starts; the next tick goes on.",
    integer(1, 4000)
  ),
  logLevel: withDefault(
    "SYNC_SCHEDULER_LOG_LEVEL",
    "info",
    "The least important line to log: debug, info, warning, error or none.",
    oneOf(["debug", "info", "warning", "error", "none"])
  ),
  logFormat: withDefault(
    "SYNC_SCHEDULER_LOG_FORMAT",
    "auto",
    "text for people, json for machines; auto is text, in colour on a terminal.",
    oneOf(["auto", "text", "json"])
  ),
  ...telemetryTable
} as const

/** The defaults, as the table has them. */
export const defaultEngineSettings: Omit<EngineSettings, "engineId"> = {
  concurrency: table.concurrency.fallback,
  invokeTimeoutMs: table.invokeTimeout.fallback,
  leaseMarginMs: table.leaseMargin.fallback,
  runningGuardMs: table.runningGuard.fallback,
  quiescenceMs: table.quiescence.fallback,
  adoptAfterMs: table.adoptAfter.fallback,
  retryBaseMs: table.retryBase.fallback,
  retryCapMs: table.retryCap.fallback,
  driftAlertMs: table.driftAlert.fallback,
  catchUpWindowMs: table.catchUpWindow.fallback
}

/** The value of every setting, by its name in the table. */
export type Settings = { readonly [K in keyof typeof table]: (typeof table)[K]["fallback"] }

/** What the engine goes by, as set. */
export const engineSettings = (settings: Settings, engineId: string): EngineSettings => ({
  engineId,
  concurrency: settings.concurrency,
  invokeTimeoutMs: settings.invokeTimeout,
  leaseMarginMs: settings.leaseMargin,
  runningGuardMs: settings.runningGuard,
  quiescenceMs: settings.quiescence,
  adoptAfterMs: settings.adoptAfter,
  retryBaseMs: settings.retryBase,
  retryCapMs: settings.retryCap,
  driftAlertMs: settings.driftAlert,
  catchUpWindowMs: settings.catchUpWindow
})
