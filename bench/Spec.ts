/** A contender's input, passed as JSON in BENCH_SPEC. */
export interface Spec {
  readonly contender: string
  /** A database with Sync Scheduler's schema and the tables for the other contenders. */
  readonly databaseUrl: string
  /** The URL of the stand-in for PostgREST. */
  readonly gatewayUrl: string
  readonly secretKey: string
  /** The URL of a function that waits for the scenario's latency before each response. */
  readonly functionUrl: string
  readonly jobs: number
  readonly concurrency: number
  /** Whether several engines share the jobs. */
  readonly isShared: boolean
}

/** A contender's measurements, printed as one line of JSON. */
export interface Measured {
  /** The time from the start of the tick to the last recorded outcome, in ms. Excludes connection set-up. */
  readonly wallMs: number
  /** The CPU time of the contender's process during `wallMs`, in ms. */
  readonly cpuMs: number
  readonly peakRssMb: number
  /** The heap after the tick and a full garbage collection. */
  readonly liveHeapMb: number
  readonly done: Done
}

/** The number of completed jobs, and the number of jobs that another engine claimed first. */
export interface Done {
  readonly completed: number
  readonly lost: number
}

/** Connects to the servers. `tick` does the work to measure, and `close` disconnects. */
export type Contender = (spec: Spec) => Promise<{
  readonly tick: () => Promise<Done | undefined>
  readonly close: () => Promise<void>
}>
