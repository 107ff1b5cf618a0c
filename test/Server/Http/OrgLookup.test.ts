import { describe, expect, test } from "bun:test"
import { dayWindow, findOrgs } from "../../../src/Server/Http/OrgLookup.ts"
import { integrationOf, uuid } from "../Pages/Fixtures.ts"

describe("an organisation", () => {
  const acme = { org_id: uuid(71), org_name: "Acme AS" }
  const all = [
    integrationOf(1, acme),
    integrationOf(2, { ...acme, org_name: null }),
    integrationOf(3, { org_id: "b0000000-0000-4000-8000-000000000072", org_name: "Acme Hosting" }),
    integrationOf(4, { org_id: uuid(73), org_name: null })
  ]
  const idsOf = (wanted: string) => findOrgs(all, wanted).map(({ org_id }) => org_id)

  test("is found by its id, an integration's id or its full name before a part of a name or id", () => {
    expect(idsOf(uuid(73))).toEqual([uuid(73)])
    expect(idsOf(uuid(4))).toEqual([uuid(73)])
    expect(idsOf("ACME as")).toEqual([acme.org_id])
    expect(idsOf("acme").length).toBe(2)
    expect(idsOf("b0000000")).toEqual(["b0000000-0000-4000-8000-000000000072"])
    expect(idsOf("nobody")).toEqual([])
    expect(idsOf("")).toEqual([])
  })

  test("has all of its integrations, including those without its name", () => {
    const [found] = findOrgs(all, "acme as")
    expect(found?.org_name).toBe("Acme AS")
    expect(found?.integrations.length).toBe(2)
  })
})

describe("the period of the page", () => {
  const now = Date.parse("2026-10-26T08:12:04Z")
  const show = (day: string | null) => {
    const { day: shown, from, to } = dayWindow(day, "Europe/Oslo", now)
    return [shown, new Date(from).toISOString(), new Date(to).toISOString()]
  }

  test("begins yesterday at midnight in the integration's zone, even on a day of 25 hours", () => {
    expect(show(null)).toEqual([null, "2026-10-24T22:00:00.000Z", "2026-10-26T08:12:04.001Z"])
  })

  test("lasts from midnight to midnight in that zone for a past day, and until now for today", () => {
    const sunday = "2026-10-25"
    expect(show(sunday)).toEqual([sunday, "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"])
    expect(show("2026-10-26")[2]).toBe("2026-10-26T08:12:04.001Z")
  })

  test("is the default for a future or invalid day", () => {
    for (const text of ["2026-10-27", "2026-13-40", "yesterday", ""])
      expect(show(text)[0]).toBe(null)
  })
})
