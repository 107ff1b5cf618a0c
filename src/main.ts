#!/usr/bin/env bun
import type { Layer } from "effect"
import type { EngineServices, Wiring } from "./Cli/Command.ts"
import { start } from "./Cli/Entry.ts"
import type { Database, Project } from "./Config/Load.ts"
import type { Settings } from "./Config.ts"
import type { SupabaseError } from "./Domain/Errors.ts"
import type { Notifier } from "./Services/Notifier.ts"
import type { Ping } from "./Services/Ping.ts"
import type { Supabase } from "./Services/Supabase.ts"
import { VERSION } from "./Version.ts"

/**
 * The binary. The only file that puts mechanisms behind the engine's services; everything is loaded when a command
 * needs it, so that help and version start as fast as the runtime.
 */
const database = async (settings: Database): Promise<Layer.Layer<Supabase, SupabaseError>> => {
  if (settings._tag === "Direct") {
    const PostgresLive = await import("./Layers/PostgresLive.ts")
    return PostgresLive.layer({ url: settings.url })
  }
  const SupabaseLive = await import("./Layers/SupabaseLive.ts")
  return SupabaseLive.layer({ url: settings.url, key: settings.key, version: VERSION })
}

/** `<host>-<pid>-<4 random hex digits>`: unique, and it says where to look. */
const engineIdOf = async (): Promise<string> => {
  const { hostname } = await import("node:os")
  const random = crypto.getRandomValues(new Uint16Array(1))[0] ?? 0
  return `${hostname()}-${process.pid}-${random.toString(16).padStart(4, "0")}`
}

/** The engine over a database, whatever that is; what the database offers besides is passed on. */
const engine = async <R>(
  { functions, settings }: Pick<Project, "settings" | "functions">,
  supabase: Layer.Layer<Supabase | R, SupabaseError>
): Promise<Layer.Layer<EngineServices | Supabase | R, SupabaseError>> => {
  const [{ Layer }, { EngineConfig, engineSettings }, LockLive, LedgerLive, InvokerLive] =
    await Promise.all([
      import("effect"),
      import("./Config.ts"),
      import("./Layers/LockLive.ts"),
      import("./Layers/LedgerLive.ts"),
      import("./Layers/InvokerLive.ts")
    ])
  const config = Layer.succeed(EngineConfig, engineSettings(settings, await engineIdOf()))
  const invoker = InvokerLive.layer({
    functionUrl: functions.url,
    key: functions.key,
    version: VERSION
  })
  return Layer.mergeAll(LockLive.layer, LedgerLive.layer, invoker).pipe(
    Layer.provideMerge(supabase),
    Layer.provideMerge(config)
  )
}

/** Whom a tick tells of what it found, and the dead man's switch. A layer that is not configured does nothing. */
const telling = async (settings: Settings): Promise<Layer.Layer<Notifier | Ping>> => {
  const [{ Layer }, NotifierLive, PingLive] = await Promise.all([
    import("effect"),
    import("./Layers/NotifierLive.ts"),
    import("./Layers/PingLive.ts")
  ])
  const notifier = NotifierLive.layer({
    url: settings.alertWebhookUrl,
    secret: settings.alertWebhookSecret,
    format: settings.alertFormat,
    source: settings.supabaseUrl ?? settings.functionUrl ?? "urn:sync-scheduler",
    version: VERSION
  })
  return Layer.merge(notifier, PingLive.layer({ url: settings.pingUrl, version: VERSION }))
}

/** Traces, metrics and logs, where the settings say to send them; else no spans are made at all. */
const telemetry = async (settings: Settings): Promise<Layer.Layer<never>> => {
  const { otelDisabled, otelEndpoint: endpoint } = settings
  if (endpoint === null || otelDisabled === "true") {
    return (await import("effect")).Layer.setTracerEnabled(false)
  }
  const [TelemetryLive, { hostname }] = await Promise.all([
    import("./Layers/TelemetryLive.ts"),
    import("node:os")
  ])
  return TelemetryLive.layer({
    endpoint,
    protocol: settings.otelProtocol,
    headers: settings.otelHeaders,
    serviceName: settings.otelServiceName,
    resourceAttributes: settings.otelResourceAttributes,
    hostname: hostname(),
    version: VERSION
  })
}

const wiring: Wiring = {
  engine: async (project) => {
    const [{ Layer }, AlertQueueLive, base, tell, told] = await Promise.all([
      import("effect"),
      import("./Layers/AlertQueueLive.ts"),
      database(project.database).then((supabase) => engine(project, supabase)),
      telling(project.settings),
      telemetry(project.settings)
    ])
    return Layer.merge(AlertQueueLive.layer, tell).pipe(
      Layer.provideMerge(base),
      Layer.provideMerge(told)
    )
  },
  database,
  embedded: async (directory) => {
    const EmbeddedLive = await import("./Layers/EmbeddedLive.ts")
    return EmbeddedLive.layer({ dataDir: directory })
  },
  telling,
  probing: async () => (await import("./Layers/ProberLive.ts")).layer({ version: VERSION }),
  demo: async (options) => {
    const [{ Layer }, EmbeddedLive, AlertQueueLive, tell] = await Promise.all([
      import("effect"),
      import("./Layers/EmbeddedLive.ts"),
      import("./Layers/AlertQueueLive.ts"),
      telling(options.settings)
    ])
    const base = await engine(options, EmbeddedLive.layer({ dataDir: options.directory }))
    return Layer.merge(AlertQueueLive.layer, tell).pipe(Layer.provideMerge(base))
  }
}

start(process.argv.slice(2), wiring).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `error: a bug in sync-scheduler: ${error instanceof Error ? error.stack : error}\n`
    )
    process.exit(1)
  }
)
