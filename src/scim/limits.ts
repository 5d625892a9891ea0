/**
 * Every limit of the protocol, with its unit in its name. Each has a test at it and one past it.
 */

const KIB = 1024
const MIB = 1024 * KIB

/** A request body, and the payload of a bulk request; told as bulk.maxPayloadSize. */
export const BODY_BYTES_MAX = 16 * MIB
/** A body that is too long is read so far, and thrown away, so that its client hears why. */
export const BODY_DISCARDED_BYTES_MAX = 64 * MIB
/** The bodies of all requests that are in work at the same time. */
export const BODIES_BYTES_MAX = 64 * MIB
/** An answer that waits for no other, and for which nobody waits. */
export const ANSWER_SMALL_BYTES_MAX = 16 * KIB
/** What the answers of all requests hold of resources and text while they are sent. */
export const ANSWERS_BYTES_MAX = 64 * MIB
/** Answers that are not small and are made at the same time; PAGE_BYTES_MAX bounds each. */
export const ANSWERS_MADE_MAX = 8
/** Requests that wait until their answers can be made or sent, and how long one waits. */
export const ANSWERS_WAITING_MAX = 1000
export const ANSWER_WAIT_MS = 10_000
/** One piece of an answer that is not small, and how long a client may leave it unread. */
export const ANSWER_PIECE_LENGTH = 64 * KIB
export const ANSWER_STALL_MS = 30_000
/** File descriptors that no connection may take, and how often it is seen whether any is left. */
export const DESCRIPTORS_RESERVE = 16
export const DESCRIPTORS_LOOK_MS = 250
/** Nesting of arrays and objects in a request body. */
export const JSON_DEPTH_MAX = 32
/** Members of one object in a request body. */
export const JSON_MEMBERS_MAX = 10_000
/** Values in a request body, at whatever depth. */
export const JSON_VALUES_MAX = 1_000_000
/**
 * Characters (UTF-16 units) of one string or number in a request body as it is written, quotes
 * apart: no resource could hold more (RESOURCE_BYTES_MAX).
 */
export const JSON_TOKEN_LENGTH_MAX = MIB
/** Values of one multi-valued attribute; links, such as the members of a group, have no limit. */
export const VALUES_COUNT_MAX = 1000
/** Characters (UTF-16 units) of `attributes` or `excludedAttributes`, and of `sortBy`. */
export const PROJECTION_LENGTH_MAX = 64 * KIB
/** A page when the client names no count. */
export const PAGE_COUNT_DEFAULT = 100
/** A page however many the client asks for; told as filter.maxResults. */
export const PAGE_COUNT_MAX = 1000
/** Bytes of stored resources after which a page ends, however many the client asks for. */
export const PAGE_BYTES_MAX = 16 * MIB
/** How long a cursor may wait for its next page; told as pagination.cursorTimeout, in seconds. */
export const CURSOR_LIFETIME_MS = 60 * 60 * 1000
/** The text of one filter. */
export const FILTER_BYTES_MAX = 8 * KIB
/** Nesting of parentheses, `not` and value paths in one filter. */
export const FILTER_DEPTH_MAX = 50
/** Attribute expressions in one filter. */
export const FILTER_CLAUSES_MAX = 200
/** Operations in one PATCH request. */
export const PATCH_OPERATIONS_MAX = 5000
/** Characters (UTF-16 units) of all paths in one PATCH request, filters included. */
export const PATCH_PATHS_LENGTH_MAX = MIB
/**
 * Elements of multi-valued attributes that one PATCH request may look at, all of it within one
 * transaction. One that is compared with more than PATCH_VISIT_COMPARISONS values counts more.
 */
export const PATCH_VISITS_MAX = 20_000
export const PATCH_VISIT_COMPARISONS = 8
/** Names with a filter in the value of one PATCH operation without a path. */
export const PATCH_KEY_FILTERS_MAX = 100
/** Selections of links by anything but their value in one PATCH request. */
export const PATCH_LINK_FILTERS_MAX = 100
/**
 * Matches that are sorted in memory, where the sort has no index to walk; of each type, where it
 * goes over all of them.
 */
