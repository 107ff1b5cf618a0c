import type { Effect, Layer, Schema } from "effect"
import type { Database, Project } from "../Config/Load.ts"
import type { Sources } from "../Config/Source.ts"
import type { EngineConfig, Settings } from "../Config.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { AlertQueue } from "../Services/AlertQueue.ts"
import type { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import type { Invoker } from "../Services/Invoker.ts"
import type { Ledger } from "../Services/Ledger.ts"
import type { Lock } from "../Services/Lock.ts"
import type { Notifier } from "../Services/Notifier.ts"
import type { Ping } from "../Services/Ping.ts"
import type { Prober } from "../Services/Prober.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { CommandError, ExitCode } from "./Failure.ts"
import type { Terminal } from "./Terminal.ts"

/** A command's flag. `value` is the placeholder for its argument in help. A flag without `value` is a switch. */
export interface Flag {
  readonly name: string
  readonly short?: string
  readonly value?: string
  readonly choices?: ReadonlyArray<string>
  readonly repeatable?: boolean
  readonly summary: string
}

export interface Positional {
  readonly name: string
  readonly choices?: ReadonlyArray<string>
  readonly summary: string
  readonly optional?: boolean
}

/**
 * A command's declaration. Parsing, help and completions load the declarations only. To add a command, write its declaration and
 * its code in separate files, and add the declaration to Commands.ts.
 */
export interface Command {
  /** The name, in one or two words: `run`, `schedules next`. */
  readonly name: string
  readonly summary: string
  readonly details?: string
  readonly positionals: ReadonlyArray<Positional>
  readonly flags: ReadonlyArray<Flag>
  readonly examples: ReadonlyArray<string>
  readonly load: () => Promise<Loaded | { readonly light: FastCommand }>
  /** Loads a small module, which loads the rest of the command's code only when necessary. */
  readonly loadFirst?: () => Promise<Pick<Loaded, "main">>
}

/** A command's code. `json` is the schema of the `-o json` output. The reference is generated from this schema. */
export interface Loaded {
  readonly main: Main
  readonly json?: Schema.Schema.AnyNoContext
}

/** The code of a command that is called every few seconds. Returns the exit code, without loading Effect. */
export type FastCommand = (given: Arguments) => Promise<number>

/** A command's implementation: prints the result and returns the exit code. */
export type Main = (cli: Cli) => Effect.Effect<ExitCode, CommandError>

/** The arguments of a command. Flags are keyed by their long name. */
export interface Arguments {
  readonly positionals: ReadonlyArray<string>
  readonly has: (flag: string) => boolean
  readonly value: (flag: string) => string | undefined
  readonly values: (flag: string) => ReadonlyArray<string>
  /** Returns the command line as it was given, quoted for a shell, without the named flags. */
  readonly lineWithout: (...flags: ReadonlyArray<string>) => string
}

/** The services that a tick needs. */
export type EngineServices = Supabase | Lock | Ledger | Invoker | EngineConfig

export type NotificationServices = AlertQueue | Notifier | Ping

/** Without a directory, the database is kept in memory. */
export interface DemoOptions extends Pick<Project, "settings" | "functions"> {
  readonly directory: string | undefined
}

/** The services that the first call of a tick needs. */
export type ConnectionServices = Supabase | EngineConfig

/** Layer factories, which load each layer only when a command needs it. Assembled in main.ts. */
export interface LayerFactories {
  /** The database and the settings, which are sufficient for a tick that finds nothing due. */
  readonly connection: (project: Project) => Promise<Layer.Layer<ConnectionServices, SupabaseError>>
  /** The whole engine, over an existing connection or a new one. */
  readonly engine: (
    project: Project,
    connection?: Layer.Layer<ConnectionServices, SupabaseError>
  ) => Promise<Layer.Layer<EngineServices | NotificationServices, SupabaseError>>
  /** Only the database, for commands that invoke no function. */
  readonly database: (database: Database) => Promise<Layer.Layer<Supabase, SupabaseError>>
  /** Only the database in a demo's directory. */
  readonly embedded: (directory: string) => Promise<Layer.Layer<Supabase, SupabaseError>>
  /** The alert and ping services, which need no project. */
  readonly notifications: (settings: Settings) => Promise<Layer.Layer<Notifier | Ping>>
  /** The dead man's switch alone. */
  readonly ping: (settings: Settings) => Promise<Layer.Layer<Ping>>
  readonly healthChecks: () => Promise<Layer.Layer<Prober>>
  readonly demo: (
    options: DemoOptions
  ) => Promise<Layer.Layer<EngineServices | NotificationServices | EmbeddedDatabase, SupabaseError>>
}

/** The context of a command. */
export interface Cli {
  readonly arguments: Arguments
  readonly terminal: Terminal
  /** Returns the sources of settings; flags are keyed by setting. */
  readonly sources: (flags?: Sources["flags"]) => Sources
  readonly layers: LayerFactories
  /**
   * Completes on the first SIGINT or SIGTERM. A command that waits for `stopping` is not interrupted, and must stop by itself.
   */
  readonly stopping: Effect.Effect<void>
}
