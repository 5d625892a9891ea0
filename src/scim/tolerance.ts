/**
 * What real clients send and the RFCs, or the interop profile, do not allow, each with a name, and
 * the presets that allow it.
 *
 * A tenant's mode is a preset over these switches; single switches may be set apart from it.
 */

interface Tolerated {
  /** What is sent. */
  readonly sent: string
  /**
   * What scimd understands by it; with the switch off, the request is refused, but for emptyStrings
   * (a value like any other) and mergeOnReplace (the attribute is replaced whole).
   */
  readonly understood: string
  /** Who sends it. */
  readonly source: string
}

export const TOLERANCES = {
  missingSchemas: {
    sent: 'a body without "schemas"',
    understood: 'the schemas that the endpoint and the body imply',
    source: 'Okta (push now), OneLogin templates, JumpCloud',
  },
  unknownSchemas: {
    sent: 'URIs in "schemas" that this resource type does not have, beside one that it has',
    understood: 'nothing; they are dropped',
    source: 'Entra ID (ADSCIM/2.0/Group), Google (urn:scim:schemas:core:1.0)',
  },
  unknownAttributes: {
    sent: 'attributes in a body or in a PATCH value that no schema of this resource type defines',
    understood: 'nothing; they are dropped and never echoed',
    source: 'Entra ID, Google, directory fixtures of Polis',
  },
  emptyOperations: {
    sent: 'a PATCH whose Operations are empty',
    understood: 'no change',
    source: "Microsoft's SCIM validator",
  },
  booleanStrings: {
    sent: '"True" or "False" for a boolean',
    understood: 'true or false',
    source: 'Entra ID without aadOptscim062020, Keycloak',
  },
  numericStrings: {
    sent: 'a number in quotes for an integer or decimal',
    understood: 'the number',
    source: 'administrators’ templates',
  },
  emptyStrings: {
    sent: 'an empty string as a value',
    understood: 'the attribute is unassigned',
    source: 'Entra ID (null update), OneLogin templates',
  },
  numberForString: {
    sent: 'a whole number for a string',
    understood: 'its digits; one past 9007199254740991 is refused, as its digits are not exact',
    source: 'feeds of personnel systems (employeeNumber); off in every mode',
  },
  stringForComplex: {
    sent: 'a string for a complex attribute that has a "value", or for an element of a list of them',
    understood: 'an object with that value',
    source: 'Entra ID (manager), administrators’ templates (roles: ["admin"])',
  },
  listForSingular: {
    sent: 'a list of one object for a single-valued attribute',
    understood: 'that object, or its value',
    source: 'Entra ID ([{"$ref": null, "value": "x"}])',
  },
  objectForList: {
    sent: 'one object for a multi-valued attribute',
    understood: 'a list of that object',
    source: 'Rippling, administrators’ templates',
  },
  nullElements: {
    sent: 'null among the elements of a list',
    understood: 'nothing; it is left out (a list of nothing else is refused)',
    source: 'administrators’ templates',
  },
  valueForList: {
    sent: 'one string, number or boolean for a multi-valued attribute',
    understood: 'a list of that value',
    source: 'administrators’ templates, scripts (members: "ID")',
  },
  objectForValue: {
    sent: 'an object with "value" as an element of a list of simple values',
    understood: 'that value',
    source: 'Entra ID (multi-valued attributes of extensions)',
  },
  pathsAsKeys: {
    sent: 'keys such as name.givenName or urn:…:User:employeeNumber in a PATCH value without a path',
    understood: 'the paths that they are',
    source: 'Entra ID with aadOptscim062020',
  },
  pathlessPatch: {
    sent: 'a PATCH operation without a path',
    understood: 'one operation for each attribute of its value (RFC 7644 allows it)',
    source: 'Okta, Entra ID; refused by the interop profile',
  },
  removeByValue: {
    sent: 'op "remove" on a multi-valued attribute with a list of values',
    understood: 'remove these values and no others',
    source: 'Entra ID without aadOptscim062020, authentik, JumpCloud',
  },
  createOnReplace: {
    sent: 'op "replace" on an element that does not exist, such as emails[type eq "work"].value',
    understood: 'the element is created from the terms of its filter, if all are eq joined by and',
    source: 'Entra ID (addresses[type eq "untyped"].locality in its own mappings)',
  },
  mergeOnReplace: {
    sent: 'op "replace" on a singular complex attribute such as name',
    understood: 'sub-attributes that are not named stay (RFC 7644 section 3.5.2.3 wants it so)',
    source: 'Entra ID, Okta; the interop profile replaces the attribute whole',
  },
  elementPaths: {
    sent: 'a PATCH path that selects whole elements, such as emails[type eq "work"]',
    understood: 'these elements (RFC 7644 allows it)',
    source: 'Okta and Entra ID (members[value eq "…"]); refused by the interop profile',
  },
  extendedFilters: {
    sent: 'a filter with something behind brackets, such as emails[type eq "work"].value eq "x"',
    understood: 'an element for which both hold',
    source: 'Entra ID (matching by e-mail)',
  },
  bareNames: {
    sent: 'an attribute of an extension without its URN, such as manager, in a filter or a path',
    understood: 'that attribute, where one extension alone has it',
    source: 'Entra ID (whether a user has this manager)',
  },
  dotAfterUrn: {
    sent: 'a dot between a URN and its attribute, such as urn:…:User.manager, in a filter or a path',
    understood: 'the attribute behind it',
    source: "Microsoft's collection of requests",
  },
  coreContainer: {
    sent: 'attributes of the core schema in an object under its URN, as an extension has them',
    understood: 'these attributes',
    source: 'administrators’ templates, SDKs that treat all schemas alike',
  },
  readOnlyValues: {
    sent: 'a readOnly attribute, such as id, in the value of a PATCH operation without a path',
    understood: 'nothing; it is left as it is',
    source: 'Okta (id in a renaming), authentik',
  },
  unlistedExtensions: {
    sent: 'an extension in a body whose "schemas" does not list its URN',
    understood: 'as if it were listed',
    source: 'Entra ID (extensions of one’s own)',
  },
  freeFormats: {
    sent: 'a country, locale, time zone, language, URI or certificate of another form than its own',
    understood: 'the text, as it is',
    source: "Microsoft's SCIM validator (Sierra Leone), Okta (USA)",
  },
  parameterNames: {
    sent: 'the name of a query parameter in other letters, such as startindex',
    understood: 'that parameter; two that differ in case alone are one, given twice',
    source: 'administrators’ scripts, hand-written clients',
  },
  endpointNames: {
    sent: 'the name of an endpoint in other letters, such as /users',
    understood: 'that endpoint; every location is written as it is defined',
    source: 'administrators’ scripts, hand-written clients',
  },
  secondQuestionMark: {
    sent: 'a second question mark in an address, as in /Users?aadOptscim062020?filter=…',
    understood: 'an ampersand, where the name of a parameter follows it',
    source: 'Entra ID (a flag at the end of the tenant URL)',
  },
} as const satisfies Record<string, Tolerated>

