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
    "The base URL of the Supabase project's API and Edge Functions.",
    "https://<project-ref>.supabase.co",
    projectUrl
  ),
  secretKey: secret(
    "SUPABASE_SECRET_KEY",
    "The project's secret key, used to read due integrations, write runs and invoke functions.",
    "sb_secret_...",
    serviceKey
  ),
  serviceRoleKey: secret(
    "SUPABASE_SERVICE_ROLE_KEY",
    "The legacy service_role key, used when SUPABASE_SECRET_KEY is not set.",
    "eyJ...",
    serviceKey
  ),
  databaseUrl: secret(
    "SUPABASE_DB_URL",
    "The database's connection string, with optional sslmode; used instead of the API when set.",
    "postgresql://postgres:<password>@<host>:5432/postgres?sslmode=require",
    databaseUrl
  )
} as const

const functionTable = {
  functionName: withDefault(
    "SYNC_SCHEDULER_FUNCTION",
    "integration-sync",
    "The name of the Edge Function that runs the syncs.",
    functionName
  ),
  functions: optional(
    "SYNC_SCHEDULER_FUNCTIONS",
    "Additional functions that an integration may name in function_name; other functions are not invoked.",
    "payroll-sync,bank-sync",
    functionNames
  ),
  functionUrl: optional(
    "SYNC_SCHEDULER_FUNCTION_URL",
    "The function's full URL, if it is not under SUPABASE_URL/functions/v1.",
    "https://<project-ref>.supabase.co/functions/v1/integration-sync",
    httpUrl
  )
} as const

const tickTable = {
  interval: withDefault(
    "SYNC_SCHEDULER_INTERVAL",
    "60s",
    "The interval between ticks. If the database is unavailable, a tick waits for three quarters of the interval, but at most 90 s.",
    duration("1s", "1d")
  ),
  concurrency: withDefault(
    "SYNC_SCHEDULER_CONCURRENCY",
    "5",
    "The maximum number of concurrent invocations.",
    integer(1, 1000)
  ),
  adoptAfter: withDefault(
    "SYNC_SCHEDULER_ADOPT_AFTER",
    "10s",
    "How long a claimed run may wait for its engine before another engine starts it.",
    duration("0s", "1h")
  ),
  catchUpWindow: withDefault(
    "SYNC_SCHEDULER_CATCH_UP_WINDOW",
    "24h",
    "The maximum age of the missed slots that catch_up = 'all' runs.",
    duration("1s", "400d")
  ),
  probes: withDefault(
    "SYNC_SCHEDULER_PROBES",
    "true",
    "Whether the serve and run commands probe accounting APIs that no sync has reached for 15 minutes.",
    oneOf(["true", "false"])
  )
} as const

const runTable = {
  invokeTimeout: withDefault(
    "SYNC_SCHEDULER_INVOKE_TIMEOUT",
    "155s",
    "How long to wait for a function's complete response.",
    duration("100ms", "1h")
  ),
  leaseMargin: withDefault(
    "SYNC_SCHEDULER_LEASE_MARGIN",
    "60s",
    "How much longer a run's lease is than its invocation timeout.",
    duration("1s", "1h")
  ),
  runningGuard: withDefault(
    "SYNC_SCHEDULER_RUNNING_GUARD",
    "30m",
    "How long a background run (202) may block its integration.",
    duration("1s", "7d")
  ),
  quiescence: withDefault(
    "SYNC_SCHEDULER_QUIESCENCE",
    "430s",
    "How long a lost run is assumed to be still running after its last sign of life.",
    duration("0s", "1d")
  ),
  retryBase: withDefault(
    "SYNC_SCHEDULER_RETRY_BASE",
    "5s",
    "The maximum wait before the first retry; the maximum doubles with each further retry.",
    duration("1ms", "1h")
  ),
  retryCap: withDefault(
    "SYNC_SCHEDULER_RETRY_CAP",
    "15m",
    "The maximum wait before any retry.",
    duration("1ms", "1d")
  )
} as const

