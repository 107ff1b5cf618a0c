/** What engine.js is: `src/edge.ts` of Sync Scheduler, bundled. A test holds the two together. */
export interface EdgeEngine {
  /** One tick, within the function's wall clock. Rejects when `signal` aborts; what was in flight is recorded then. */
  readonly tick: (signal?: AbortSignal) => Promise<{
    /** Whether the engine could do its work. */
    readonly ok: boolean
    readonly summary: Readonly<Record<string, unknown>>
  }>
  /** Whether the database issued this ticket and nobody used it yet; uses it up. */
  readonly redeem: (ticket: string) => Promise<boolean>
}

/** Throws when a setting is missing or malformed; the message names all of them. */
export const makeEdgeEngine: (
  environment: Readonly<Record<string, string | undefined>>
) => EdgeEngine
