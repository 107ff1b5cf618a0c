import { expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import jsr from "../../jsr.json" with { type: "json" }
import manifest from "../../package.json" with { type: "json" }

const root = join(import.meta.dir, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")

test("CONTRIBUTING names only existing scripts and files, and npm and JSR have the same version", () => {
  const text = read("CONTRIBUTING.md")
  const scripts = [...text.matchAll(/bun(?:@[\d.]+)? run ([a-z][a-z0-9:]*)/g)].map(
    ([, name]) => name
  )
  expect(scripts.length).toBeGreaterThan(4)
  for (const name of scripts) expect(Object.keys(manifest.scripts)).toContain(name ?? "")
  for (const [, path = ""] of text.matchAll(/`((?:src|test|supabase)\/[\w/.]+)`/g)) {
    expect([path, existsSync(join(root, path))]).toEqual([path, true])
  }
  expect(jsr.version).toBe(manifest.version)
})

test("issue forms are valid, and every path with an owner exists", () => {
  for (const name of readdirSync(join(root, ".github/ISSUE_TEMPLATE"))) {
    const form: unknown = Bun.YAML.parse(read(`.github/ISSUE_TEMPLATE/${name}`))
    if (name === "config.yml") expect(form).toEqual({ blank_issues_enabled: false })
    else {
      expect(form).toMatchObject({
        name: expect.any(String),
        description: expect.any(String),
        body: expect.arrayContaining([expect.objectContaining({ type: "textarea" })])
      })
    }
  }
  const owners = read(".github/CODEOWNERS")
    .split("\n")
    .filter((line) => /^[*/]/.test(line))
  for (const line of owners) {
    const [path = "", owner = ""] = line.split(/\s+/)
    expect(owner).toStartWith("@sync-scheduler/")
    if (path !== "*") expect([path, existsSync(join(root, path))]).toEqual([path, true])
  }
})

test("SECURITY states the number of days until a response", () => {
  expect(read("SECURITY.md")).toMatch(/within \d+ working days/)
})
