import { format } from "./Instant.ts"

/**
 * Another place among the integrations that are due at the same instant, for an engine that finds others at work where it
 * is: ids are random, so a random id is anywhere among them. `slot` in epoch milliseconds, `random` in [0, 1).
 *
 * A cursor says where the last page ended: `<slot>|<integration id>`. *Source*: `read_due_integrations`.
 */
export const elsewhere = (slot: number, random: number): string => {
  const first = Math.floor(random * 0x1_0000_0000)
  return `${format(slot)}|${first.toString(16).padStart(8, "0")}-0000-0000-0000-000000000000`
}
