#!/usr/bin/env bun
import type { Layer } from "effect"
import type { ConnectionServices, EngineServices, LayerFactories } from "./Cli/Command.ts"
import { start } from "./Cli/Entry.ts"
import { launch } from "./Cli/Launch.ts"
import type { Database, Project } from "./Config/Load.ts"
import type { Settings } from "./Config.ts"
import type { SupabaseError } from "./Domain/Errors.ts"
import { proxyOf } from "./Http/Proxy.ts"
import type { Notifier } from "./Services/Notifier.ts"
import type { Ping } from "./Services/Ping.ts"
import type { Supabase } from "./Services/Supabase.ts"
import { VERSION } from "./Version.ts"

const client = { version: VERSION, proxyOf: proxyOf(process.env) } as const

/**
 * Makes the database layer. Only this file chooses the engine's implementations. They are imported when a command needs them, so
 * that `help` and `version` start as fast as the runtime.
 */
const database = async (settings: Database): Promise<Layer.Layer<Supabase, SupabaseError>> => {
  if (settings._tag === "Direct") {
    const PostgresLive = await import("./Layers/PostgresLive.ts")
    return PostgresLive.layer({ url: settings.url })
  }
  const SupabaseLive = await import("./Layers/SupabaseLive.ts")
  return SupabaseLive.layer({ url: settings.url, key: settings.key, ...client })
}

/** Returns a unique engine id: `<host>-<pid>-<4 random hex digits>`. */
const engineIdOf = async (): Promise<string> => {
  const { hostname } = await import("node:os")
  const random = crypto.getRandomValues(new Uint16Array(1))[0] ?? 0
  return `${hostname()}-${process.pid}-${random.toString(16).padStart(4, "0")}`
}

/**
 * Adds the engine's settings to the database layer. Layers are built sequentially, because merged layers use fibers, which add
 * 8 ms to the start-up.
 */
const withConfig = async <R>(
  settings: Settings,
  supabase: Layer.Layer<Supabase | R, SupabaseError>
): Promise<Layer.Layer<ConnectionServices | R, SupabaseError>> => {
  const [Layer, { EngineConfig, engineSettings }] = await Promise.all([
    import("effect/Layer"),
    import("./Config.ts")
  ])
  const config = Layer.succeed(EngineConfig, engineSettings(settings, await engineIdOf()))
  return Layer.provideMerge(supabase, config)
}

const connection = async ({ database: of, settings }: Project) =>
  withConfig(settings, await database(of))

const engine = async <R>(
  functions: Project["functions"],
  base: Layer.Layer<ConnectionServices | R, SupabaseError>
): Promise<Layer.Layer<EngineServices | R, SupabaseError>> => {
  const [Layer, LockLive, LedgerLive, InvokerLive] = await Promise.all([
    import("effect/Layer"),
    import("./Layers/LockLive.ts"),
    import("./Layers/LedgerLive.ts"),
    import("./Layers/InvokerLive.ts")
  ])
  const invoker = InvokerLive.layer({
    functionUrl: functions.url,
    allowed: functions.allowed,
    key: functions.key,
    ...client
  })
  return LockLive.layer.pipe(
    Layer.provideMerge(LedgerLive.layer),
    Layer.provideMerge(invoker),
    Layer.provideMerge(base)
  )
}

/** The layer does nothing if no dead man's switch is configured. */
const ping = async (settings: Settings): Promise<Layer.Layer<Ping>> => {
  const PingLive = await import("./Layers/PingLive.ts")
  return PingLive.layer({ url: settings.pingUrl, ...client })
}

/** A layer that is not configured does nothing. */
const notifications = async (settings: Settings): Promise<Layer.Layer<Notifier | Ping>> => {
  const [Layer, NotifierLive, pings] = await Promise.all([
    import("effect/Layer"),
    import("./Layers/NotifierLive.ts"),
    ping(settings)
  ])
  const notifier = NotifierLive.layer({
    url: settings.alertWebhookUrl,
    secret: settings.alertWebhookSecret,
    format: settings.alertFormat,
    source: settings.supabaseUrl ?? settings.functionUrl ?? "urn:sync-scheduler",
    ...client
  })
  return Layer.provideMerge(notifier, pings)
}

/** Opens the embedded database in a directory, or connects to the `serve --demo` that is using the directory. */
const embedded = async (directory: string | undefined) => {
  const running =
    directory === undefined
      ? null
      : await (await import("./Cli/Demo/DemoDirectory.ts")).runningDemo(directory)
  return running === null
    ? (await import("./Layers/EmbeddedLive.ts")).layer({ dataDir: directory })
    : (await import("./Layers/EmbeddedRemote.ts")).layer(running)
}

/** Disables tracing if no trace export is configured. */
const telemetry = async (settings: Settings): Promise<Layer.Layer<never>> => {
  const { otelDisabled, otelEndpoint: endpoint } = settings
  if (endpoint === null || otelDisabled === "true") {
    return (await import("effect/Layer")).setTracerEnabled(false)
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
    ...client
  })
}

const layers: LayerFactories = {
  connection,
  engine: async (project, opened) => {
    const [Layer, AlertQueueLive, base, notifier, exporter] = await Promise.all([
      import("effect/Layer"),
      import("./Layers/AlertQueueLive.ts"),
      Promise.resolve(opened ?? connection(project)).then((base) =>
        engine(project.functions, base)
      ),
      notifications(project.settings),
      telemetry(project.settings)
    ])
    return AlertQueueLive.layer.pipe(
      Layer.provideMerge(notifier),
      Layer.provideMerge(base),
      Layer.provideMerge(exporter)
    )
  },
  database,
  embedded,
  notifications,
  ping,
  healthChecks: async () => (await import("./Layers/ProberLive.ts")).layer({ version: VERSION }),
  demo: async (options) => {
    const [Layer, AlertQueueLive, notifier, demo] = await Promise.all([
      import("effect/Layer"),
      import("./Layers/AlertQueueLive.ts"),
      notifications(options.settings),
      embedded(options.directory)
    ])
    const base = await engine(options.functions, await withConfig(options.settings, demo))
    return AlertQueueLive.layer.pipe(Layer.provideMerge(notifier), Layer.provideMerge(base))
  }
}

const argv = process.argv.slice(2)
const refused = launch(argv)
const ended = refused === null ? start(argv, layers) : Promise.resolve(refused)
ended.then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `error: sync-scheduler failed because of a bug: ${error instanceof Error ? error.stack : error}\n`
    )
    process.exit(1)
  }
)
