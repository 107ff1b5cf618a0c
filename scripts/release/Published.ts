/**
 * Returns the version's section of a changelog in the format of Keep a Changelog, with absolute links. `source` is the address of
 * the released source, with a trailing slash. Throws when the section is missing or empty.
 */
export const notesOf = (changelog: string, version: string, source = ""): string => {
  const sections = changelog.split(/^## /m).slice(1)
  const section = sections.find((text) => text.startsWith(`[${version}]`)) ?? ""
  const [, ...lines] = section.split("\n").filter((line) => !/^\[[^\]]+\]: /.test(line))
  const notes = lines.join("\n").trim()
  if (notes === "")
    throw new Error(`CHANGELOG.md has no section [${version}], or the section is empty`)
  return `${notes.replace(/\]\((?![a-z]+:|#)/gi, `](${source}`)}\n`
}

/** Makes the links to runbooks in the alert rules absolute. `source` ends with a slash. */
export const rulesOf = (rules: string, source: string): string => {
  const link = /^( *runbook_url: )(?=docs\/)/gm
  if (rules.search(link) < 0) throw new Error("the rules contain no runbook link")
  return rules.replace(link, `$1${source}`)
}
