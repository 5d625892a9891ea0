/** What each identity provider does, and what it shows its administrator when that fails. */

/** Ways to ask that not every identity provider has. Each switches on steps of the examination. */
export type Habit =
  /** Refuses answers of another media type than application/scim+json. */
  | 'mediaType'
  | 'externalId'
  /** One PATCH operation for each attribute, `Replace` and "False": Entra ID without its flag. */
  | 'pathPatch'
  /** Paths as keys of one value: Entra ID with ?aadOptscim062020. */
  | 'keyPatch'
  /** PATCH without a path: Okta. */
  | 'pathlessPatch'
  | 'put'
  /** Takes a member out by a list of values. */
  | 'removeByValue'
  /** Takes a member out by `members[value eq "…"]`. */
  | 'removeByFilter'
  /** Replaces a group with its members by PUT. */
  | 'putGroup'
  | 'deleteUser'

/** What the identity provider is about when something fails. */
export type Area =
  | 'connect'
  | 'sign-in'
  | 'look-up'
  | 'create'
  | 'update'
  | 'suspend'
  | 'import'
  | 'group'
  | 'delete'

export interface IdentityProvider {
  readonly title: string
  readonly habits: readonly Habit[]
  /** Milliseconds after which an answer is called slow. */
  readonly slowMs: number
  /** Milliseconds after which a list of groups is. */
  readonly slowGroupsMs: number
  /** Where its administrator finds the failure, and what stands there. */
  readonly shows: Readonly<Record<Area, string>>
}

const LOG = 'Provisioning logs:'
const TASKS = 'Dashboard, Tasks: "Automatic provisioning of user … to app … failed:'
const INCOMPATIBLE = 'SystemForCrossDomainIdentityManagementServiceIncompatible'

export const IDENTITY_PROVIDERS = {
  entra: {
    title: 'Microsoft Entra ID',
    habits: [
      'mediaType',
      'externalId',
      'pathPatch',
      'keyPatch',
      'removeByValue',
      'removeByFilter',
      'deleteUser',
    ],
    slowMs: 5_000,
    slowGroupsMs: 5_000,
    shows: {
      connect: `Test connection fails, and a job that runs goes into quarantine`,
      'sign-in':
        'Test connection: "You appear to have entered invalid credentials"; later, quarantine',
      'look-up': `Test connection fails; ${LOG} ${INCOMPATIBLE}; after some time, quarantine`,
      create: `${LOG} Create fails, ${INCOMPATIBLE}; tried again in each cycle`,
      update: `${LOG} Update fails, the other changes of that user included`,
      suspend: `${LOG} Disable fails; who has left keeps access`,
      import: 'Account discovery shows users twice, or not at all',
      group: `${LOG} the group is made, and its members are missing or stay`,
      delete: `${LOG} Delete fails; tried again in each cycle`,
    },
  },
  okta: {
    title: 'Okta',
    habits: ['externalId', 'pathlessPatch', 'put', 'removeByFilter', 'putGroup'],
    slowMs: 5_000,
    slowGroupsMs: 600,
    shows: {
      connect: 'Test API Credentials fails: "Error authenticating"',
      'sign-in': 'Test API Credentials fails: "Error authenticating"',
      'look-up': `${TASKS} Error while verifying if user … exists"`,
      create: `${TASKS} Error while creating user …"; without a body: returned empty user`,
      update: 'Dashboard, Tasks: "Error while trying to push profile update for user"',
      suspend:
        'Dashboard, Tasks: deactivation fails, or "due to delay in reactivating remote User"',
      import: 'Import, Import Now brings users twice, or not at all',
      group: 'Push Groups: the group shows Error, and its members are missing or stay',
      delete: 'Push Groups: the group cannot be unlinked and deleted',
    },
  },
  onelogin: {
    title: 'OneLogin',
    habits: ['put', 'removeByValue', 'deleteUser'],
    slowMs: 5_000,
    slowGroupsMs: 5_000,
    shows: {
      connect: 'Configuration, API Connection cannot be enabled',
      'sign-in': 'Configuration, API Connection cannot be enabled',
      'look-up': 'Users: Provisioning failed, on the look-up of the user',
      create: 'Users: Provisioning failed, on the creation of the user',
      update: 'Users: Provisioning failed, on the update of the user',
      suspend: 'Users: Provisioning failed; who has left keeps access',
      import: 'Users of the application are taken for new ones',
      group: 'Groups of the application cannot be refreshed, or their members are missing or stay',
      delete: 'Users: Deleting failed',
    },
  },
} as const satisfies Record<string, IdentityProvider>

export type IdentityProviderName = keyof typeof IDENTITY_PROVIDERS
