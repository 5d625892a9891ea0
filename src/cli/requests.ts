/** `scimd requests`: shows what was sent to a tenant, what it got, and how it was understood. */

import { join } from 'node:path'
import { dataDirectory, processEnvironment } from '../config.ts'
import type { RequestRecord } from '../http/record.ts'
import type { JsonValue } from '../scim/json.ts'
import { TOLERANCES } from '../scim/tolerance.ts'
import { readRequestLog, requestsDirectory } from '../store/request-log.ts'
import { type Command, type Options, UsageError } from './command.ts'
import { DATA_OPTION, JSON_OPTION, requireTenant, TENANT_OPTION } from './control.ts'
import { readDuration } from './duration.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** How often a log that is followed is looked at. */
const FOLLOW_MS = 200

/** A record as it lies in the file, and how many were dropped before it. */
type Logged = RequestRecord & { readonly dropped?: number }

export const requests: Command = {
  name: 'requests',
  summary: 'Shows the requests of the last day: what was sent, what it got, how it was understood.',
  options: [
    TENANT_OPTION,
    {
      name: 'status',
      value: 'STATUS',
      meaning: 'only those answered so: 404, or 4xx for all such',
    },
    {
      name: 'user',
      value: 'NAME',
      meaning: 'only those whose path or body holds this userName, other name, or id',
    },
    { name: 'since', value: 'TIME', meaning: 'how far back, such as 30m or 7d (default: 1d)' },
    { name: 'follow', meaning: 'go on with what comes, until interrupted; alone, from now on' },
    DATA_OPTION,
    { ...JSON_OPTION, meaning: 'print one record of JSON a line, bodies included' },
  ],
  example: 'scimd requests --status 4xx --since 1h',

  async run(terminal, options) {
    const isFollowed = options['follow'] === true
    const back = isFollowed ? 0 : DAY_MS
    const { since, data } = options
    const start = terminal.now() - (typeof since === 'string' ? readDuration('since', since) : back)
    const isWanted = readWanted(options, start)
    const tenant = await requireTenant(options)
    const root = dataDirectory(typeof data === 'string' ? { data } : {}, processEnvironment())
    const directory = requestsDirectory(join(root, 'tenants'), tenant)
    const textOf = options['json'] === true ? jsonText : peopleText
    const place = { name: '', offset: 0 }
    let isEnded = false
    void terminal.ended.then(() => {
      isEnded = true
    })
    for (;;) {
      for await (const record of readRequestLog(directory, start, place)) {
        if (isEnded) return
        const logged = record as unknown as Logged
        if (isWanted(logged)) terminal.out(textOf(logged))
      }
      if (!isFollowed || isEnded) return
      await Promise.race([Bun.sleep(FOLLOW_MS), terminal.ended])
    }
  },
}

/** What is asked for. @throws UsageError */
function readWanted(options: Options, start: number): (record: Logged) => boolean {
  const { status, user } = options
  const match = typeof status === 'string' ? /^([1-5])(xx|\d\d)$/i.exec(status) : undefined
  if (match === null) throw new UsageError(`--status ${status}: expected 404, or 4xx for all such`)
  const [, hundred, rest = ''] = match ?? []
  const prefix = hundred === undefined ? '' : /x/i.test(rest) ? hundred : `${hundred}${rest}`
  const isOfUser = typeof user === 'string' ? ofUser(user) : () => true
  return (record) =>
    Date.parse(record.time) >= start &&
    // First, as it learns the ids of those whom it finds.
    isOfUser(record) &&
    String(record.status).startsWith(prefix)
}

/**
 * Whether a record is about a name or an id. Of somebody whose creation it has seen it knows the id
 * from then on, by which the later requests go.
 */
function ofUser(user: string): (record: Logged) => boolean {
  const names = new Set([user.toLowerCase()])
  return ({ path, body, location }) => {
    const texts = [decoded(path), ...textsIn(body)]
    const isFound = texts.some((text) => mentions(text, names))
    const id = location?.slice(location.lastIndexOf('/') + 1)
    if (isFound && id !== undefined) names.add(decoded(id).toLowerCase())
    return isFound
  }
}

/** Whether a text is one of the names, or has one between slashes, quotes or the like. */
function mentions(text: string, names: ReadonlySet<string>): boolean {
  const lower = text.toLowerCase()
  if (names.has(lower)) return true
  return [...lower.split(/[/?&=\s[\]()"]+/), ...lower.split('"')].some((part) => names.has(part))
}

function textsIn(value: JsonValue | undefined): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return (Array.isArray(value) ? value : Object.values(value)).flatMap(textsIn)
}

function decoded(address: string): string {
  try {
    return decodeURIComponent(address.replaceAll('+', ' '))
  } catch {
    return address
  }
}

const tolerancesOf = ({ tolerances = [] }: Logged) =>
  tolerances.flatMap((name) => (TOLERANCES[name] ? [{ name, ...TOLERANCES[name] }] : []))

function jsonText(record: Logged): string {
  const tolerances = tolerancesOf(record)
  return `${JSON.stringify(tolerances.length > 0 ? { ...record, tolerances } : record)}\n`
}

/** A line for the request; under it, indented, what was wrong with it or not by the book. */
function peopleText(record: Logged): string {
  const { time, method, path, status, ms, credential, error, body, isBodyCut, dropped } = record
  const who = credential?.name ?? (credential ? `${credential.prefix}?` : 'nobody')
  const told: string[] = []
  if (dropped !== undefined) told.push(`${dropped} records before this one were dropped`)
  if (error) told.push(`error ${[error.scimType, error.detail].filter(Boolean).join(': ')}`)
  if (record.failed !== undefined) told.push(`failed ${JSON.stringify(record.failed)}`)
  for (const { name, sent, understood, source } of tolerancesOf(record)) {
    told.push(`sent ${sent}, understood ${understood} (${name}; as do: ${source})`)
  }
  if (told.length > 0 && body !== undefined) {
    told.push(`body ${JSON.stringify(body)}${isBodyCut ? ' (cut)' : ''}`)
  }
  const head = `${time}  ${method} ${decoded(path)}  ${status}  ${ms} ms  ${who}`
  return [head, ...told.map((line) => `    ${line}`)].map((line) => `${plain(line)}\n`).join('')
}

/** What a client sent must not steer the terminal on which it is read. */
const plain = (line: string): string =>
  line.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
