/**
 * Narrows the schema and resource type files to what one tenant sees of them. DESIGN section 3, RFC
 * 7644 section 4.
 */

import {
  buildRegistry,
  type Concealed,
  NOTHING_CONCEALED,
  type Registry,
  type ResourceType,
  type SchemaFile,
} from './registry.ts'
import { isPassword } from './schema.ts'
import { isProfile, type Rules } from './tolerance.ts'
import { type Checks, compileChecks } from './validate.ts'

/** What a tenant's settings say of the resource types and schemas that it sees. */
export interface ViewSettings {
  /** Names of resource types; undefined for all. */
  readonly resourceTypes: readonly string[] | undefined
  /** URNs of schema extensions; undefined for all. */
  readonly extensions: readonly string[] | undefined
  /** Whether there is the password of RFC 7643 section 4.1.1. */
  readonly passwords: 'accept' | 'refuse'
}

export const WHOLE_VIEW: ViewSettings = {
  resourceTypes: undefined,
  extensions: undefined,
  passwords: 'accept',
}

/** The files that a registry is made of; later ones take the place of earlier ones. */
export interface SchemaFiles {
  readonly schemas: readonly SchemaFile[]
  readonly types: readonly SchemaFile[]
}

/** What a tenant sees. Tenants of the same settings share it. */
export interface View {
  readonly registry: Registry
  readonly checks: Checks
  /** The same with the forms that `freeFormats` does not ask for. */
  readonly strictChecks: Checks
}

type Settings = ViewSettings & Rules

/**
 * Gives each tenant its view of the files, making it when it is first asked for.
 *
 * @param whole the registry of all the files
 */
export function viewsOf(files: SchemaFiles, whole: Registry): (settings: Settings) => View {
  const registries = new Map<string, Registry>()
  const stricts = new Map<string, Checks>()
  const views = new Map<string, View>()

  return function viewOf(settings) {
    const { resourceTypes, extensions, passwords, tolerances } = settings
    const isTyped = isProfile(settings)
    const isWhole = !resourceTypes && !extensions && passwords === 'accept' && !isTyped
    const name = JSON.stringify([resourceTypes, extensions, passwords, isTyped])
    const registry = registries.get(name) ?? (isWhole ? whole : narrowed(files, whole, settings))
    registries.set(name, registry)
    const key = `${tolerances.freeFormats} ${name}`
    const strictChecks = stricts.get(name) ?? compileChecks(registry.types, true)
    stricts.set(name, strictChecks)
    const view = views.get(key) ?? {
      registry,
      checks: tolerances.freeFormats ? compileChecks(registry.types) : strictChecks,
      strictChecks,
    }
    views.set(key, view)
    return view
  }
}

/** What is wrong with a tenant's settings: JSON path within them, what was found, and the cure. */
export function faultsOfView(whole: Registry, settings: Settings): string[] {
  const { resourceTypes, extensions, sensitive } = settings
  const faults: string[] = []
  const names = whole.types.map(({ name }) => name).join(', ')
  resourceTypes?.forEach((name, index) => {
    if (whole.typeNamed(name)) return
    faults.push(`.resourceTypes[${index}]: there is no "${name}", expected one of ${names}`)
  })
  if (resourceTypes?.length === 0) {
    faults.push(`.resourceTypes: found an empty list, expected one of ${names} at least`)
  }
  const known = new Set(
    whole.types.flatMap((type) => type.extensions.map(({ schema }) => schema.id)),
  )
  extensions?.forEach((urn, index) => {
    if ([...known].some((id) => isSame(id, urn))) return
    const expected = [...known].join(', ') || 'none, as there is none'
    faults.push(`.extensions[${index}]: no resource type has "${urn}", expected ${expected}`)
  })

  const seen = whole.types.filter(seenBy(resourceTypes))
  for (const type of seen) {
    for (const { schema, required } of type.extensions) {
      if (!required || seesExtension(settings, schema.id)) continue
      faults.push(`.extensions: ${type.name} requires ${schema.id}; list it, or not ${type.name}`)
    }
    for (const { name, targets } of type.links) {
      if (targets.length === 0 || targets.some((target) => seen.some((one) => one.name === target)))
        continue
      const cure = `list one of them, or leave ${type.name} out`
      faults.push(`.resourceTypes: ${name} links to ${targets.join(' and ')} alone; ${cure}`)
    }
  }
  sensitive.forEach((path, index) => {
    const types = seen.length > 0 ? seen : whole.types
    if (types.some((type) => type.resolve(path)?.kind === 'attribute')) return
    const expected = `the path of an attribute of ${types.map(({ name }) => name).join(' or ')}`
    faults.push(`.sensitive[${index}]: found "${path}", expected ${expected}`)
  })
  return faults
}

const isSame = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase()

const seenBy =
  (resourceTypes: ViewSettings['resourceTypes']) =>
  ({ name }: ResourceType): boolean =>
    !resourceTypes || resourceTypes.some((listed) => isSame(listed, name))

const seesExtension = ({ extensions }: ViewSettings, id: string): boolean =>
  !extensions || extensions.some((listed) => isSame(listed, id))

