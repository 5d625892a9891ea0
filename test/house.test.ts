/** Holds the sources against the rules of the house: DESIGN section 4, told in src/README.md. */

import { expect, test } from 'bun:test'
import { posix, resolve } from 'node:path'
import { Glob } from 'bun'

const ROOT = resolve(import.meta.dir, '..')

const LINE_COLUMNS_MAX = 100
const FILE_LINES_MAX = 500

/** Where a file belongs. The first pattern that matches decides; a file of no layer is a fault. */
const LAYERS = [
  ['main', /^src\/main\.ts$/],
  ['app', /^src\/(app|descriptors|listen|port)\.ts$/],
  ['ground', /^src\/(certificate|config|issuers|log|metrics|nearest|schemas|settings)\.ts$/],
  ['scim', /^src\/scim\//],
  ['adapter', /^src\/store\/lmdb/],
  ['store', /^src\/store\//],
  ['auth', /^src\/auth\//],
  ['operations', /^src\/operations\//],
  ['feed', /^src\/feed\//],
  ['http', /^src\/http\//],
  ['admin', /^src\/admin\//],
  ['doctor', /^src\/doctor\//],
  ['cli', /^src\/cli\//],
] as const

type Layer = (typeof LAYERS)[number][0]

/** Imports point down this list, never up. Each layer may import itself as well. */
const MAY_IMPORT: Record<Layer, readonly Layer[]> = {
  scim: [],
  ground: ['scim'],
  store: ['scim'],
  adapter: ['store', 'ground', 'scim'],
  auth: ['store', 'ground', 'scim'],
  operations: ['auth', 'store', 'ground', 'scim'],
  feed: ['operations', 'auth', 'store', 'ground', 'scim'],
  admin: ['scim'],
  doctor: ['scim'],
  http: ['admin', 'feed', 'operations', 'auth', 'store', 'ground', 'scim'],
  app: ['http', 'feed', 'operations', 'auth', 'adapter', 'store', 'ground', 'scim'],
  cli: [
    'app',
    'doctor',
    'http',
    'feed',
    'operations',
    'auth',
    'adapter',
    'store',
    'ground',
    'scim',
  ],
  main: ['cli', 'app', 'ground', 'scim'],
}

/** Every dependency has one door: the files that may import it. */
const PACKAGE_DOORS = [
  ['lmdb', /^src\/store\/lmdb[^/]*\.ts$/],
  ['@lmdb', /^src\/store\/lmdb[^/]*\.ts$/],
  ['elysia', /^src\/http\//],
  ['@elysiajs', /^src\/http\//],
  ['jose', /^src\/(auth|feed)\//],
  ['@sinclair/typebox', /^src\/scim\/validate\.ts$/],
] as const

/** And so has what reaches outside the program. */
const GLOBAL_DOORS = [
  [/\b(?:process|Bun|import\.meta)\.env\b/, /^src\/config\.ts$/, 'reads the environment'],
  [/\bprocess\.exit\b(?!Code)/, /^src\/main\.ts$/, 'ends the process'],
] as const

/** scim is pure: whatever it computes follows from its arguments. */
const IMPURE = [
  /\bDate\.now\b/,
  /\bnew Date\(\)/,
  /\bperformance\./,
  /\bset(?:Timeout|Interval|Immediate)\(/,
  /\bMath\.random\b/,
  /\bcrypto\b/,
  /\bfetch\(/,
  /\b(?:process|Bun)\./,
] as const

const IMPURE_PACKAGE = /^(?:bun$|bun:|node:)/

/** Names that say nothing of what is inside. */
const EMPTY_NAME = /^(?:index|base)\.|(?:^|-)(?:utils?|helpers?|managers?|impl)(?:[-.]|$)/

/** In places where only a type can stand. Biome's noExplicitAny looks closer. */
const ANY = /(?:[:<|&]|\bas\b|\bextends\b|=>)\s*any\b(?!\s*[.(:'-])|,\s*any\s*[>\]]|\bany\[\]/

/** What may not stand in a source, comments included; in brackets, or this file would hold it. */
const BANNED = [
  [/\bTO[D]O\b|\bFIX[M]E\b/, 'is left over: do it, or write it into the closing note'],
  [/@ts-[i]gnore|@ts-[n]ocheck/, 'hides a type error'],
] as const

/** path → text, as in the repository: 'src/scim/etag.ts'. */
type Sources = ReadonlyMap<string, string>

/** Every breach in these sources, as `path:line: what`. */
function breachesIn(sources: Sources): string[] {
  const breaches: string[] = []
  for (const [path, text] of sources) {
    const tell = (line: number, what: string) => breaches.push(`${path}:${line}: ${what}`)
    checkText(path, text, tell)
    if (path.startsWith('src/')) checkPlace(path, text, tell)
  }
  return breaches
}

type Tell = (line: number, what: string) => void

/** The rules for every source, tests included. */
function checkText(path: string, text: string, tell: Tell): void {
  const lines = text.split('\n')
  if (path.split('/').some((name) => EMPTY_NAME.test(name))) tell(1, 'the name says nothing')
  if (!text.startsWith('/**')) tell(1, 'no doc comment that says what the file turns into what')

  for (const [index, line] of lines.entries()) {
    const columns = columnsOf(line)
    if (columns > LINE_COLUMNS_MAX) tell(index + 1, `${columns} columns`)
    for (const [banned, why] of BANNED) {
      const found = banned.exec(line)
      if (found) tell(index + 1, `"${found[0]}" ${why}`)
    }
    if (ANY.test(codeOf(line))) tell(index + 1, 'any: name the type, or take unknown and check')
  }
}

/** The rules for what ships: length, layers and doors. A test may be long and import anything. */
function checkPlace(path: string, text: string, tell: Tell): void {
  const lines = text.split('\n')
  const lineCount = lines.length - (text.endsWith('\n') ? 1 : 0)
  if (lineCount > FILE_LINES_MAX) tell(lineCount, `more than ${FILE_LINES_MAX} lines`)

  const layer = layerOf(path)
  if (!layer) return tell(1, 'belongs to no layer of the house')

  for (const { line, from } of importsIn(text)) {
    const fault = from.startsWith('.')
      ? faultOfImport(layer, posix.join(posix.dirname(path), from))
      : faultOfPackage(path, layer, from)
    if (fault) tell(line, `imports ${from}: ${fault}`)
  }

  for (const [index, line] of lines.entries()) {
    const code = codeOf(line)
    for (const [global, door, does] of GLOBAL_DOORS) {
      if (global.test(code) && !door.test(path)) tell(index + 1, `${does}, which only ${door} may`)
    }
    for (const impure of layer === 'scim' ? IMPURE : []) {
      const found = impure.exec(code)
      if (found) tell(index + 1, `"${found[0]}" in scim, which is pure: pass the value in`)
    }
  }
}

/** Data (schemas, package.json) has no layer and is open to all. */
function faultOfImport(layer: Layer, target: string): string | undefined {
  if (target.startsWith('test/')) return 'src does not know its tests'
  const other = target.startsWith('src/') ? layerOf(target) : layer
  if (other === undefined || other === layer || MAY_IMPORT[layer].includes(other)) return undefined
  return `${layer} may not import ${other}, imports point one way`
}

function faultOfPackage(path: string, layer: Layer, name: string): string | undefined {
  if (layer === 'scim' && IMPURE_PACKAGE.test(name)) return 'scim is pure'
  for (const [dependency, door] of PACKAGE_DOORS) {
    const reached = name === dependency || name.startsWith(`${dependency}/`)
    if (reached && !door.test(path)) return `only ${door} may`
  }
  return undefined
}

function layerOf(path: string): Layer | undefined {
  return LAYERS.find(([, pattern]) => pattern.test(path))?.[0]
}

interface Import {
  readonly line: number
  readonly from: string
}

const IMPORT = [
  /^\s*import\s*(['"])(.+?)\1/g,
  /^(?:\s*(?:import|export)\b.*|\s*\}\s*)\bfrom\s*(['"])(.+?)\1/g,
  /\b(?:import|require)\(\s*(['"])(.+?)\1/g,
] as const

/** By import or export from, types too, by import for effect, by import(…) or by require(…). */
function importsIn(text: string): Import[] {
  return text.split('\n').flatMap((line, index) => {
    if (isComment(line)) return []
    const found = IMPORT.flatMap((pattern) => [...line.matchAll(pattern)])
    return found.map(([, , from]) => ({ line: index + 1, from: from as string }))
  })
}

const isComment = (line: string): boolean => /^\s*(?:\/\/|\/\*|\*)/.test(line)

/** The line without its comment and without what stands in quotes. */
function codeOf(line: string): string {
  if (isComment(line)) return ''
  return line
    .replace(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\$])*`/g, "''")
    .replace(/\/\/.*$/, '')
}

/** The width of a line. A literal counts for nothing: the formatter cannot break it either. */
function columnsOf(line: string): number {
  if (isComment(line)) return /urn:|https?:/.test(line) ? 0 : [...line].length
  const isOneToken = !line.trim().includes(' ')
  return isOneToken ? 0 : [...line.replace(/(['"`]).*\1/, '')].length
}

async function sourcesOfRepository(): Promise<Sources> {
  const sources = new Map<string, string>()
  for (const pattern of ['src/**/*.{ts,tsx,js}', 'test/**/*.ts']) {
    for await (const path of new Glob(pattern).scan({ cwd: ROOT })) {
      sources.set(path, await Bun.file(resolve(ROOT, path)).text())
    }
  }
  return new Map([...sources].sort(([a], [b]) => (a < b ? -1 : 1)))
}

test('the sources keep the rules of the house', async () => {
  const sources = await sourcesOfRepository()

  expect(sources.size).toBeGreaterThan(1)
  expect(breachesIn(sources)).toEqual([])
})

const DOC = '/** Turns this into that. */\n'

/** The breaches of one file with these lines under a doc comment, without its name. */
const breachesOf = (path: string, ...lines: string[]): string[] =>
  breachesIn(new Map([[path, `${DOC}${lines.join('\n')}\n`]])).map((breach) =>
    breach.slice(path.length + 1),
  )

test.each([
  [
    'src/scim/etag.ts',
    "import type { Store } from '../store/store.ts'",
    'scim may not import store',
  ],
  ['src/store/store.ts', "import { open } from './lmdb.ts'", 'store may not import adapter'],
  [
    'src/auth/jwt.ts',
    "import { read } from '../operations/read.ts'",
    'auth may not import operations',
  ],
  ['src/operations/read.ts', "export { open } from '../store/lmdb.ts'", 'may not import adapter'],
  ['src/operations/read.ts', "import '../http/server.ts'", 'operations may not import http'],
  ['src/http/server.ts', "const s = await import('../store/lmdb.ts')", 'may not import adapter'],
  ['src/http/server.ts', "const s = require('../app.ts')", 'http may not import app'],
  ['src/feed/feed.ts', "} from '../http/reply.ts'", 'feed may not import http'],
  ['src/app.ts', "import { serve } from './cli/serve.ts'", 'app may not import cli'],
  ['src/app.ts', "import { harness } from '../test/harness.ts'", 'src does not know its tests'],
])('an import against the direction is found: %s %s', (path, line, fault) => {
  expect(breachesOf(path, line)).toEqual([expect.stringContaining(fault)])
  expect(breachesOf(path, line)[0]).toStartWith('2: ')
})

test.each([
  ['src/operations/read.ts', "import { open } from 'lmdb'"],
  ['src/store/store.ts', "import type { Database } from 'lmdb'"],
  ['src/operations/read.ts', "import { t } from 'elysia'"],
  ['src/http/server.ts', "import { jwtVerify } from 'jose'"],
  ['src/operations/read.ts', "import { cors } from '@elysiajs/cors'"],
  ['src/scim/schema.ts', "import { TypeCompiler } from '@sinclair/typebox/compiler'"],
  ['src/scim/schema.ts', "import { readFileSync } from 'node:fs'"],
  ['src/scim/schema.ts', 'const now = new Date()'],
  ['src/scim/schema.ts', 'const id = crypto.randomUUID()'],
  ['src/app.ts', 'const token = process.env.SCIMD_TOKEN'],
  ['src/app.ts', "const token = Bun.env['SCIMD_TOKEN']"],
  ['src/cli/token.ts', 'if (failed) process.exit(1)'],
])('a dependency that does not come in by its door is found: %s %s', (path, line) => {
  expect(breachesOf(path, line)).toHaveLength(1)
})

test.each([
  ['src/scim/etag.ts', 'const x: any = 1'],
  ['src/scim/etag.ts', 'const x = y as any'],
  ['src/scim/etag.ts', 'const x: Record<string, any> = {}'],
  ['test/etag.test.ts', 'function f(x: string, ...rest: any[]): void {}'],
  ['src/scim/etag.ts', `// ${'TO'}${'DO'}: later`],
  ['test/etag.test.ts', `// @ts-${'ignore'}`],
  ['src/scim/etag.ts', `// ${'so '.repeat(33)}`],
  ['test/etag.test.ts', `const x = 'a' + ${'b + '.repeat(25)}c`],
  ['src/scim/etag.ts', ...new Array<string>(FILE_LINES_MAX).fill('')],
  ['src/scim/index.ts', ''],
  ['src/http/reply-helper.ts', ''],
  ['src/http/utils/reply.ts', ''],
  ['src/plugins/reply.ts', ''],
])('what no source may hold is found: %s %s', (path, ...lines) => {
  expect(breachesOf(path, ...lines)).toHaveLength(1)
})

test('a file without a doc comment is found', () => {
  expect(breachesIn(new Map([['src/app.ts', 'export {}\n']]))).toEqual([
    expect.stringContaining('src/app.ts:1: no doc comment'),
  ])
})

test('what the house allows is not held against it', () => {
  const allowed: [path: string, ...lines: string[]][] = [
    ['src/main.ts', "import { serve } from './cli/serve.ts'", 'process.exit(await serve())'],
    ['src/cli/verify.ts', "import { open } from '../store/lmdb.ts'", 'process.exitCode = 1'],
    ['src/app.ts', "import { open } from './store/lmdb.ts'", '// not process.env but the settings'],
    ['src/store/lmdb-keys.ts', "import { open } from 'lmdb'", "import type {} from './store.ts'"],
    ['src/store/lmdb-index.ts', ' * import { x } from "elysia"', 'const date = new Date(0)'],
    ['src/http/server.ts', "import { Elysia } from 'elysia'", "const x = 'process.env'"],
    ['src/config.ts', 'const { SCIMD_TOKEN } = process.env', "import '../package.json'"],
    ['src/scim/registry.ts', "import users from '../../schemas/user.json' with { type: 'json' }"],
    ['src/scim/urns.ts', `export const LONG = 'urn:ietf:params:scim:${'x'.repeat(90)}'`],
    ['src/scim/urns.ts', `  /^[a-z]${'x'.repeat(90)}$/,`, `// see https://${'x'.repeat(90)}`],
    ['src/scim/patch.ts', 'const anyMatch = any(of), any = (x: Many) => x', "tell('one, any >')"],
    ['src/scim/patch.ts', ...new Array<string>(FILE_LINES_MAX - 1).fill('')],
    ['test/lmdb.test.ts', "import { open } from 'lmdb'", 'process.env.SCIMD_DATA = directory'],
  ]
  for (const [path, ...lines] of allowed) expect(breachesOf(path, ...lines)).toEqual([])
})
