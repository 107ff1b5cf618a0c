export const breaches: ReadonlyArray<
  readonly [rule: string, path: string, content: string, fault: RegExp]
> = [
  [
    "Domain imports only effect and Domain",
    "src/Domain/A.ts",
    'import { Lock } from "../Services/Lock.ts"',
    /Domain may not import/
  ],
  [
    "Domain's types count too",
    "src/Domain/A.ts",
    'import type { Lock } from "../Services/Lock.ts"',
    /Domain may not import/
  ],
  [
    "Domain knows no platform",
    "src/Domain/A.ts",
    'import { HttpClient } from "@effect/platform"',
    /Domain may not import/
  ],
  [
    "croner stays behind Schedule",
    "src/Domain/Run.ts",
    'import { Cron } from "croner"',
    /only .*Schedule.* imports croner/
  ],
  [
    "Config imports no Service",
    "src/Config.ts",
    'import { Lock } from "./Services/Lock.ts"',
    /Config may not import/
  ],
  [
    "Metrics imports no Engine",
    "src/Metrics.ts",
    'export { tick } from "./Engine.ts"',
    /Metrics may not import/
  ],
  [
    "Version imports nothing",
    "src/Version.ts",
    'import { Effect } from "effect"',
    /Version may not import/
  ],
  [
    "a page only shows: it reads nothing by itself",
    "src/Server/Pages/A.ts",
    'import { Supabase } from "../Services/Supabase.ts"',
    /Pages may not import/
  ],
  [
    "Services import types only",
    "src/Services/A.ts",
    'import { Run } from "../Domain/Run.ts"',
    /only types of Domain/
  ],
  [
    "Services know no Layer",
    "src/Services/A.ts",
    'import type { A } from "../Layers/LockLive.ts"',
    /Services may not import/
  ],
  [
    "the Engine knows no Layer",
    "src/Engine.ts",
    'import { LockLive } from "./Layers/LockLive.ts"',
    /Engine may not import/
  ],
  [
    "nor do its parts",
    "src/Engine/Claiming.ts",
    'import "../Layers/LockLive.ts"',
    /Engine may not import/
  ],
  [
    "Layers know no Engine",
    "src/Layers/A.ts",
    'import { tick } from "../Engine.ts"',
    /Layers may not import/
  ],
  [
    "Layers know no other Layer",
    "src/Layers/ALive.ts",
    'import { LockLive } from "./LockLive.ts"',
    /one Layer may not import another/
  ],
  [
    "Http knows no Service",
    "src/Http/A.ts",
    'import { Lock } from "../Services/Lock.ts"',
    /Http may not import/
  ],
  [
    "Cli knows no Layer, even lazily",
    "src/Cli/A.ts",
    'const a = () => import("../Layers/LockLive.ts")',
    /Cli may not import/
  ],
  [
    "no file imports main",
    "src/Cli/A.ts",
    'import { main } from "../main.ts"',
    /Cli may not import/
  ],
  [
    "the façade is not the Cli",
    "src/job-trigger-engine.ts",
    'import { a } from "./Cli/A.ts"',
    /facade may not import/
  ],
  ["every file has a component", "src/Shared/A.ts", "export const a = 1", /is in no component/],
  [
    "OpenTelemetry stays behind TelemetryLive",
    "src/Layers/InvokerLive.ts",
    'import * as Otlp from "@effect/opentelemetry/Otlp"',
    /only .*Telemetry.* imports @effect\/opentelemetry/
  ],
  [
    "supabase-js stays behind SupabaseLive",
    "src/Layers/LockLive.ts",
    'import { a } from "@supabase/supabase-js"',
    /only .*SupabaseLive.* imports/
  ],
  [
    "PGlite stays behind EmbeddedLive",
    "src/Layers/LockLive.ts",
    'import { a } from "@electric-sql/pglite"',
    /only .*Embedded.* imports/
  ],
  [
    "an unknown package is in no component",
    "src/main.ts",
    'import a from "lodash/fp"',
    /main may not import lodash/
  ],
  [
    "imports can be read off",
    "src/main.ts",
    "const a = await import(name)",
    /cannot be read from the source/
  ],
  [
    "no Bun module where Deno goes",
    "src/Layers/LockLive.ts",
    'import { sql } from "bun"',
    /modules where Deno goes/
  ],
  [
    "no Node module where Deno goes",
    "src/Layers/InvokerLive.ts",
    'import { a } from "node:fs"',
    /modules where Deno goes/
  ],
  [
    "no Bun global where Deno goes",
    "src/Engine.ts",
    "const a = Bun.env",
    /globals where Deno goes/
  ],
  [
    "no process where Deno goes",
    "src/Config.ts",
    "const a = process.env",
    /globals where Deno goes/
  ],
  [
    "relative imports end in .ts",
    "src/Engine.ts",
    'import { Lock } from "./Services/Lock"',
    /does not end in \.ts/
  ],
  ["names say something", "src/Domain/utils.ts", "export const a = 1", /name that says nothing/],
  ["files stay readable", "src/Engine.ts", "\n".repeat(301), /longer than 300 lines/],
  ["no system clock", "src/Engine.ts", "const a = Date.now()", /Clock/],
  ["no system date", "src/Engine.ts", "const a = new Date()", /Clock/],
  ["no unseeded chance", "src/Engine.ts", "const a = Math.random()", /Random/],
  ["no timers", "src/Engine.ts", "setTimeout(() => 1, 2)", /Effect\.sleep/],
  ["no callbacks in the engine", "src/Engine.ts", "Effect.async(() => {})", /Effect's own/],
  ["no state in its classes", "src/Engine/A.ts", "class A { b() { this.c = 1 } }", /Effect's own/],
  ["no fibers besides the caller's", "src/Layers/A.ts", "Effect.runFork(a)", /Effect's own/],
  ["no any", "src/Engine.ts", "const a: any = 1", /no any/],
  ["no any in a type argument", "src/Engine.ts", "const a: Array<any> = []", /no any/],
  ["no assertion", "src/Engine.ts", "const a = b as string", /no type assertion/],
  [
    "no assertion in a template",
    "src/Engine.ts",
    ["const a = `$", "{b as string}`"].join(""),
    /no type assertion/
  ],
  ["no non-null assertion", "src/Engine.ts", "const a = b!.c", /no non-null assertion/],
  ["no silenced check", "src/Engine.ts", "// @ts-ignore\nconst a = 1", /silences a check/],
  ["SQL lives in migrations", "src/Layers/a.sql", "select 1", /SQL lives in/],
  [
    "no path of a machine",
    "docs/a.md",
    ["run ", "/home", "/somebody/x"].join(""),
    /path of a machine/
  ],
  [
    "no registry",
    "bun.lock",
    ["https://r.example/a", "/-/a-1.", "tgz"].join(""),
    /names a registry/
  ],
  ["every test runs", "test/a.test.ts", ["it.sk", "ip(1)"].join(""), /tests that do not run/],
  ["nothing is put off", "src/Engine.ts", ["// TO", "DO: later"].join(""), /puts something off/]
]
