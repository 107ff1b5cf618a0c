/**
 * Build options for compiled programs: bytecode for a fast start, and one chunk per command, so that `help` does not load the
 * tick's code.
 */
export const COMPILED = { format: "esm", minify: true, bytecode: true, splitting: true } as const

/**
 * Prevents a program from loading `.env` and `bunfig.toml` from its working directory, because Bun executes the files named in
 * bunfig.toml.
 */
export const CLOSED = { autoloadDotenv: false, autoloadBunfig: false } as const
