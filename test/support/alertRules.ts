import { readFileSync } from "node:fs"
import { join } from "node:path"

export interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const path = join(import.meta.dir, "../../deploy/prometheus/rules.yaml")

export const alertRules = (): ReadonlyArray<Rule> =>
  (
    Bun.YAML.parse(readFileSync(path, "utf8")) as {
      groups: ReadonlyArray<{ rules: ReadonlyArray<Rule> }>
    }
  ).groups.flatMap((group) => group.rules)