const alertTable = {
  driftAlert: withDefault(
    "SYNC_SCHEDULER_DRIFT_ALERT",
    "5m",
    "How late a run may start before an incident is opened.",
    duration("1s", "7d")
  ),
  alertWebhookUrl: secret(
    "SYNC_SCHEDULER_ALERT_WEBHOOK_URL",
    "The webhook that receives incidents.",
    "https://hooks.example.com/sync",
    httpUrl
  ),
  alertWebhookSecret: secret(
    "SYNC_SCHEDULER_ALERT_WEBHOOK_SECRET",
    "The secret that signs webhook requests (Standard Webhooks, HMAC-SHA256).",
    "whsec_<base64 of 24 to 64 random bytes>",
    signingSecret
  ),
  alertFormat: withDefault(
    "SYNC_SCHEDULER_ALERT_FORMAT",
    "auto",
    "The format of alerts: cloudevents or slack; auto means slack for hooks.slack.com.",
    oneOf(["auto", "cloudevents", "slack"])
  ),
  pingUrl: secret(
    "SYNC_SCHEDULER_PING_URL",
    "The URL of a dead man's switch, which is pinged after every tick.",
    "https://hc-ping.com/<uuid>",
    httpUrl
  )
} as const

const serveTable = {
  listen: withDefault(
    "SYNC_SCHEDULER_LISTEN",
    "127.0.0.1:8787",
    "The address that serve listens on: host:port.",
    pattern(
      /^(?:\[[0-9a-fA-F:]+\]|[^\s:/]+):(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]?\d{1,4})$/,
      "it is not host:port",
      "For example, write 127.0.0.1:8787."
    )
  ),
  allowedHosts: optional(
    "SYNC_SCHEDULER_ALLOWED_HOSTS",
    "Comma-separated host names under which a reverse proxy serves the status page.",
    "sync.example.com",
    hostNames
  ),
  allowActions: withDefault(
    "SYNC_SCHEDULER_ALLOW_ACTIONS",
    "false",
    "Whether holders of the admin token may run, retry, release, pause and resume syncs in serve.",
    oneOf(["false", "true"])
  ),
  adminToken: secret(
    "SYNC_SCHEDULER_ADMIN_TOKEN",
    "The token for serve's actions; also required to accept connections from other machines.",
    "<32 random characters>",
    pattern(
      /^\S{16,}$/,
      "it is shorter than 16 characters",
      "Create one with: openssl rand -hex 32"
    )
  ),
  drain: withDefault(
    "SYNC_SCHEDULER_DRAIN",
    "160s",
    "How long a stopped server waits for the runs in progress.",
    duration("0s", "1h")
  )
} as const

const edgeTable = {
  edgeWallClock: withDefault(
    "SYNC_SCHEDULER_EDGE_WALL_CLOCK",
    "150s",
    "How long one of the project's Edge Functions may run: 150s on the free plan, 400s on paid plans.",
    duration("30s", "1h")
  ),
  edgeLimit: withDefault(
    "SYNC_SCHEDULER_EDGE_LIMIT",
    "500",
    "The maximum number of runs that one tick in an Edge Function starts; the next tick starts the remaining runs.",
    integer(1, 4000)
  )
} as const

const logTable = {
  logLevel: withDefault(
    "SYNC_SCHEDULER_LOG_LEVEL",
    "info",
    "The minimum level of log lines: debug, info, warning, error or none.",
    oneOf(["debug", "info", "warning", "error", "none"])
  ),
  logFormat: withDefault(
    "SYNC_SCHEDULER_LOG_FORMAT",
    "auto",
    "The log format: text or json; auto means text, in colour on a terminal.",
    oneOf(["auto", "text", "json"])
  )
} as const

/** All settings, in the order in which users need them. */
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

/** The settings grouped by subject, for `env` and the reference page. */
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
