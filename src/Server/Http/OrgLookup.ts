import { Option } from "effect"
import { firstInstant, readingAt, wallClock } from "../../Domain/Schedule/WallClock.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"

const DAY = 86_400_000

/** An organisation and its integrations, worst first. */
export interface OrgMatch {
  readonly org_id: string
  readonly org_name: string | null
  readonly integrations: ReadonlyArray<IntegrationState>
}

/**
 * Finds organisations by id, integration id or name. If none matches, finds organisations by a prefix of the id or a part of the
 * name.
 */
export const findOrgs = (
  integrations: ReadonlyArray<IntegrationState>,
  wanted: string
): ReadonlyArray<OrgMatch> => {
  const text = wanted.toLowerCase()
  if (text === "") return []
  const name = ({ org_name }: IntegrationState): string => (org_name ?? "").trim().toLowerCase()
  const ways: ReadonlyArray<(one: IntegrationState) => boolean> = [
    ({ org_id }) => org_id === text,
    ({ integration_id }) => integration_id === text,
    (one) => name(one) === text,
    (one) => one.org_id.startsWith(text) || name(one).includes(text)
  ]
  for (const isMeant of ways) {
    const ids = new Set(integrations.filter(isMeant).map(({ org_id }) => org_id))
    if (ids.size > 0) return [...ids].map((id) => orgOf(integrations, id))
  }
  return []
}

const orgOf = (all: ReadonlyArray<IntegrationState>, org_id: string): OrgMatch => {
  const integrations = all.filter((one) => one.org_id === org_id)
  const named = integrations.find(({ org_name }) => (org_name ?? "").trim() !== "")
  return { org_id, org_name: named?.org_name ?? null, integrations }
}

/** The period of a query. `to` is exclusive. `day` is null if the period is yesterday and today. */
export interface DayWindow {
  readonly day: string | null
  readonly from: number
  readonly to: number
}

/** Returns the period of a local day. If the day is missing, invalid or in the future, the period is yesterday and today. */
export const dayWindow = (day: string | null, timezone: string, now: number): DayWindow => {
  const clock = Option.getOrThrow(Option.orElse(wallClock(timezone), () => wallClock("UTC")))
  const reading = /^\d{4}-\d{2}-\d{2}$/.test(day ?? "")
    ? Date.parse(`${day}T00:00:00Z`)
    : Number.NaN
  const today = Math.floor(readingAt(clock, now) / DAY) * DAY
  if (Number.isNaN(reading) || reading > today) {
    return { day: null, from: firstInstant(clock, today - DAY), to: now + 1 }
  }
  const end = firstInstant(clock, reading + DAY)
  return { day, from: firstInstant(clock, reading), to: Math.min(end, now + 1) }
}
