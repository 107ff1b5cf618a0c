import { expect, test } from "bun:test"
import { notesOf, rulesOf } from "../../scripts/release/Published.ts"

const SOURCE = "https://example.com/v1/"
const CHANGELOG = `# Changelog

## [Unreleased]

## [1.1.0] - 2027-01-08

### Added

- Something, with \`code\`
  on two lines.

### Fixed

- Another [thing](docs/README.md), as in [SemVer](https://semver.org/).

## [1.0.0] - 2027-01-01

- The first.

[1.1.0]: https://example.com/1.1.0
[1.0.0]: https://example.com/1.0.0
`

test("the notes of a release are its section of the changelog", () => {
  expect(notesOf(CHANGELOG, "1.1.0", SOURCE)).toBe(
    "### Added\n\n- Something, with `code`\n  on two lines.\n\n### Fixed\n\n- Another [thing](https://example.com/v1/docs/README.md), as in [SemVer](https://semver.org/).\n"
  )
  expect(notesOf(CHANGELOG, "1.0.0")).toBe("- The first.\n")
})

test.each(["1.1", "1.1.1", "Unreleased", "0.1.0"])(
  "a release without notes is refused: %s",
  (version) => {
    expect(() => notesOf(CHANGELOG, version)).toThrow(`no section [${version}]`)
  }
)

test("this changelog has the notes of the next version", async () => {
  const text = await Bun.file(`${import.meta.dir}/../../CHANGELOG.md`).text()
  const next = text.replace("## [Unreleased]", "## [9.9.9] - 2027-01-01")
  expect(notesOf(next, "9.9.9")).toContain("### Added\n\n- ")
})

test("every alert rule has a runbook with an address", async () => {
  const rules = await Bun.file(`${import.meta.dir}/../../deploy/prometheus/rules.yaml`).text()
  const released = rulesOf(rules, SOURCE)
  const { groups } = Bun.YAML.parse(released) as {
    groups: ReadonlyArray<{
      rules: ReadonlyArray<{ alert: string; annotations: { runbook_url: string } }>
    }>
  }
  const alerts = groups.flatMap(({ rules }) => rules)
  expect(alerts.length).toBeGreaterThan(10)
  for (const { alert, annotations } of alerts) {
    expect(annotations.runbook_url).toBe(`${SOURCE}docs/runbooks/${alert}.md`)
  }
  expect(() => rulesOf("groups: []", SOURCE)).toThrow("no runbook")
})
