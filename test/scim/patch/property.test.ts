/** What holds for every PATCH of every attribute, whatever the operation and its value. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { documentOf, textOf } from '../../../src/scim/document.ts'
import { ScimError } from '../../../src/scim/error.ts'
import type { JsonValue } from '../../../src/scim/json.ts'
import { readPatch } from '../../../src/scim/patch/read.ts'
import type { ResourceType } from '../../../src/scim/registry.ts'
import { type Document, readDraft, rearrange } from '../../../src/scim/resource.ts'
import type { Rules } from '../../../src/scim/tolerance.ts'
import { faultOf } from '../../../src/scim/validate.ts'
import { isJsonObject, isReference, type JsonObject } from '../../../src/scim/value.ts'
import {
  anyCase,
  anyValue,
  CHECKS,
  filterWithin,
  frozen,
  INTEROP,
  type Patched,
  type Place,
  PROFILE,
  patchBody,
  patched,
  pathsOf,
  RFC,
  SEED,
  storedDocument,
  TYPES,
} from '../given.ts'

/** A path as a client may write it: a plain one, one with a filter, or one of another's schema. */
function writtenPath({ text, attribute, sub }: Place): fc.Arbitrary<string> {
  if (attribute.type !== 'complex') return fc.oneof(fc.constant(text), anyCase(text))
  const whole = sub ? text.slice(0, -sub.name.length - 1) : text
  const filtered = filterWithin(attribute).map(
    (filter) => `${whole}[${filter}]${sub ? `.${sub.name}` : ''}`,
  )
  return fc.oneof(fc.constant(text), filtered, filtered)
}

function operationOf(type: ResourceType): fc.Arbitrary<JsonObject> {
  const op = fc.constantFrom('add', 'replace', 'remove', 'Add', 'Replace', 'REMOVE')
  const place = fc.constantFrom(...pathsOf(type))
  const withPath = place.chain((at) =>
    fc
      .tuple(op, writtenPath(at), anyValue(at.sub ?? at.attribute), fc.boolean())
      .map(([verb, path, value, isBare]): JsonObject => {
        const isRemove = verb.toLowerCase() === 'remove'
        return isRemove && isBare ? { op: verb, path } : { op: verb, path, value }
      }),
  )
  const key = place.chain((at) =>
    fc.tuple(
      fc.oneof(fc.constant(at.text), fc.constant(at.attribute.name), writtenPath(at)),
      anyValue(at.sub ?? at.attribute),
    ),
  )
  const keys = fc.array(key, { maxLength: 3 }).map((entries) => Object.fromEntries(entries))
  const pathless = fc.tuple(op, keys).map(([verb, value]): JsonObject => ({ op: verb, value }))
  const extensions = type.extensions.map(({ schema }) => schema.id)
  if (extensions.length === 0) return fc.oneof({ weight: 5, arbitrary: withPath }, pathless)
  const extension = fc
    .tuple(op, fc.constantFrom(...extensions), fc.oneof(keys, fc.constantFrom(null, 1, 'x', [])))
    .map(([verb, path, value]): JsonObject => ({ op: verb, path, value }))
  return fc.oneof({ weight: 5, arbitrary: withPath }, pathless, extension)
}

/** The paths that an operation names, as `path` or as keys of its value. */
const pathsIn = ({ path, value }: JsonObject): string =>
  [path, ...(isJsonObject(value) ? Object.keys(value) : [])].join(' ')

/** A document as text; in one case where a filter selected elements. */
function spelled({ document }: Patched, operation: JsonObject): string {
  const text = JSON.stringify(document)
  return pathsIn(operation).includes('[') ? text.toLowerCase() : text
}

/** A message that expects what it has found leaves out what was wrong with it. */
const SELF_CONTRADICTION = /found the (\w+) .*, expected an? \1(?:$|, as)/

/** What a PATCH comes to: a result, or the refusal; anything else thrown fails the test. */
function outcome(
  type: ResourceType,
  current: Document,
  body: JsonValue,
  rules: Rules,
): Patched | ScimError {
  try {
    return patched(type, current, body, rules)
  } catch (error) {
    if (error instanceof ScimError) return error
    throw error
  }
}

/** What every stored document is, whoever made it. */
function requireCanonical(type: ResourceType, document: Document, rules: Rules): void {
  const text = JSON.stringify(document)
  expect(faultOf(CHECKS, type, document)).toBeUndefined()
  expect(JSON.stringify(rearrange(type, document))).toBe(text)
  expect(JSON.stringify(readDraft(type, document, rules).document)).toBe(text)
  requireNothingDerived(type, document)
  const { text: stored, hidden } = textOf(type, 'id-1', document)
  const back = documentOf(stored, hidden)
  expect(JSON.stringify(rearrange(type, back))).toBe(text)
}

