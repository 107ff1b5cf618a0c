import { Option } from "effect"
import type { Diagnosis } from "../../Database/DiagnosisRpc.ts"
import { format } from "../../Domain/Instant.ts"
import { wallClock } from "../../Domain/Schedule/WallClock.ts"
import { runtimeData } from "../RuntimeData.ts"
import { type CheckResult, ok, warning } from "./CheckResult.ts"

/** The interval at which the database samples zone offsets, in ms. *Source*: `sync_scheduler.zone_offsets`. */
const STEP_MS = 6 * 3_600_000
const YEAR_MS = 366 * 86_400_000

type Zone = NonNullable<Diagnosis["zones"]>[number]

interface Difference {
  readonly at: number
  readonly ours: number
  readonly theirs: number
}

/**
 * Checks whether this program and the database agree on the offsets of the zones in use, for the coming year. If the offsets
 * differ, the zone data of one side is outdated.
 */
export const zoneFindings = (
  { now, zones }: Diagnosis,
  versions: Readonly<Record<string, string | undefined>>
): ReadonlyArray<CheckResult> => {
  if (zones === null || zones === undefined) return []
  const data = runtimeData(versions)
  const findings = zones.flatMap((zone) => {
    const difference = firstDifference(zone, now)
    if (difference === null) return []
    return warning("schedules", {
      code: "ZONE_DATA_DIFFER",
      what: `${zone.timezone} (${zone.count === 1 ? "1 integration" : `${zone.count} integrations`}) is ${describe(difference)}`,
      why: `one side has older rules, and this program computes the slots (${data})`,
      fix: "Compare the rules with https://www.iana.org/time-zones. If this program's rules are older, update the program as described in docs/how-to/upgrade.md, Time zones."
    })
  })
  return findings.length > 0
    ? findings
    : [ok("schedules", `the database has the same time zone rules for the next year (${data})`)]
}

const describe = ({ at, ours, theirs }: Difference): string => {
  const day = format(at).slice(0, 10)
  return `${offset(ours)} here and ${offset(theirs)} in the database from ${day} on`
}

const offset = (seconds: number): string => {
  const minutes = Math.round(Math.abs(seconds) / 60)
  const pad = (value: number): string => String(value).padStart(2, "0")
  return `UTC${seconds < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`
}

/** Returns the first sampled instant at which the offsets differ. Returns null if all offsets agree or cannot be compared. */
const firstDifference = ({ offsets, timezone }: Zone, now: number): Difference | null => {
  const clock = wallClock(timezone)
  const first = offsets?.[0]
  // PostgreSQL treats a short zone name, such as CET, as an abbreviation without daylight saving time.
  const isAbbreviation = !timezone.includes("/")
  if (isAbbreviation || Option.isNone(clock) || offsets == null || first === undefined) return null
  let next = 0
  let theirs = first[1]
  for (let at = first[0]; at <= now + YEAR_MS; at += STEP_MS) {
    for (let change = offsets[next]; change !== undefined && change[0] <= at; ) {
      theirs = change[1]
      next += 1
      change = offsets[next]
    }
    const ours = clock.value.offsetPeriodAt(at).offset / 1_000
    if (ours !== theirs && at >= now) return { at, ours, theirs }
  }
  return null
}
