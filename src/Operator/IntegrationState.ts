import { Order, Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { IntegrationStatus } from "../Domain/IntegrationStatus.ts"
import {
  APPEARANCE,
  compareStates,
  decideState,
  Severity,
  type StateContext,
  StateName
} from "../Domain/State.ts"

/** One integration with its state. People see `symbol` and `word`; programs use `state`. */
export const IntegrationState = Schema.Struct({
  ...IntegrationStatus.fields,
  state: StateName,
  word: Schema.String,
  symbol: Schema.String,
  severity: Severity,
  /** When the state began. For some states, this is the due time of a slot. */
  since: Schema.NullOr(Instant),
  why: Schema.String
})
export type IntegrationState = typeof IntegrationState.Type

export const withState = (status: IntegrationStatus, frame: StateContext): IntegrationState => {
  const state = decideState(status, frame)
  return { ...status, ...state, ...APPEARANCE[state.state] }
}

/** Orders integrations: worst state first, then longest-lasting first. */
export const worstFirst: Order.Order<IntegrationState> = Order.combine(
  Order.make((a, b) => {
    const order = compareStates(a, b)
    return order < 0 ? -1 : order > 0 ? 1 : 0
  }),
  Order.mapInput(Order.string, ({ integration_id }) => integration_id)
)
