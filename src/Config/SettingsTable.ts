import { functionName, functionNames } from "../Domain/FunctionAccess.ts"
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
  type Setting,
  secret,
  serviceKey,
  signingSecret,
  withDefault
} from "./Setting.ts"
import { telemetryTable } from "./Telemetry.ts"

const projectTable = {
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
  )
} as const

const functionTable = {
  functionName: withDefault(
    "SYNC_SCHEDULER_FUNCTION",
    "integration-sync",
    "Name of the Edge Function that does the syncs.",
    functionName
  ),
  functions: optional(
    "SYNC_SCHEDULER_FUNCTIONS",
    "Further functions that an integration's function_name may hold; others are not invoked.",
    "payroll-sync,bank-sync",
    functionNames
  ),
  functionUrl: optional(
    "SYNC_SCHEDULER_FUNCTION_URL",
    "Whole URL of the function, when it is not under SUPABASE_URL/functions/v1.",
    "https://<project-ref>.supabase.co/functions/v1/integration-sync",
    httpUrl
  )
} as const

const tickTable = {
  interval: withDefault(
    "SYNC_SCHEDULER_INTERVAL",
    "60s",
    "How often ticks run. A tick that finds the database away waits for it for three quarters of this, at most 90 s.",
    duration("1s", "1d")
  ),
  concurrency: withDefault(
    "SYNC_SCHEDULER_CONCURRENCY",
    "5",
    "How many functions are invoked at the same time.",
    integer(1, 1000)
  ),
  adoptAfter: withDefault(
    "SYNC_SCHEDULER_ADOPT_AFTER",
    "10s",
    "After how long other engines start a claim that its engine did not start.",
    duration("0s", "1h")
  ),
  catchUpWindow: withDefault(
    "SYNC_SCHEDULER_CATCH_UP_WINDOW",
    "24h",
    "How far back catch_up = 'all' runs missed slots.",
    duration("1s", "400d")
  ),
  probes: withDefault(
    "SYNC_SCHEDULER_PROBES",
    "true",
    "Whether serve and run probe accounting APIs that no sync reached for 15 minutes.",
    oneOf(["true", "false"])
  )
} as const

const runTable = {
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
  )
} as const

const alertTable = {
  driftAlert: withDefault(
    "SYNC_SCHEDULER_DRIFT_ALERT",
    "5m",
    "A run that starts later than this after its slot raises an incident.",
    duration("1s", "7d")
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
  )
} as const

const serveTable = {
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
    "Whether serve lets holders of the admin token run, retry, pause and resume.",
    oneOf(["false", "true"])
  ),
  adminToken: secret(
    "SYNC_SCHEDULER_ADMIN_TOKEN",
    "Token for serve's actions, and for listening beyond this machine.",
    "<32 random characters>",
    pattern(/^\S{16,}$/, "it is shorter than 16 characters", "Make one with: openssl rand -hex 32")
  ),
  drain: withDefault(
    "SYNC_SCHEDULER_DRAIN",
    "160s",
    "How long serve, when it is stopped, waits for what is in flight.",
    duration("0s", "1h")
  )
} as const

const edgeTable = {
  edgeWallClock: withDefault(
    "SYNC_SCHEDULER_EDGE_WALL_CLOCK",
    "150s",
    "How long an Edge Function of the project lives: 150s on the free plan, 400s on paid ones.",
    duration("30s", "1h")
  ),
  edgeLimit: withDefault(
    "SYNC_SCHEDULER_EDGE_LIMIT",
    "500",
    "The most runs that one tick in an Edge Function starts; the next tick continues.",
    integer(1, 4000)
  )
} as const

const logTable = {
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
  )
} as const

/** Every setting of Sync Scheduler, in the order in which users need them. */
export const settingsTable = {
  ...projectTable,
  ...functionTable,
  ...tickTable,
  ...runTable,
  ...alertTable,
  ...serveTable,
  ...edgeTable,
  ...logTable,
  ...telemetryTable
} as const

/** The settings by subject, as `env` and the reference group them. */
export const subjects: ReadonlyArray<{
  readonly title: string
  readonly settings: Readonly<Record<string, Setting<unknown>>>
}> = [
  { title: "The project", settings: projectTable },
  { title: "The functions", settings: functionTable },
  { title: "Ticks", settings: tickTable },
  { title: "Runs and their retries", settings: runTable },
  { title: "Alerts", settings: alertTable },
  { title: "serve: its page and API", settings: serveTable },
  { title: "The scheduler as an Edge Function", settings: edgeTable },
  { title: "Logs", settings: logTable },
  { title: "Telemetry", settings: telemetryTable }
]
