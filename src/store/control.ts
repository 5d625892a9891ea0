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
  /** The prefix of the one that takes its place; it is good for a while still. */
  readonly replacedBy?: string | undefined
}

export interface ListedCredential extends Credential {
  readonly lastUsed: number | undefined
}

/** A secret of a client as it is kept: never the secret itself. */
export interface ClientSecret {
  /** The public part, by which it is found and shown. */
  readonly prefix: string
  /** SHA-256 of the whole secret, in hex. */
  readonly hash: string
  readonly created: number
  readonly expires?: number | undefined
  /** The prefix of the one that takes its place; it is good for a while still. */
  readonly replacedBy?: string | undefined
}

/** Whose assertions stand for a client: the claims that they have to have. */
export interface Federation {
  readonly issuer: string
  readonly subject: string
  readonly audience: readonly string[]
}

/** A client of the token endpoint. RFC 6749 section 2. */
export interface Client {
  readonly id: string
  readonly name: string
  readonly tenant: string
  /** Names of scopes with a space between them: the most that its tokens get. */
  readonly scope: string
  readonly created: number
  readonly secrets: readonly ClientSecret[]
  /** A JWK Set of public keys that the client signs its assertions with. */
  readonly jwks?: object | undefined
  readonly federation?: Federation | undefined
}

export interface ListedClient extends Client {
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
  /** The very same object as long as the credential is the same. */
  credential(prefix: string): Credential | undefined
  credentials(): readonly ListedCredential[]
  /** False when the prefix is taken. */
  addCredential(credential: Credential): Promise<boolean>
  /**
   * Changes a credential and adds the one that replaces it, both or neither; false when it is not
   * there, `next` says undefined, or the new one's prefix is taken.
   */
  replaceCredential(
    prefix: string,
    next: (
      credential: Credential,
    ) => { readonly changed: Credential; readonly added: Credential } | undefined,
  ): Promise<boolean>
  /** False when there is no such credential. */
  removeCredential(prefix: string): Promise<boolean>
  /** Notes when a credential or client was last used; may be behind by a minute. */
  used(prefix: string, time: number): void
  client(id: string): Client | undefined
  clients(): readonly ListedClient[]
  /** False when the id is taken. */
  addClient(client: Client): Promise<boolean>
  /**
   * Gives a client other secrets; undefined when there is no such client, or `next` says undefined.
   */
  changeSecrets(
    id: string,
    next: (secrets: readonly ClientSecret[]) => readonly ClientSecret[] | undefined,
  ): Promise<Client | undefined>
  /** False when there is no such client. */
  removeClient(id: string): Promise<boolean>
  /**
   * Remembers until a time that something was used up, and forgets what is over. False when it was
   * used before; undefined when no more can be remembered.
   *
   * @param mark at most 64 bytes that stand for it
   */
  useOnce(mark: string, until: number, now: number): Promise<boolean | undefined>
  /**
   * Remembers which warnings are due, and forgets all others.
   *
   * @param due all of them: a mark of at most 64 bytes, and how many days before the end it is told
   * @returns the marks that were not told so near to the end before
   */
  warned(due: readonly { mark: string; days: number }[]): Promise<readonly string[]>
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
