import type { Alert, AlertMessage } from "../Domain/Alert.ts"
import { linesOf, summaryOf, textOf } from "../Domain/AlertText.ts"
import { format } from "../Domain/Instant.ts"
import { tidyMessage } from "../Domain/Message.ts"

/** Instants are ISO 8601 strings in UTC, and durations are in milliseconds. */
const dataOf = (alert: Alert) => {
  const { integration, run } = alert
  const { facts: _, ...words } = textOf(alert)
  return {
    incident_id: alert.incident_id,
    kind: alert.kind,
    transition: alert.transition,
    subject: alert.subject,
    opened_at: format(alert.opened_at),
    resolved_at: instant(alert.resolved_at),
    announced: alert.announced,
    occurrences: alert.occurrences,
    integration_id: integration?.id ?? null,
    integration_type: integration?.type ?? null,
    org_id: integration?.org_id ?? null,
    schedule: integration?.schedule ?? null,
    timezone: integration?.timezone ?? null,
    run_id: run?.id ?? null,
    run_status: run?.status ?? null,
    scheduled_for: instant(run?.scheduled_for),
    started_at: instant(run?.started_at),
    late_ms: run?.drift_ms ?? null,
    error_code: run?.error_code ?? null,
    error_message: run?.error_message ? tidyMessage(run.error_message) : null,
    ...words,
    text: linesOf(textOf(alert))
  }
}

const instant = (ms: number | null | undefined): string | null => (ms == null ? null : format(ms))

/**
 * Returns an id that is the same for every delivery attempt. It contains no full stop, because full stops separate the parts of
 * the signed text.
 */
const idOf = ({ incident_id, kind, subject, transition }: Alert): string =>
  kind === "test" ? `test_${subject}_${transition}` : `incident_${incident_id}_${transition}`

/**
 * Formats a message as one CloudEvents 1.0 event in structured mode. The type is `dev.sync-scheduler.incident.opened.v1`,
 * `dev.sync-scheduler.incident.resolved.v1`, or `dev.sync-scheduler.incidents.v1` for a summary. A summary's id is a digest of
 * its incidents and counts.
 *
 * *Source*: CloudEvents 1.0.2, https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md.
 */
export const cloudEventOf = async (message: AlertMessage, source: string) => {
  const envelope = { specversion: "1.0", source, datacontenttype: "application/json" } as const
  if (message._tag === "One") {
    const { alert } = message
    return {
      ...envelope,
      id: idOf(alert),
      type: `dev.sync-scheduler.incident.${alert.transition}.v1`,
      subject: `${alert.kind}/${alert.subject}`,
      time: format(alert.resolved_at ?? alert.opened_at),
      data: dataOf(alert)
    }
  }
  const { alerts, incident_ids, kinds, now, opened, resolved, total } = message.batch
  const { facts: _, ...words } = summaryOf(message.batch)
  return {
    ...envelope,
    id: `incidents_${await digest(JSON.stringify([incident_ids, opened, resolved]))}`,
    type: "dev.sync-scheduler.incidents.v1",
    subject: "incidents",
    time: format(now),
    data: {
      total,
      opened,
      resolved,
      kinds,
      ...words,
      text: linesOf(summaryOf(message.batch)),
      incidents_truncated: total > alerts.length,
      incidents: alerts.map((alert) => ({ id: idOf(alert), ...dataOf(alert) }))
    }
  }
}

const digest = async (text: string): Promise<string> => {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))
  return Array.from(new Uint8Array(bytes, 0, 16), (byte) =>
    byte.toString(16).padStart(2, "0")
  ).join("")
}
