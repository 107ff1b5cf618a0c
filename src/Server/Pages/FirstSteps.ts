import type { PageFrame } from "./Document.ts"
import { type Html, html } from "./Html.ts"

/** The SQL that creates a first integration. A test runs this SQL. */
export const FIRST_SQL = `insert into organization_integrations
  (org_id, org_name, integration_type, sync_schedule, timezone)
values
  (gen_random_uuid(), 'Acme AS', 'xledger', '0 2 * * 1-5', 'Europe/Oslo');`

const STEPS: ReadonlyArray<readonly [title: string, text: string, code: string]> = [
  [
    "Deploy the function that runs the sync",
    "The function receives the organisation, the slot and an idempotency key, and returns the outcome of the sync.",
    "supabase functions deploy integration-sync"
  ],
  [
    "Insert an integration",
    "Run this in the SQL editor or with psql. It sets the organisation, the type, the schedule and the time zone.",
    FIRST_SQL
  ],
  [
    "Run it now and watch the result",
    "The integration appears on this page automatically. Its schedule continues with the next slot.",
    "sync-scheduler trigger 'Acme AS' --wait --reason 'first run'"
  ]
]

export const firstSteps = (frame: PageFrame): Html =>
  html`<ol class="steps">${STEPS.map(([title, text, code]) => html`<li class="sheet"><h2>${title}</h2><p class="soft">${text}</p>${copyable(frame, code)}</li>`)}</ol>`

/** Renders text with a copy button, which needs the page's script. */
export function copyable({ pasteable }: Pick<PageFrame, "pasteable">, text: string): Html {
  return html`<div class="copy"><pre tabindex="0"><code>${pasteable(text)}</code></pre><button type="button">Copy</button></div>`
}
