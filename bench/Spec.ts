/** A contender's input, passed as JSON in BENCH_SPEC. */
export interface Spec {
  readonly contender: string
  /** The benchmark's database, with Sync Scheduler's schema and the plain tables for the other contenders. */
  readonly databaseUrl: string
  /** The stand-in for PostgREST: a separate process in front of the database at `databaseUrl`. */
  readonly gatewayUrl: string
  readonly secretKey: string
  /** The URL of the function, which waits for the scenario's latency before it responds to a POST. */
  readonly functionUrl: string
  readonly jobs: number
  readonly concurrency: number
  /** Whether several engines share the jobs. If so, each engine completes only some of them. */
  readonly isShared: boolean
}

/** A contender's measurements, printed as one line of JSON on stdout. */
export interface Measured {
  /**
   * The time from the start of the tick to the last recorded outcome, in ms, excluding connection set-up and the first requests.
   */
  readonly wallMs: number
  /** The user and system CPU time of the contender's own process during `wallMs`. */
  readonly cpuMs: number
  readonly peakRssMb: number
  /** The heap size after the tick and a full garbage collection. */
  readonly liveHeapMb: number
  readonly done: Done
}

/** The number of completed jobs, and the number of claims that another engine won. */
export interface Done {
  readonly completed: number
  readonly lost: number
}

/** A contender: connects, and returns the function to measure and the function that closes the connection. */
export type Contender = (spec: Spec) => Promise<{
  readonly tick: () => Promise<Done | undefined>
  readonly close: () => Promise<void>
}>
