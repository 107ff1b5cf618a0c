// Files that Bun imports as text (`with { type: "text" }`) or as a path (`with { type: "file" }`).
declare module "*.sql" {
  const text: string
  export default text
}
declare module "@electric-sql/pglite/pglite.wasm" {
  const path: string
  export default path
}
declare module "@electric-sql/pglite/initdb.wasm" {
  const path: string
  export default path
}
declare module "@electric-sql/pglite/pglite.data" {
  const path: string
  export default path
}
declare module "*.css" {
  const text: string
  export default text
}
declare module "*/page.js" {
  const text: string
  export default text
}
