/** A platform that is released. Bun fetches the runtime of a foreign one from the npm registry. */
export interface Platform {
  /** As Node names it: `<process.platform>-<process.arch>`, and `-musl` where the C library is not glibc. */
  readonly name: string
  /** What `scripts/build.ts --target` takes. */
  readonly target: Bun.Build.CompileTarget
  readonly os: string
  readonly cpu: string
  readonly libc?: "glibc" | "musl"
}

/** x64 is built for every such processor, not only for those since 2013: it starts as fast, and nobody has to choose. */
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

/** The name of the binary's file on a platform. */
export const binaryName = ({ os }: Pick<Platform, "os">): string =>
  os === "win32" ? "sync-scheduler.exe" : "sync-scheduler"

/** The npm package that carries the binary for a platform. */
export const packageName = ({ name }: Pick<Platform, "name">): string => `@sync-scheduler/${name}`
