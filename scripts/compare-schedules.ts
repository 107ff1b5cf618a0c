/**
 * Compares Domain/Schedule/Schedule with the oracle in test/support for every zone whose clock changes between 2024 and 2030.
 * Usage: `bun scripts/compare-schedules.ts [zone ...]`. Takes a few minutes, and exits with 1 if anything differs.
 *
 * 1. Zones are grouped by their local times at every quarter of an hour of these seven years.
 * 2. For one zone of each group, the oracle evaluates all 3.7 million real minutes. Every zone of the group is compared with
 *    the oracle's slots. Expressions with very many slots are compared only in the zone that the oracle evaluated.
 * 3. For each zone separately, the oracle evaluates every minute within three days of each clock change.
 */
import { Either } from "effect"
import * as Schedule from "../src/Domain/Schedule/Schedule.ts"
import * as Oracle from "../test/support/ScheduleOracle.ts"

const FROM = Date.UTC(2024, 0, 1)
const TO = Date.UTC(2031, 0, 1)
const DAY = 86_400_000
const QUARTER = 15 * 60_000
const MANY = 100_000

const counts = { compared: 0, differences: 0, changes: 0 }
const began = performance.now()
const say = (text: string): void =>
  console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}`)

const compare = (
  zone: string,
  expression: string,
  expected: ReadonlyArray<number>,
  after: number,
  upTo: number
): void => {
  counts.compared += expected.length
  const report = (what: string): void => {
    counts.differences++
    console.error(`DIFFERENCE ${zone} "${expression}": ${what}`)
  }
  const parsed = Schedule.parse(expression, zone)
  if (Either.isLeft(parsed)) {
    // If an expression was rejected because it never matches, the oracle must not find a slot either.
    if (parsed.left.reason !== "Impossible" || expected.length > 0) report(parsed.left.detail)
    return
  }
  const actual = Schedule.between(parsed.right, after, upTo, expected.length + 1)
  const show = (slot: number | undefined): string =>
    slot === undefined ? "nothing" : Schedule.describeInstant(slot, zone)
  const at = expected.findIndex((slot, index) => actual[index] !== slot)
  if (at >= 0) report(`expected ${show(expected[at])}, got ${show(actual[at])}`)
  else if (actual.length > expected.length) report(`unexpected ${show(actual.at(-1))}`)
  const { count } = Schedule.summarise(parsed.right, after, upTo)
  if (count !== expected.length) report(`${expected.length} slots, summarise counts ${count}`)
}

const groupZones = (zones: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const groups = new Map<string, Array<string>>()
  for (const zone of zones) {
    const read = Oracle.localMinutes(zone)
    const hash = new Bun.CryptoHasher("sha256")
    const shown = new Int32Array((TO - FROM) / QUARTER)
    for (let i = 0; i < shown.length; i++) shown[i] = read(FROM + i * QUARTER)
    const key = hash.update(shown).digest("hex")
    groups.set(key, [...(groups.get(key) ?? []), zone])
  }
  return [...groups.values()]
}

const compareYears = (group: ReadonlyArray<string>): void => {
  const [first = "UTC"] = group
  const clock = Oracle.readClock(first, FROM, TO)
  for (const expression of Oracle.EXPRESSIONS) {
    const expected = Oracle.oracleSlots(expression, clock, FROM, TO)
    const zones = expected.length > MANY ? [first] : group
    for (const zone of zones) compare(zone, expression, expected, FROM, TO)
  }
}

const compareChanges = (zone: string): void => {
  for (const day of Oracle.daysWithChange(zone, FROM, TO)) {
    const [after, upTo] = [day - 3 * DAY, day + 4 * DAY]
    const clock = Oracle.readClock(zone, after, upTo)
    counts.changes++
    for (const expression of Oracle.EXPRESSIONS) {
      const expected = Oracle.oracleSlots(expression, clock, after, upTo)
      compare(zone, expression, expected, after, upTo)
    }
  }
}

const named = process.argv.slice(2)
const zones = Intl.supportedValuesOf("timeZone").filter(
  (zone) =>
    (named.length === 0 || named.includes(zone)) && Oracle.daysWithChange(zone, FROM, TO).length > 0
)
const groups = groupZones(zones)
say(
  `${zones.length} zones whose clock changes from 2024 to 2030, ${groups.length} different clocks`
)
for (const [index, group] of groups.entries()) {
  compareYears(group)
  say(
    `clock ${index + 1} of ${groups.length}: ${group.length} zones such as ${group[0]}, seven years`
  )
}
const years = { ...counts }
for (const zone of zones) compareChanges(zone)
say(`${counts.changes} clock changes, three days before and after each`)
console.log(
  JSON.stringify({
    zones: zones.length,
    clocks: groups.length,
    expressions: Oracle.EXPRESSIONS.length,
    years: "2024-2030",
    slots_compared_in_full_years: years.compared,
    clock_changes: counts.changes,
    slots_compared_around_changes: counts.compared - years.compared,
    slots_compared: counts.compared,
    differences: counts.differences
  })
)
process.exitCode = counts.differences === 0 ? 0 : 1
