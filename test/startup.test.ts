import { beforeAll, describe, expect, test } from "bun:test"
import { resolve } from "node:path"
import { COMPILED } from "../scripts/Compiled.ts"
import { directImports, withDirectImports } from "../scripts/DirectImports.ts"

const root = resolve(import.meta.dir, "..")

interface Chunk {
  readonly entry: string | undefined
  readonly imports: ReadonlyArray<string>
  readonly modules: ReadonlyArray<string>
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** Returns the chunks by name. Does not compile the binary. */
const bundle = async (): Promise<ReadonlyMap<string, Chunk>> => {
  const { metafile } = await Bun.build({
    entrypoints: [resolve(root, "src", "main.ts")],
    format: COMPILED.format,
    splitting: COMPILED.splitting,
    target: "bun",
    plugins: [directImports],
    metafile: true
  })
  return new Map(
    Object.entries(metafile?.outputs ?? {}).map(([path, output]) => [
      nameOf(path),
      {
        entry: output.entryPoint,
        imports: output.imports
          .filter(({ kind }) => kind !== "dynamic-import")
          .map((one) => nameOf(one.path)),
        modules: Object.keys(output.inputs)
      }
    ])
  )
}

/** Returns the modules in all chunks that the entries import. */
const evaluatedBy = (
  chunks: ReadonlyMap<string, Chunk>,
  entries: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const queue = [...chunks].flatMap(([name, { entry }]) =>
    entries.some((path) => entry?.endsWith(path)) ? [name] : []
  )
  expect(queue).toHaveLength(entries.length)
  const reached = new Set<string>()
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (reached.has(name)) continue
    reached.add(name)
    queue.push(...(chunks.get(name)?.imports ?? []))
  }
  return [...reached].flatMap((name) => chunks.get(name)?.modules ?? [])
}

describe("a process that finds nothing due (ADR 26)", () => {
  let chunks: ReadonlyMap<string, Chunk>
  beforeAll(async () => {
    chunks = await bundle()
  }, 60_000)

  const idle = ["src/main.ts", "src/Cli/Process.ts", "src/Cli/Run/IdleRun.ts", "src/Config.ts"]

  test.each([
    ["a direct connection", "src/Layers/PostgresLive.ts"],
    ["the Data API", "src/Layers/SupabaseLive.ts"],
    ["a dead man's switch", "src/Layers/PingLive.ts"]
  ])("evaluates neither schemas nor the engine: %s", (_, layer) => {
    const modules = evaluatedBy(chunks, [...idle, layer])
    expect(modules.some((path) => path.endsWith("effect/dist/esm/Effect.js"))).toBe(true)
    expect(
      modules.filter((path) =>
        /effect\/dist\/esm\/(Schema|SchemaAST|ParseResult|Metric)\.js$|src\/(Engine|Metrics)\.ts$/.test(
          path
        )
      )
    ).toEqual([])
  })

  test("the whole tick evaluates both, so that this test can detect them", () => {
    const modules = evaluatedBy(chunks, ["src/Cli/Run/RunTick.ts"])
    expect(modules.some((path) => path.endsWith("effect/dist/esm/Schema.js"))).toBe(true)
    expect(modules.some((path) => path.endsWith("src/Engine.ts"))).toBe(true)
  })
})

test("the binary imports each module of Effect itself, on the same lines", () => {
  const text = `import {
  Effect,
  identity,
  type Layer as L,
  Option as Maybe
} from "effect"
import { Effect as Own } from "./effect.ts"
const a = 1
`
  const direct = withDirectImports(text)
  expect(direct.split("\n")[0]).toBe(
    'import * as Effect from "effect/Effect"; import { identity as identity } from "effect/Function"; ' +
      'import type { Layer as L } from "effect"; import * as Maybe from "effect/Option"'
  )
  expect(direct.split("\n").slice(6)).toEqual(text.split("\n").slice(6))
})
