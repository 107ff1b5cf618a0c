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

/** A flag of a command. `value` names what follows it in help; without one it is a switch. */
export interface Flag {
  readonly name: string
  readonly short?: string
  readonly value?: string
  readonly choices?: ReadonlyArray<string>
  readonly repeatable?: boolean
  readonly summary: string
}

/** What stands after a command without a dash. */
export interface Positional {
  readonly name: string
  readonly choices?: ReadonlyArray<string>
  readonly summary: string
  readonly optional?: boolean
}

/**
 * A command as the command line knows it before any of its code is loaded: parsing, help and completions are made of
 * this. To add one, write its implementation in a file of its own and put its entry into a file of
 * Commands/.
 */
export interface Command {
  /** One or two words: `run`, `schedules next`. */
  readonly name: string
  readonly summary: string
  readonly details?: string
  readonly positionals: ReadonlyArray<Positional>
  readonly flags: ReadonlyArray<Flag>
  readonly examples: ReadonlyArray<string>
  readonly load: () => Promise<Loaded | { readonly light: Light }>
}

/** A command's code. `json` is what `-o json` prints: the reference is made of it, and a test holds the output to it. */
export interface Loaded {
  readonly main: Main
  readonly json?: Schema.Schema.AnyNoContext
}

/** The implementation of a command that is started every few seconds: no Effect, and its own way of ending. */
export type Light = (given: Arguments) => Promise<number>

/** A command's implementation: what it prints, and how the process ends. */
export type Main = (cli: Cli) => Effect.Effect<ExitCode, CommandError>

/** What was given to a command. Flags go by their long name. */
export interface Arguments {
  readonly positionals: ReadonlyArray<string>
  readonly has: (flag: string) => boolean
  readonly value: (flag: string) => string | undefined
  readonly values: (flag: string) => ReadonlyArray<string>
}

/** All that a tick runs on. */
export type EngineServices = Supabase | Lock | Ledger | Invoker | EngineConfig

/** Whom a tick tells of what it found. */
export type TellingServices = AlertQueue | Notifier | Ping

/** What the demo runs on: a directory to keep the database in, else it is in memory. */
export interface DemoOptions extends Pick<Project, "settings" | "functions"> {
  readonly directory: string | undefined
}

/** The mechanisms, loaded only when a command needs them. main.ts is where they are put together. */
export interface Wiring {
  readonly engine: (
    project: Project
  ) => Promise<Layer.Layer<EngineServices | TellingServices, SupabaseError>>
  /** The database alone, for commands that invoke nothing. */
  readonly database: (database: Database) => Promise<Layer.Layer<Supabase, SupabaseError>>
  /** The database that a demo left in a directory, alone. */
  readonly embedded: (directory: string) => Promise<Layer.Layer<Supabase, SupabaseError>>
  /** Alerts and pings alone, as the settings want them; they need no project. */
  readonly telling: (settings: Settings) => Promise<Layer.Layer<Notifier | Ping>>
  /** Whoever probes accounting APIs. */
  readonly probing: () => Promise<Layer.Layer<Prober>>
  readonly demo: (
    options: DemoOptions
  ) => Promise<Layer.Layer<EngineServices | TellingServices | EmbeddedDatabase, SupabaseError>>
}

/** What a command is given. */
export interface Cli {
  readonly arguments: Arguments
  readonly terminal: Terminal
  /** Where settings come from; flags by key of the setting. */
  readonly sources: (flags?: Sources["flags"]) => Sources
  readonly wiring: Wiring
  /**
   * Ends at the first SIGINT or SIGTERM. A command that waits for it stops by itself and is not interrupted; its exit code is
   * then its own.
   */
  readonly stopping: Effect.Effect<void>
}