/** No readOnly attribute, no link, no `$ref` that is derived, and nothing unassigned is stored. */
function requireNothingDerived(type: ResourceType, document: Document): void {
  const attributesIn = (values: JsonObject, extension?: string) =>
    Object.entries(values).flatMap(([name, value]) => {
      const schema = type.extensions.find((candidate) => candidate.schema.id === extension)?.schema
      const attribute = (schema?.byName ?? type.attributes).get(name.toLowerCase())
      return attribute ? [{ attribute, value }] : []
    })
  const held = [
    ...attributesIn(document),
    ...type.extensions.flatMap(({ schema }) => {
      const values = document[schema.id]
      return isJsonObject(values) ? attributesIn(values, schema.id) : []
    }),
  ]
  for (const { attribute, value } of held) {
    expect(attribute.mutability).not.toBe('readOnly')
    expect(type.links.map((link) => link.attribute)).not.toContain(attribute)
    for (const element of Array.isArray(value) ? value : [value]) {
      if (!isJsonObject(element)) continue
      expect(Object.keys(element)).not.toBeEmpty()
      if (isReference(attribute)) expect(element).not.toHaveProperty('$ref')
    }
  }
}

/** An element that is none of those that are stored, so that it does not become one with them. */
function withFreshIdentity(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withFreshIdentity)
  if (isJsonObject(value)) return { ...value, value: 'ffff', text: 'ffff' }
  return typeof value === 'string' && value !== '' ? 'ffff' : value
}

/** How often each kind of outcome came up: a property that never gets past a refusal is none. */
class Tally {
  accepted = 0
  refused = 0

  count(result: Patched | ScimError): void {
    if (result instanceof ScimError) this.refused++
    else this.accepted++
  }

  requireBoth(): void {
    expect(this.accepted).toBeGreaterThan(this.refused / 10)
    expect(this.refused).toBeGreaterThan(0)
  }
}