export type Tolerance = keyof typeof TOLERANCES
export type Tolerances = Readonly<Record<Tolerance, boolean>>

const all = (on: boolean): Tolerances =>
  Object.fromEntries(Object.keys(TOLERANCES).map((name) => [name, on])) as Tolerances

/** The presets that a tenant's `mode` names. */
export const MODES = {
  /** A number as a string is more often a fault of the feed: who wants it switches it on. */
  interop: { ...all(true), numberForString: false },
  /** RFC 7644 to the letter: section 3.5.2 allows operations without a path, and whole elements. */
  rfc: {
    ...all(false),
    unknownAttributes: true,
    pathlessPatch: true,
    mergeOnReplace: true,
    elementPaths: true,
  },
  /**
   * draft-zollner-scim-interop-profile. Elements are selected by no path there, and IPSIE wants
   * members to be removed: by a list of their values.
   */
  profile: { ...all(false), removeByValue: true },
} as const satisfies Record<string, Tolerances>

export type Mode = keyof typeof MODES

/** All that a tenant may decide about how requests are understood. */
export interface Rules {
  readonly mode: Mode
  readonly tolerances: Tolerances
  /** What becomes of a member whose id names no resource. */
  readonly unknownMembers: 'refuse' | 'skip'
  /**
   * Whether a PATCH without `attributes` or `excludedAttributes` is answered with the resource;
   * `auto` leaves that to the number of its links.
   */
  readonly patchAnswers: 'auto' | 'always' | 'never'
  /** Whether the paths that a resource type lists as `unique` (Group.displayName) have to be. */
  readonly uniqueNames: boolean
  /** Paths that the filter of a GET may not name, as the query would stand in logs of addresses. */
  readonly sensitive: readonly string[]
  /** Where the tolerances that a request needs are noted, for the log of requests. */
  readonly needed?: Set<Tolerance> | undefined
}

/**
 * Whether a departure is understood. Asked at the one place where strict code would refuse, and
 * only when it would: the request is noted to have needed it.
 */
export function tolerated({ tolerances, needed }: Rules, name: Tolerance): boolean {
  if (!tolerances[name]) return false
  needed?.add(name)
  return true
}

/** Whether all switches stand as the interop profile has them, whatever the mode is called. */
export const isProfile = ({ tolerances }: Rules): boolean =>
  (Object.keys(TOLERANCES) as Tolerance[]).every((name) => tolerances[name] === MODES.profile[name])

export const DEFAULT_RULES: Rules = {
  mode: 'interop',
  tolerances: MODES.interop,
  unknownMembers: 'refuse',
  patchAnswers: 'auto',
  uniqueNames: true,
  sensitive: [],
}
