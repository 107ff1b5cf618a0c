import { describe, expect, it } from "bun:test"
import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { faultsOf, type Tree } from "./support/Architecture.ts"
import { breaches } from "./support/ArchitectureBreaches.ts"
import { codeOf, importsOf } from "./support/SourceText.ts"

const root = resolve(import.meta.dir, "..")

/** Outside a git repository, lists all files except dependencies and build output. */
const listFiles = (): ReadonlyArray<string> => {
  const git = Bun.which("git")
  const listed =
    git === null
      ? undefined
      : Bun.spawnSync(
          [
            git,
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard"
          ],
          { cwd: root, stderr: "ignore" }
        )
  return listed?.success === true
    ? listed.stdout
        .toString()
        .split("\0")
        .filter((path) => path !== "")
    : [...new Bun.Glob("**").scanSync({ cwd: root, dot: true })].filter(
        (path) => !/(^|\/)(node_modules|dist|coverage|\.git)\//.test(path)
      )
}

const readTree = async (): Promise<Tree> => {
  const files = await Promise.all(
    listFiles().map(async (path) => {
      const content = await readFile(join(root, path), "utf8").catch(() => undefined)
      return content === undefined || content.includes("\0") ? [] : [[path, content] as const]
    })
  )
  return new Map(files.flat())
}

/** Returns the faults of a small source tree that contains the given file. */
const faultsIn = (path: string, content: string, others: Record<string, string> = {}) =>
  faultsOf(
    new Map([
      ["src/Domain/Run.ts", 'import { Schema } from "effect"\nexport const Run = Schema.String\n'],
      [
        "src/Services/Lock.ts",
        'import { Context } from "effect"\nimport type { Run } from "../Domain/Run.ts"\n'
      ],
      ["src/Layers/LockLive.ts", 'import { Lock } from "../Services/Lock.ts"\n'],
      ["src/Engine.ts", 'import { Lock } from "./Services/Lock.ts"\n'],
      ...Object.entries(others),
      [path, content]
    ])
  )

describe("the architecture rules", () => {
  it.each([...breaches])("detect: %s", (_rule, path, content, fault) => {
    const faults = faultsIn(path, content).filter((line) => line.startsWith(`${path}: `))
    expect(faults.join("\n")).toMatch(fault)
  })

  it("apply Deno's rules to a file that Deno reaches through another", () => {
    const faults = faultsIn("src/Layers/Socket.ts", "export const a = Bun.env", {
      "src/Layers/LockLive.ts": 'import { a } from "./Socket.ts"'
    })
    expect(faults).toEqual(["src/Layers/Socket.ts: uses Bun's or Node's globals where Deno goes"])
  })

  it("show a cycle completely, including type imports", () => {
    const faults = faultsIn("src/Domain/A.ts", 'import { b } from "./B.ts"', {
      "src/Domain/B.ts": 'import type { a } from "./A.ts"'
    })
    expect(faults).toEqual(["cycle: src/Domain/B.ts -> src/Domain/A.ts -> src/Domain/B.ts"])
  })

  it("allow correct code", () => {
    const source = `
      import * as Domain from "../Domain/Run.ts"
      import { type A, b as c } from "effect"
      // Comments may contain Date.now(), as any, and value!.name
      const a = { kind: "as any" } as const
      const pattern = /as any!/
      const at = new Date(ms).getTime() !== 0 && !b
      export * from "./Tick.ts"
    `
    expect(faultsIn("src/Engine/A.ts", source)).toEqual([])
  })
})

describe("the source reader", () => {
  it("finds every kind of import", () => {
    const source = `
      import a, { type B } from "a"
      import type { C } from "c"
      import * as D from "d"
      import {
        e,
        type F
      } from "e"
      import "g"
      export * from "h"
      export type { I } from "i"
      export const text = "from" // import x from "no"
      const lazy = () => import("j")
      const text2 = \`\${text} import("no")\`.replace(/import("no")/, "")
    `
    expect(importsOf(source).map(({ specifier }) => specifier)).toEqual([
      "a",
      "c",
      "d",
      "e",
      "h",
      "i",
      "g",
      "j"
    ])
    expect(importsOf(source).filter(({ typeOnly }) => typeOnly).length).toBe(2)
  })

  it("blanks comments and quoted text in place", () => {
    const source = 'a("b\\"c") /* d */ + /[/]"/.e // f'
    const code = codeOf(source)
    expect(code).toBe('a("    ")         + /    /.e     ')
    expect(code.length).toBe(source.length)
  })
})

describe("the source tree", () => {
  it("follows every rule", async () => {
    const tree = await readTree()
    expect(tree.has("src/Config.ts")).toBe(true)
    expect(faultsOf(tree)).toEqual([])
  })
})
