/** The port to what belongs to the server as a whole: tenants, credentials and keys. Types only. */

/** A bearer token as it is kept: never the token itself. Times are milliseconds since 1970. */
export interface Credential {
  /** The public part of the token, by which it is found and shown. */
  readonly prefix: string
  readonly name: string
  readonly tenant: string
  /** Names of scopes with a space between them, as in RFC 6749 section 3.3. */
  readonly scope: string
  /** The id of the resource that `/Me` stands for, usually a user. */
  readonly user?: string | undefined
  /** SHA-256 of the whole token, in hex. */
  readonly hash: string
  readonly created: number
  readonly expires: number | undefined
}

export interface ListedCredential extends Credential {
  readonly lastUsed: number | undefined
}

export interface Tenant {
  readonly name: string
  /** Tells it from one of the same name that was deleted. */
  readonly created: number
  /** Its requests are answered as if it were not there. */
  readonly isSuspended?: boolean
}

export interface ControlStore {
  credential(prefix: string): Credential | undefined
  credentials(): readonly ListedCredential[]
  /** False when the prefix is taken. */
  addCredential(credential: Credential): Promise<boolean>
  /** False when there is no such credential. */
  removeCredential(prefix: string): Promise<boolean>
  /** Notes when a credential was last used; may be behind by a minute. */
  used(prefix: string, time: number): void
  /** A tenant that is being deleted is not there. */
  tenant(name: string): Tenant | undefined
  tenants(): readonly Tenant[]
  /** False when there is one of this name, or one that is not deleted to its end. */
  addTenant(tenant: Tenant): Promise<boolean>
  /** False when there is no such tenant. */
  suspendTenant(name: string, isSuspended: boolean): Promise<boolean>
  /**
   * From now on the tenant and its credentials are not there, and its name is not free yet. May
   * be said again. The number of credentials that were removed; undefined when there is no
   * such tenant.
   */
  beginTenantRemoval(name: string): Promise<number | undefined>
  /** Ends a removal, and frees the name. */
  endTenantRemoval(name: string): Promise<void>
  /** 32 secret bytes for a purpose: the same ones ever after, for every process. */
  key(purpose: string): Promise<Uint8Array>
  close(): Promise<void>
}
