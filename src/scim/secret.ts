/** What names of secrets sound like, whether or not a schema knows of them. */

export const SECRET_NAME = /passw|passphrase|pwd|secret|token|credential|(?:private|api)[-_ ]?key/i