/** Lower-case names of the attributes whose elements operations select by a filter. */
const selectedIn = (operations: readonly JsonObject[]): Set<string> =>
  new Set(
    [...JSON.stringify(operations).matchAll(/([A-Za-z0-9]+)(?:\.[A-Za-z]+)?\s*\[/g)].map(
      ([, name = '']) => name.toLowerCase(),
    ),
  )

/** A document's text without these attributes, wherever they stand. */
const textWithout = (names: ReadonlySet<string>, document: JsonObject): string =>
  JSON.stringify(document, (name, value) => (names.has(name.toLowerCase()) ? undefined : value))

describe.each(TYPES.map((type) => [type.name, type] as const))(
  `%s (SCIMD_SEED=${SEED})`,
  (_, type) => {
    test.each([
      ['interop', INTEROP, 3000],
      ['rfc', RFC, 1000],
      ['profile', PROFILE, 1000],
    ] as const)(
      'any operation gives a document that is valid and canonical, or a refusal: %s',
      (_mode, rules, numRuns) => {
        const tally = new Tally()
        fc.assert(
          fc.property(storedDocument(type), operationOf(type), (document, operation) => {
            const before = JSON.stringify(document)
            const result = outcome(type, frozen(document), patchBody(operation), rules)
            expect(JSON.stringify(document)).toBe(before)
            tally.count(result)
            if (result instanceof ScimError) {
              expect(result.status).toBeLessThan(500)
              expect(result.message).not.toMatch(/undefined|\[object|is not valid|Expected/)
              expect(result.message).not.toMatch(SELF_CONTRADICTION)
              return
            }
            requireCanonical(type, result.document, rules)
          }),
          { seed: SEED, numRuns },
        )
        tally.requireBoth()
      },
    )

    test('operations in one request do what they do one after the other', () => {
      let longest = 0
      fc.assert(
        fc.property(
          storedDocument(type),
          fc.array(operationOf(type), { minLength: 4, maxLength: 12 }),
          (document, operations) => {
            const accepted: JsonObject[] = []
            let step: Patched = { document, links: [] }
            for (const operation of operations) {
              const next = outcome(type, frozen(step.document), patchBody(operation), INTEROP)
              if (next instanceof ScimError) continue
              accepted.push(operation)
              step = { document: next.document, links: [...step.links, ...next.links] }
            }
            longest = Math.max(longest, accepted.length)
            const whole = patched(type, frozen(document), patchBody(...accepted))
            // An element that has no value yet lives to the end of its request, and no longer.
            const selected = selectedIn(accepted)
            expect(textWithout(selected, whole.document)).toBe(textWithout(selected, step.document))
            expect(JSON.stringify(whole.links)).toBe(JSON.stringify(step.links))
          },
        ),
        { seed: SEED, numRuns: 500 },
      )
      expect(longest).toBeGreaterThan(2)
    })

    test('a failing operation takes those before it along', () => {
      const failing: JsonObject = { op: 'replace', path: 'noSuchAttribute', value: 1 }
      fc.assert(
        fc.property(
          storedDocument(type),
          fc.array(operationOf(type), { maxLength: 3 }),
          fc.nat(3),
          (document, operations, at) => {
            const before = JSON.stringify(document)
            const body = patchBody(...operations.toSpliced(at, 0, failing))
            expect(outcome(type, frozen(document), body, INTEROP)).toBeInstanceOf(ScimError)
            expect(JSON.stringify(document)).toBe(before)
          },
        ),
        { seed: SEED, numRuns: 300 },
      )
    })

    test('the same replace twice is the same as once', () => {
      const tally = new Tally()
      fc.assert(
        fc.property(storedDocument(type), operationOf(type), (document, operation) => {
          // To make another element primary changes what a filter on primary selects.
          if (/\[.*primary/i.test(pathsIn(operation))) return
          const body = patchBody({ ...operation, op: 'replace', value: operation['value'] ?? null })
          const once = outcome(type, document, body, INTEROP)
          tally.count(once)
          if (once instanceof ScimError) return
          const twice = outcome(type, once.document, body, INTEROP)
          // What was selected may be gone, or be another element, after the first time.
          if (twice instanceof ScimError) expect(twice.scimType).toBe('noTarget')
          // One that came to repeat another was made one with it, which may have its own spelling.
          else expect(spelled(twice, operation)).toBe(spelled(once, operation))
        }),
        { seed: SEED, numRuns: 1500 },
      )
      tally.requireBoth()
    })

    test('an add or a remove twice is the same as once where no filter selects', () => {
      fc.assert(
        fc.property(storedDocument(type), operationOf(type), (document, operation) => {
          if (pathsIn(operation).includes('[')) return
          const body = patchBody(operation)
          const once = outcome(type, document, body, INTEROP)
          if (once instanceof ScimError) return
          const twice = outcome(type, once.document, body, INTEROP)
          if (twice instanceof ScimError) throw twice
          expect(JSON.stringify(twice.document)).toBe(JSON.stringify(once.document))
        }),
        { seed: SEED, numRuns: 1500 },
      )
    })

    test('elements that a filter does not select keep every byte, primary aside', () => {
      const lists = pathsOf(type).filter(
        ({ attribute, sub }) =>
          attribute.multiValued &&
          attribute.type === 'complex' &&
          attribute.mutability !== 'readOnly' &&
          sub?.mutability !== 'readOnly' &&
          !type.links.some((link) => link.attribute === attribute) &&
          // A type or a value that is set makes elements repeat, which are one from then on.
          !['value', 'type', '$ref', 'text', 'primary'].includes(sub?.name ?? ''),
      )
      if (lists.length === 0) return
      const operation = fc.constantFrom(...lists).chain(({ text, attribute, sub }) =>
        fc
          .tuple(
            fc.constantFrom('add', 'replace', 'remove'),
            filterWithin(attribute),
            anyValue(sub ?? { ...attribute, multiValued: false }),
          )
          .map(([op, filter, value]): JsonObject => {
            const given = sub ? value : withFreshIdentity(value)
            const whole = sub ? text.slice(0, -sub.name.length - 1) : text
            return { op, path: `${whole}[${filter}]${sub ? `.${sub.name}` : ''}`, value: given }
          }),
      )
      const tally = new Tally()
      fc.assert(
        fc.property(storedDocument(type), operation, (document, given) => {
          const result = outcome(type, document, patchBody(given), INTEROP)
          tally.count(result)
          if (result instanceof ScimError) return
          const [assignment] = readPatch(type, patchBody(given), INTEROP)
          if (assignment?.target.kind !== 'attribute' || !assignment.selection) {
            throw new Error('not a selection of elements')
          }
          const { target, selection } = assignment
          const elementsIn = (held: Document): readonly JsonValue[] => {
            const container = target.extension ? held[target.extension.id] : held
            const list = isJsonObject(container) ? container[target.attribute.name] : undefined
            return Array.isArray(list) ? list : []
          }
          const plain = (element: JsonValue): string => {
            if (!isJsonObject(element)) return JSON.stringify(element)
            const { primary: _, ...rest } = element
            return JSON.stringify(rest)
          }
          const unselected = elementsIn(document).filter((element) => !selection.matches(element))
          // An element that is made from the filter may repeat one of them, and be one with it.
          const isMade = given['op'] === 'add' && unselected.length === elementsIn(document).length
          if (isMade && /\b(?:value|type) eq/i.test(pathsIn(given))) return
          const left = elementsIn(result.document).map(plain)
          // What has come to repeat another element is one with it, at the place of the first.
          const isDropped = given['op'] === 'remove' && !target.sub
          const kept = isDropped ? unselected.length : elementsIn(document).length
          const isInOrder = left.length >= kept
          for (const element of unselected.map(plain)) {
            const at = left.indexOf(element)
            expect(at).toBeGreaterThanOrEqual(0)
            if (isInOrder) left.splice(0, at + 1)
          }
          const others = (held: Document) => {
            const container = target.extension ? held[target.extension.id] : held
            const { [target.attribute.name]: _, ...rest } = isJsonObject(container) ? container : {}
            return JSON.stringify(rest)
          }
          expect(others(result.document)).toBe(others(document))
        }),
        { seed: SEED, numRuns: 2000 },
      )
      tally.requireBoth()
    })
  },
)
