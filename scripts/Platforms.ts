/** A release platform. */
export interface Platform {
  /** `<process.platform>-<process.arch>` of Node, with `-musl` where the C library is not glibc. */
  readonly name: string
  /** The value of `scripts/build.ts --target`. */
  readonly target: Bun.Build.CompileTarget
  readonly os: string
  readonly cpu: string
  readonly libc?: "glibc" | "musl"
}

/** The x64 builds also run on processors from before 2013. These builds start as fast as builds for newer processors. */
export const PLATFORMS: ReadonlyArray<Platform> = [
  { name: "linux-x64", target: "bun-linux-x64-baseline", os: "linux", cpu: "x64", libc: "glibc" },
  {
    name: "linux-x64-musl",
    target: "bun-linux-x64-baseline-musl",
    os: "linux",
    cpu: "x64",
    libc: "musl"
  },
  { name: "linux-arm64", target: "bun-linux-arm64", os: "linux", cpu: "arm64", libc: "glibc" },
  {
    name: "linux-arm64-musl",
    target: "bun-linux-arm64-musl",
    os: "linux",
    cpu: "arm64",
    libc: "musl"
  },
  { name: "darwin-x64", target: "bun-darwin-x64-baseline", os: "darwin", cpu: "x64" },
  { name: "darwin-arm64", target: "bun-darwin-arm64", os: "darwin", cpu: "arm64" },
  { name: "win32-x64", target: "bun-windows-x64-baseline", os: "win32", cpu: "x64" }
]

export const binaryName = ({ os }: Pick<Platform, "os">): string =>
  os === "win32" ? "sync-scheduler.exe" : "sync-scheduler"

export const packageName = ({ name }: Pick<Platform, "name">): string => `@sync-scheduler/${name}`