export const SORT_COUNT_MAX = 100_000
/** Operations in one bulk request; told as bulk.maxOperations. */
export const BULK_OPERATIONS_MAX = 1000
/** Links of a resource that the answer to its PATCH shows without being asked for attributes. */
export const PATCH_ANSWER_LINKS_MAX = 100
/** Bulk operations that refer to each other in one circle, and are one transaction therefore. */
export const BULK_CIRCLE_MAX = 250
/** The data of those operations, as JSON. In UTF-16 units. */
export const BULK_CIRCLE_LENGTH_MAX = MIB
/** Characters (UTF-16 units) of an id. */
export const ID_LENGTH_MAX = 1024
/** Characters (UTF-16 units) of a value that has to be unique, such as userName. */
export const UNIQUE_LENGTH_MAX = 1024
/** Characters (UTF-16 units) of any other string value. */
export const STRING_LENGTH_MAX = 64 * KIB
/** A stored resource without its links. */
export const RESOURCE_BYTES_MAX = MIB
/** Changed links that one write transaction applies at once; more become a new generation. */
export const LINKS_PER_COMMIT_MAX = 2000
/** Members that one journal chunk holds. */
export const JOURNAL_CHUNK_COUNT = 1000
/** Passwords that are hashed at the same time. */
export const PASSWORD_HASHES_MAX = 2
/** Requests that may wait for a password to be hashed. */
export const PASSWORD_QUEUE_MAX = 1000
/** Attempts at a user's password that may fail at once, and in VERIFY_PERIOD_S seconds. */
export const VERIFY_ATTEMPTS_MAX = 10
export const VERIFY_PERIOD_S = 300
/** Requests of one credential in a second, unless a setting says otherwise; twice that at once. */
export const RATE_PER_SECOND_DEFAULT = 2000
/** Failed attempts to sign in from one address in a second; ten times that at once. */
export const SIGN_INS_PER_SECOND = 10
/** Credentials, addresses or users for whom a rate is remembered. */
export const RATE_KEYS_MAX = 10_000
/** How long write transactions that came together may hold the event loop, the last one apart. */
export const TRANSACTION_MS = 6
/** Keys of an issuer are fetched anew when they are older; and a checked JWT is checked again. */
export const JWKS_FRESH_MS = 10 * 60 * 1000
/** How old the keys of an issuer may get that cannot be reached. */
export const JWKS_STALE_MS = 24 * 60 * 60 * 1000
/** Attempts at fetching an issuer's keys: so many at once, and then one in this time. */
export const JWKS_FETCHES_MAX = 5
export const JWKS_COOLDOWN_S = 30
/** How long fetching an issuer's metadata, or its keys, may take. */
export const JWKS_TIMEOUT_MS = 5000
/** An answer with an issuer's metadata, or its keys. */
export const JWKS_BYTES_MAX = 256 * KIB
/** Issuers of clients' assertions whose keys are remembered. */
export const JWKS_SOURCES_MAX = 1000
/** Headers with a client's certificate that are remembered as read. */
export const CERTIFICATES_SEEN_MAX = 1000
/** JWTs that have been checked and need not be again for a while. */
export const JWTS_CHECKED_MAX = 10_000
/** The difference of clocks that an issuer may be allowed. */
export const CLOCK_SKEW_S_MAX = 300
/** How long an access token of the token endpoint is good. */
export const ACCESS_TOKEN_LIFETIME_S = 60 * 60
/** How long the server signs its access tokens with the same key. */
export const SIGNING_KEY_PERIOD_MS = 30 * 24 * 60 * 60 * 1000
/** How far ahead an assertion may expire: one that a client signs, one that its issuer signs. */
export const ASSERTION_LIFETIME_S_MAX = 60 * 60
export const FEDERATED_LIFETIME_S_MAX = 24 * 60 * 60
/** Assertions that are remembered until they expire, so that none is taken twice. */
export const ASSERTIONS_KEPT_MAX = 100_000
/** The body of a request to the token endpoint. */
export const FORM_BYTES_MAX = 64 * KIB
/** Secrets of one client at the same time, for their rotation. */
export const CLIENT_SECRETS_MAX = 10
/** Good tokens of one name that wait for their end, replaced by others. */
export const TOKENS_REPLACED_MAX = 10
/** How often it is looked what expires, and how much of it metrics show, the soonest. */
export const EXPIRY_LOOK_MS = 60 * 1000
export const EXPIRIES_SHOWN_MAX = 1000
/** How long the log of requests keeps a record, and how much it keeps of each tenant. */
export const REQUESTS_AGE_MAX_MS = 14 * 24 * 60 * 60 * 1000
export const REQUESTS_BYTES_MAX = 256 * MIB
/** One file of the log of requests: what is removed at once when there is too much. */
export const REQUESTS_SEGMENT_BYTES_MAX = 8 * MIB
export const REQUESTS_SEGMENT_AGE_MAX_MS = 24 * 60 * 60 * 1000
/** Records of all tenants that wait to be written; those beyond are dropped, and counted. */
export const REQUESTS_WAITING_BYTES_MAX = 4 * MIB
/** How long a record waits for others to be written with it, and with how many of them. */
export const REQUESTS_BATCH_MS = 200
export const REQUESTS_BATCH_BYTES = 256 * KIB
/** Characters (UTF-16 units) that the log of requests keeps of a body, and of an address. */
export const REQUESTS_BODY_LENGTH_MAX = 8 * KIB
/** How long a slice of long work may hold the event loop. */
export const SLICE_MS = 4
