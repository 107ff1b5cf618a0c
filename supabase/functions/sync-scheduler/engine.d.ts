/**
 * The types of engine.js, which is the bundled `src/edge.ts` of Sync Scheduler. A test compares these types with `src/edge.ts`.
 */
export interface EdgeEngine {
  /** Runs one tick within the function's time limit. If `signal` aborts, rejects after the runs in flight are recorded. */
  readonly tick: (signal?: AbortSignal) => Promise<{
    /** Whether the tick itself succeeded. */
    readonly ok: boolean
    readonly summary: Readonly<Record<string, unknown>>
  }>
  /** Redeems a ticket. Resolves to true if the database had issued the ticket and the ticket was unused. */
  readonly redeem: (ticket: string) => Promise<boolean>
}

/** Creates the engine. Throws if a setting is missing or malformed; the message lists all such settings. */
export const makeEdgeEngine: (
  environment: Readonly<Record<string, string | undefined>>
) => EdgeEngine
