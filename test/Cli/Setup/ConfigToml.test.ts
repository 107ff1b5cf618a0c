import { describe, expect, test } from "bun:test"
import { patchConfig, readsSeed, sectionOf } from "../../../src/Cli/Setup/ConfigToml.ts"

const SECTION = sectionOf("integration-sync")

/** Asserts that a second patch changes nothing. */
const patched = async (text: string, ...functions: ReadonlyArray<string>): Promise<string> => {
  const names = functions.length === 0 ? ["integration-sync"] : functions
  const once = await patchConfig(text, names)
  if (once._tag === "ByHand") return `by hand: ${once.why}`
  expect(await patchConfig(once.text, names)).toEqual(once)
  return once.text
}

describe("a new section is appended, and everything else stays unchanged", () => {
  for (const [name, text, gap] of [
    [
      "an ordinary file",
      'project_id = "x"\n\n# mails\n[functions.mail] # m\nverify_jwt = true\n',
      "\n"
    ],
    ["no line end", 'project_id = "x"', "\n\n"],
    [
      "a table of functions",
      "[functions]\nmail = { verify_jwt = true }\n\n# last\n[db]\nport = 1\n",
      "\n"
    ],
    ["dotted keys", "functions.mail.verify_jwt = true # why\n", "\n"],
    [
      "dates, numbers and long texts",
      'a = 2024-01-01T00:00:00Z\nb = 0x10\nc = 1.0\nd = """\nx\n"""\n',
      "\n"
    ]
  ] as const) {
    test(name, async () => expect(await patched(text)).toBe(`${text}${gap}${SECTION}`))
  }
  test("in an empty file", async () => expect(await patched("")).toBe(SECTION))
  test("with Windows line endings", async () => {
    const text = 'project_id = "x"\r\n'
    expect(await patched(text)).toBe(`${text}\r\n${SECTION.replaceAll("\n", "\r\n")}`)
  })
  test("for two functions", async () =>
    expect(await patched("a = 1\n", "integration-sync", "sync-scheduler")).toBe(
      `a = 1\n\n${SECTION}\n${sectionOf("sync-scheduler")}`
    ))
})

describe("an existing section is edited in place", () => {
  test("by replacing a setting", async () => {
    const text =
      "[functions.integration-sync] # ours\nverify_jwt = true # why\nenabled = true\n\n[a]\nb = 1\n"
    expect(await patched(text)).toBe(text.replace("verify_jwt = true", "verify_jwt = false"))
  })
  test("by adding a missing setting", async () => {
    const text = '[functions."integration-sync"]\nimport_map = "x"\n\n# about a\n[a]\nb = 1\n'
    expect(await patched(text)).toBe(text.replace("]\n", "]\nverify_jwt = false\n"))
  })
  test("in an inline table", async () =>
    expect(await patched("functions = { mail = { verify_jwt = true } } # c\n[a]\n")).toBe(
      "functions = { mail = { verify_jwt = true }, integration-sync = { verify_jwt = false } } # c\n[a]\n"
    ))
  test("not at all if the setting already has the value", async () => {
    const text = "functions.integration-sync.verify_jwt=false"
    expect(await patched(text)).toBe(text)
  })
})

test("a file that is not valid TOML is left unchanged", async () => {
  expect(await patched("a = = 1")).toStartWith(
    "by hand: supabase/config.toml cannot be read as TOML"
  )
})

test("the config tells whether supabase db reset reads supabase/seed.sql", async () => {
  const read = (text: string) => readsSeed(text)
  expect(await read("")).toBe(true)
  expect(await read('[db.seed]\nsql_paths = ["./seed.sql"]\n')).toBe(true)
  expect(await read('[db.seed]\nsql_paths = ["./seeds/*.sql"]\n')).toBe(false)
  expect(await read("[db.seed]\nenabled = false\n")).toBe(false)
})
