/**
 * Replays what identity providers were seen to send, as told in test/replays, against both targets.
 */

import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TARGETS, TOKEN } from '../harness.ts'
import { sharedServer } from './given.ts'
import { type RawReply, type RawRequest, sendRaw } from './raw.ts'
import {
  differenceOf,
  type Expectation,
  fill,
  isAsked,
  isRecord,
  type Json,
  type Scenario,
  type ScenarioRequest,
  type Step,
  valueAt,
} from './scenario.ts'

const DIRECTORY = resolve(import.meta.dir, '../replays')

const SCENARIOS = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => ({
    file,
    scenario: JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8')) as Scenario,
  }))

/** The names of one run of a scenario. */
class Names {
  readonly #saved = new Map<string, Json>()
  readonly #base: string
  readonly #run = crypto.randomUUID().slice(0, 8)

  constructor(base: string) {
    this.#base = base
  }

  save(name: string, value: Json): void {
    this.#saved.set(name, value)
  }

  /** Fills names in; a name that nothing saved fails the step. */
  filled<T extends Json | undefined>(value: T): T {
    return fill(value, (name) => this.#valueOf(name))
  }

  #valueOf(name: string): Json {
    if (name === 'run') return this.#run
    if (name === 'RUN') return this.#run.toUpperCase()
    if (name === 'base') return this.#base
    if (name.startsWith('uuid:') && !this.#saved.has(name)) this.save(name, crypto.randomUUID())
    const value = this.#saved.get(name)
    if (value === undefined) throw new Error(`{{${name}}} was not saved by an earlier step`)
    return value
  }
}

/** Only what cannot stand in a request line is encoded; what a client encoded stays as it is. */
const encoded = (path: string): string =>
  path.replace(/[^\x21-\x7e]|["#<>\\^`{|}[\]]/gu, encodeURIComponent)

function requestOf(
  base: string,
  scenario: Scenario,
  request: ScenarioRequest,
  names: Names,
): RawRequest {
  const body =
    request.rawBody === undefined
      ? request.body === undefined
        ? undefined
        : JSON.stringify(names.filled(request.body))
      : names.filled(request.rawBody)
  const type = 'application/scim+json'
  const headers = new Map<string, [name: string, value: Json]>()
  const layers: Readonly<Record<string, Json>>[] = [
    { Accept: type, Authorization: `Bearer ${TOKEN}` },
    body === undefined ? {} : { 'Content-Type': type },
    names.filled(scenario.headers) ?? {},
  ]
  const lay = (layer: Readonly<Record<string, Json>>) => {
    for (const [name, value] of Object.entries(layer))
      headers.set(name.toLowerCase(), [name, value])
  }
  layers.forEach(lay)
  if (body === undefined) headers.delete('content-type')
  lay(names.filled(request.headers) ?? {})
  const sent = [...headers.values()].flatMap(([name, value]) =>
    value === null ? [] : [[name, String(value)] as const],
  )
  return {
    method: request.method,
    target: encoded(new URL(base).pathname + names.filled(request.path)),
    headers: Object.fromEntries(sent),
    ...(body === undefined ? {} : { body }),
  }
}

/** What is not as expected. After a wrong status the rest would only repeat it. */
function faultsOf(reply: RawReply, expected: Expectation, names: Names): string[] {
  const { status, text } = reply
  const allowed = expected.status === undefined ? undefined : [expected.status].flat()
  if (allowed && !allowed.includes(status)) {
    return [`status: expected ${allowed.join(' or ')}, found ${status} ${text.slice(0, 300)}`]
  }
  const faults: string[] = []
  for (const [name, raw] of Object.entries(expected.headers ?? {})) {
    const wanted = names.filled(raw)
    if (!isAsked(wanted, status)) continue
    const fault = headerFault(reply, name.toLowerCase(), wanted)
    if (fault) faults.push(`header ${name}: ${fault}`)
  }
  if (expected.noBody && text !== '') faults.push(`expected no body, found ${text.slice(0, 300)}`)
  const checks = Object.entries(expected.body ?? {}).filter(([, wanted]) => isAsked(wanted, status))
  if (checks.length === 0 || (status === 204 && allowed?.includes(204))) return faults
  const body = JSON.parse(text) as Json
  for (const [path, wanted] of checks) {
    const fault = differenceOf(valueAt(body, names.filled(path)), names.filled(wanted))
    if (fault) faults.push(`${path}: ${fault}`)
  }
  return faults
}

function headerFault(reply: RawReply, name: string, expected: Json): string | undefined {
  const found = reply.headers[name]
  if (name === 'content-type') {
    const wanted = isRecord(expected) && expected['equals'] ? expected['equals'] : expected
    if (reply.status === 204) return undefined
    if (typeof wanted === 'string') return differenceOf(found?.split(';')[0]?.trim(), wanted)
  }
  return differenceOf(found, expected)
}

function saveNames(step: Step, reply: RawReply, names: Names): void {
  for (const [name, from] of Object.entries(step.save ?? {})) {
    const found = from.startsWith('header:')
      ? reply.headers[from.slice('header:'.length).toLowerCase()]
      : reply.text === ''
        ? undefined
        : valueAt(JSON.parse(reply.text) as Json, names.filled(from))
    if (found !== undefined && found !== null) names.save(names.filled(name), found)
    else if (reply.status < 300) throw new Error(`${step.title}: nothing to save at ${from}`)
  }
}

for (const target of TARGETS) {
  describe(`conversations of identity providers (${target})`, () => {
    const scim = sharedServer({ target })

    for (const { file, scenario } of SCENARIOS) {
      test(`${file}: ${scenario.name}`, async () => {
        const base = scim.url()
        const names = new Names(base)
        const send = async (request: ScenarioRequest) =>
          sendRaw(base, requestOf(base, scenario, request, names))

        const faults: string[] = []
        for (const [index, step] of scenario.steps.entries()) {
          for (let count = 1; count <= (step.repeat ?? 1); count++) {
            if (step.repeat !== undefined) names.save('i', count)
            const reply = await send(step.request)
            const found = faultsOf(reply, step.expect ?? {}, names)
            faults.push(...found.map((fault) => `step ${index + 1}, ${step.title}: ${fault}`))
            if (found.length === 0) saveNames(step, reply, names)
          }
          if (faults.length > 0) break
        }
        for (const request of scenario.cleanup ?? []) {
          for (let count = 1; count <= (request.repeat ?? 1); count++) {
            if (request.repeat !== undefined) names.save('i', count)
            // Where a step has failed a name may be missing: what it names was not made either.
            await send(request).catch(() => undefined)
          }
        }
        expect(faults).toEqual([])
      })
    }
  })
}
