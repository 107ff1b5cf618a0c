/** The types of engine.js, which is bundled from `src/edge.ts`. A test compares these types with the source. */
export interface EdgeEngine {
  /** Runs one tick within the function's time limit. When `signal` aborts, records the runs in flight and rejects. */
  readonly tick: (signal?: AbortSignal) => Promise<{
    /** Whether the tick itself succeeded. */
    readonly ok: boolean
    readonly summary: Readonly<Record<string, unknown>>
  }>
  /** Resolves to false if the ticket is unknown or already used. */
  readonly redeem: (ticket: string) => Promise<boolean>
}

/** Creates the engine. Throws if settings are missing or malformed; the message lists them all. */
export const makeEdgeEngine: (
  environment: Readonly<Record<string, string | undefined>>
) => EdgeEngine
