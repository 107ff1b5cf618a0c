import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../../support/binary.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

beforeAll(() => binaryPath())

describe("schedules next", () => {
  const next = (...args: ReadonlyArray<string>) => runBinary(["schedules", "next", ...args])

  test("prints a JSON array of UTC instants after --from with -o json", async () => {
    const { stdout, code } = await next(
      "30 2 * * *",
      "--tz",
      "Europe/Oslo",
      "--from",
      "2026-10-24T00:30:00Z",
      "--count",
      "3",
      "-o",
      "json"
    )
    expect(JSON.parse(stdout)).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
      "2026-10-27T01:30:00.000Z"
    ])
    expect(code).toBe(0)
  })

  test("prints the next ten slots in UTC by default", async () => {
    const { stdout } = await next("@hourly", "-o", "json")
    const slots: ReadonlyArray<string> = JSON.parse(stdout)
    expect(slots).toHaveLength(10)
    expect(slots.every((slot) => slot.endsWith(":00:00.000Z"))).toBe(true)
    expect(slots.toSorted()).toEqual([...slots])
  })

  test("prints local times with their zone as text", async () => {
    const from = "2026-03-29T00:00:00+01:00"
    const { stdout } = await next("30 2 * * *", "--tz=Europe/Oslo", `--from=${from}`, "--count=2")
    expect(stdout).toContain("2026-03-29 03:00 Europe/Oslo  2026-03-29T01:00:00.000Z")
    expect(stdout.trimEnd().split("\n")).toHaveLength(3)
    const lines = await next("@daily", `--from=${from}`, "--count=1", "-o", "jsonl")
    expect(lines.stdout).toBe('"2026-03-29T00:00:00.000Z"\n')
  })

  test.each([
    [["61 * * * *"], "minute"],
    [["0 0 30 2 *"], "it matches no time"],
    [["@daily", "--tz", "Europe/Atlantis"], "not an IANA time zone"],
    [["@daily", "--count", "0"], "from 1 to 1000"],
    [["@daily", "--count", "1001"], "from 1 to 1000"],
    [["@daily", "--count", "-3"], '--count is "-3"'],
    [["@daily", "--from", "2026-11-24T00:00:00"], "time zone"],
    [["@daily", "--from", "tomorrow"], "time zone"],
    [["@daily", "--from", "2026-13-24T00:00:00Z"], "time zone"]
  ])("rejects %j with exit 2", async (args, reason) => {
    const { stdout, stderr, code } = await next(...args)
    expect(stderr).toContain(reason)
    expect(stderr).toContain("fix: ")
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 })
  })
})

describe("schedules validate", () => {
  const validate = (...args: ReadonlyArray<string>) => runBinary(["schedules", "validate", ...args])

  test("shows the next slots of a valid schedule, and the DST transitions of two years", async () => {
    const text = await validate("30 2 * * *", "--tz", "Europe/Oslo")
    expect(text.stdout).toContain("✓ valid")
    expect(text.stdout.match(/does not exist on/g)).toHaveLength(2)
    expect(text.stdout.match(/occurs twice on/g)).toHaveLength(2)
    const json = await validate("30 2 * * *", "--tz", "Europe/Oslo", "-o", "json")
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: true,
      clock_changes: [{ at: expect.stringMatching(/T01:00:00.000Z$/) }, {}, {}, {}]
    })
    const utc = await validate("30 2 * * *")
    expect(utc.stdout).toContain("No clock change affects this schedule")
    expect([text.code, json.code, utc.code]).toEqual([0, 0, 0])
  })

  test("rejects an invalid schedule with exit 2", async () => {
    const text = await validate("every day")
    expect(text.stderr).toContain("fix: ")
    const json = await validate("0 0 30 2 *", "-o", "json")
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      error: { code: "SCHEDULE_INVALID", reason: "Impossible" }
    })
    expect([text.code, json.code]).toEqual([2, 2])
  })
})
