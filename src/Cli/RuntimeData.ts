/** Describes the runtime and its zone data, such as `Bun 1.4.5, time zones of ICU 78.3`. `versions` is `process.versions`. */
export const runtimeData = (versions: Readonly<Record<string, string | undefined>>): string => {
  const { bun, icu, node, tz } = versions
  const runtime = bun === undefined ? `Node.js ${node}` : `Bun ${bun}`
  const zones = tz === undefined ? `of ICU ${icu ?? "unknown"}` : `${tz} (ICU ${icu ?? "unknown"})`
  return `${runtime}, time zones ${zones}`
}
