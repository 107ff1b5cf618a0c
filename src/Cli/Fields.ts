import type { IntegrationState } from "../Operator/Overview.ts"
import { type Field, nameOf, PAINT } from "./Listing.ts"

/** Whose it is: the organisation's name where it has one, and its id for whatever reads the list. */
export const orgFields: ReadonlyArray<
  Field<{ readonly org_id: string; readonly org_name: string | null }>
> = [
  {
    title: "ORG",
    narrow: "cut",
    show: ({ org_id, org_name }) => ({ text: nameOf(org_name ?? org_id.slice(0, 8)) }),
    plain: ({ org_name }) => org_name
  },
  { title: "ORG ID", show: null, plain: ({ org_id }) => org_id }
]

/** Which integration: its organisation, its type and its id, as short as the list allows. */
export const integrationFields = (
  shortId: (id: string) => string
): ReadonlyArray<Field<IntegrationState>> => [
  ...orgFields,
  {
    title: "INTEGRATION",
    show: (one) => ({ text: nameOf(one.integration_type) }),
    plain: (one) => one.integration_type
  },
  {
    title: "ID",
    narrow: "leave out",
    show: (one) => ({ text: shortId(one.integration_id), paint: "dim" }),
    plain: (one) => one.integration_id
  }
]

/** How it stands, in a word with its shape. */
export const stateField: Field<IntegrationState> = {
  title: "STATE",
  show: ({ symbol, tone, word }) => ({ text: `${symbol} ${word}`, paint: PAINT[tone] }),
  plain: ({ state }) => state
}
