import type { IntegrationState } from "../Operator/IntegrationState.ts"
import { type Field, nameOf, PAINT } from "./Listing.ts"

/** Text output shows the name, or the start of the id if there is no name. TSV contains the name and the id. */
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

export const stateField: Field<IntegrationState> = {
  title: "STATE",
  show: ({ severity, symbol, word }) => ({ text: `${symbol} ${word}`, paint: PAINT[severity] }),
  plain: ({ state }) => state
}
