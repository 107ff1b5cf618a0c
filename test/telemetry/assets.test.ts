import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { APPEARANCE, needsAttention, StateName } from "../../src/Domain/State.ts"
import { alertRules } from "../support/alertRules.ts"
import { faultsOfQuery, queriesIn } from "../support/queries.ts"

const rules = alertRules()
const root = join(import.meta.dir, "../..")
const textOf = (path: string) => readFileSync(join(root, path), "utf8")

interface RuleTests {
  readonly tests: ReadonlyArray<{
    readonly alert_rule_test: ReadonlyArray<{
      readonly alertname: string
      readonly exp_alerts: ReadonlyArray<unknown>
    }>
  }>
}

const ruleTests = (Bun.YAML.parse(textOf("deploy/prometheus/rules_test.yaml")) as RuleTests).tests
const dashboard = JSON.parse(textOf("deploy/grafana/sync-scheduler.json"))
describe("the alert rules", () => {
  test("use only existing metrics, labels and buckets", () => {
    expect(rules.length).toBeGreaterThan(10)
    for (const { alert, expr } of rules) expect([alert, faultsOfQuery(expr)]).toEqual([alert, []])
  })

  test("name duration, severity, meaning and next step", () => {
    for (const rule of rules) {
      expect(rule.alert).toMatch(/^Sync[A-Z]\w+$/)
      expect(rule.for).toMatch(/^\d+[mh]$/)
      expect(rule.labels.severity).toMatch(/^(critical|warning)$/)
      expect(rule.annotations.summary).toMatch(/^\S.{20,150}\.$/)
      expect(rule.annotations.runbook_url).toBe(`docs/runbooks/${rule.alert}.md`)
    }
  })

  test("are each tested both to fire and not to fire", () => {
    const cases = ruleTests.flatMap((one) => one.alert_rule_test)
    for (const { alert } of rules) {
      const fires = cases.filter((one) => one.alertname === alert)
      expect([alert, fires.some((one) => one.exp_alerts.length > 0)]).toEqual([alert, true])
      expect([alert, fires.some((one) => one.exp_alerts.length === 0)]).toEqual([alert, true])
    }
  })
})

describe("every state that needs attention is visible", () => {
  const WATCHED: Partial<Readonly<Record<StateName, string>>> = {
    overdue: "SyncOverdue",
    invalid_schedule: "SyncInvalidCron",
    unknown: "SyncOutcomeUnknown",
    failing: "SyncFailing",
    retrying: "SyncRetrying",
    // An integration is stale if no tick runs, or if the slot of its last run was skipped.
    stale: "SyncSchedulerDown",
    late: "SyncLagP95"
  }

  test("an alert exists for each of these states, and for no other", () => {
    expect(Object.keys(WATCHED).toSorted()).toEqual(
      StateName.literals.filter((name) => needsAttention(name)).toSorted()
    )
    const names = rules.map(({ alert }) => alert)
    for (const name of Object.values(WATCHED)) expect(names).toContain(name)
    const asked = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/sync_scheduler_schedules\{state="(\w+)"/g)].map(([, state]) => state)
    )
    for (const state of asked) expect(Object.keys(WATCHED)).toContain(state ?? "")
  })

  test("the dashboard shows only one state in green: on time", () => {
    const COLORS = {
      critical: "red",
      warning: "orange",
      active: "blue",
      idle: "text",
      ok: "green"
    } as const
    const panel = dashboard.panels.find(
      ({ title }: { title: string }) => title === "Integrations by state"
    )
    expect(panel.fieldConfig.overrides).toEqual(
      StateName.literals.map((name) => ({
        matcher: { id: "byName", options: name },
        properties: [
          {
            id: "color",
            value: { mode: "fixed", fixedColor: COLORS[APPEARANCE[name].severity] }
          }
        ]
      }))
    )
    const looks = dashboard.panels
      .filter(({ type }: { type: string }) => type === "stat" || type === "bargauge")
      .map(({ fieldConfig }: { fieldConfig: { defaults: unknown } }) => fieldConfig.defaults)
    expect(looks.length).toBeGreaterThan(5)
    expect(JSON.stringify(looks)).not.toMatch(/green|palette/)
  })
})

describe("the dashboard", () => {
  test("uses only existing metrics, labels and buckets", () => {
    const queries = queriesIn(dashboard)
    expect(queries.length).toBeGreaterThan(20)
    for (const query of queries) expect([query, faultsOfQuery(query)]).toEqual([query, []])
  })

  test("has a unique name and position for each panel, within 24 columns", () => {
    const panels: ReadonlyArray<{
      readonly id: number
      readonly title: string
      readonly gridPos: {
        readonly x: number
        readonly y: number
        readonly w: number
        readonly h: number
      }
    }> = dashboard.panels
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`)
    )
    expect(new Set(cells).size).toBe(cells.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })
})

test("a missing metric, label or bucket is detected", () => {
  expect(faultsOfQuery("up")).toEqual(["asks for none of our metrics"])
  expect(faultsOfQuery('sync_scheduler_runs{org_id="a"}')).toEqual([
    "sync_scheduler_runs does not exist"
  ])
  expect(faultsOfQuery('sum by (org) (sync_scheduler_runs_total{state="a"})')).toEqual([
    "sync_scheduler_runs_total has no label state",
    "groups by org"
  ])
  expect(faultsOfQuery('sync_scheduler_start_lag_seconds_bucket{le="61"}')).toEqual([
    "sync_scheduler_start_lag_seconds_bucket has no bucket 61"
  ])
})
