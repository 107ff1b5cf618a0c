import { Context } from "effect"

/** A generator of random UUIDs. Simulations replace it with a seeded generator. */
export class IdGenerator extends Context.Reference<IdGenerator>()("@sync-scheduler/Token", {
  defaultValue: (): { readonly next: () => string } => ({ next: () => crypto.randomUUID() })
}) {}