/** The registry of the same files without what the settings leave out of them. */
function narrowed(files: SchemaFiles, whole: Registry, settings: Settings): Registry {
  const seen = whole.types.filter(seenBy(settings.resourceTypes))
  const concealed = new Map(seen.map((type) => [type.name, concealedOf(type, settings)]))
  const hiddenTypes = new Set(whole.types.flatMap((type) => (seen.includes(type) ? [] : type.name)))

  const idsOf = (types: readonly ResourceType[]) =>
    types.flatMap((type) => [type.schema.id, ...type.extensions.map(({ schema }) => schema.id)])
  const left = new Set([...concealed.values()].flatMap(({ extensions }) => [...extensions]))
  const used = new Set(idsOf(seen).filter((id) => !left.has(id)))
  const hiddenSchemas = new Set(idsOf(whole.types).filter((id) => !used.has(id)))

  const types = latest(files.types, 'name').flatMap(({ file, json }) => {
    const type = seen.find(({ name }) => name === json['name'])
    if (!type) return []
    const own = concealed.get(type.name) ?? NOTHING_CONCEALED
    return [{ file, json: narrowedType(json, type, own, hiddenTypes) }]
  })
  const schemas = latest(files.schemas, 'id').flatMap(({ file, json }) => {
    const id = String(json['id'])
    if (hiddenSchemas.has(id)) return []
    const owner = seen.find(({ schema }) => schema.id === id)
    const refused = (owner && concealed.get(owner.name)?.attributes) ?? new Set()
    const attributes = (json['attributes'] as Json[])
      .filter(({ name }) => !refused.has(String(name)))
      .map((attribute) => narrowedAttribute(attribute, hiddenTypes))
      .map((attribute) => (isProfile(settings) ? withCanonicalTypes(attribute) : attribute))
    return [{ file, json: { ...json, attributes } }]
  })
  return buildRegistry(schemas, types, concealed)
}

const concealedOf = (type: ResourceType, settings: ViewSettings): Concealed => ({
  attributes: new Set(
    settings.passwords === 'refuse'
      ? type.schema.attributes.filter(isPassword).map(({ name }) => name)
      : [],
  ),
  extensions: new Set(
    type.extensions.map(({ schema }) => schema.id).filter((id) => !seesExtension(settings, id)),
  ),
})

/** The files have made a registry already: what is in them has the right form. */
type Json = Readonly<Record<string, unknown>>

function latest(files: readonly SchemaFile[], key: string): { file: string; json: Json }[] {
  const byKey = new Map<string, { file: string; json: Json }>()
  for (const { file, json } of files) {
    byKey.set(String((json as Json)[key]).toLowerCase(), { file, json: json as Json })
  }
  return [...byKey.values()]
}

function narrowedType(
  json: Json,
  type: ResourceType,
  concealed: Concealed,
  hiddenTypes: ReadonlySet<string>,
): Json {
  const isSeen = (text: string): boolean => {
    const path = type.resolve(text)
    if (path?.kind !== 'attribute') return true
    return path.extension
      ? !concealed.extensions.has(path.extension.id)
      : !concealed.attributes.has(path.attribute.name)
  }
  const { schemaExtensions = [], links = [], defaults = {}, formats = {} } = json
  const paths = (key: string) => ({ [key]: ((json[key] ?? []) as string[]).filter(isSeen) })
  const members = (object: unknown, isKept: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(object as Json).filter(([name]) => isKept(name)))
  return {
    ...json,
    ...paths('display'),
    ...paths('indexed'),
    ...paths('unique'),
    schemaExtensions: (schemaExtensions as Json[]).filter(
      ({ schema }) => ![...concealed.extensions].some((id) => isSame(id, String(schema))),
    ),
    links: (links as Json[]).map((link) => ({
      ...link,
      reverse: members(link['reverse'] ?? {}, (name) => !hiddenTypes.has(name)),
    })),
    defaults: members(defaults, isSeen),
    formats: members(formats, isSeen),
  }
}

/** An attribute that refers to no hidden type, unless it refers to nothing else. */
function narrowedAttribute(attribute: Json, hiddenTypes: ReadonlySet<string>): Json {
  const { referenceTypes = [], subAttributes } = attribute
  const kept = (referenceTypes as string[]).filter((name) => !hiddenTypes.has(name))
  return {
    ...attribute,
    ...(kept.length > 0 ? { referenceTypes: kept } : {}),
    ...(subAttributes === undefined
      ? {}
      : {
          subAttributes: (subAttributes as Json[]).map((sub) =>
            narrowedAttribute(sub, hiddenTypes),
          ),
        }),
  }
}

/** For a `type` of which a schema, as that of roles, says nothing. */
const CANONICAL_TYPES = ['work', 'home', 'other']

/**
 * The interop profile wants to be told what each `type` may be (PROF-05). In other modes nothing is
 * added, since Entra ID takes an attribute without canonical types for one of another kind.
 */
function withCanonicalTypes(attribute: Json): Json {
  if (attribute['multiValued'] !== true || attribute['subAttributes'] === undefined)
    return attribute
  const subAttributes = (attribute['subAttributes'] as Json[]).map((sub) =>
    isSame(String(sub['name']), 'type') && !(sub['canonicalValues'] as unknown[])?.length
      ? { ...sub, canonicalValues: CANONICAL_TYPES }
      : sub,
  )
  return { ...attribute, subAttributes }
}
