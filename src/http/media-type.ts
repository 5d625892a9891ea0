/** Reads a Content-Type: RFC 9110 section 8.3. */

export interface ContentType {
  /** In lower case; empty where there is none. */
  readonly mediaType: string
  /** In lower case, without quotes; undefined where none is named. */
  readonly charset: string | undefined
}

const PARAMETER = /;\s*([^\s;="]*)\s*(?:=\s*("(?:\\.|[^"\\])*"?|[^;]*))?/g

/** The media type and the charset that a header names. */
export function contentTypeIn(header: string | null): ContentType {
  const [mediaType = ''] = (header ?? '').split(';', 1)
  let charset: string | undefined
  for (const [, name, value = ''] of (header ?? '').slice(mediaType.length).matchAll(PARAMETER)) {
    if (name?.toLowerCase() !== 'charset') continue
    const bare = value
      .trim()
      .replace(/^"(.*?)"?$/s, (_, quoted: string) => quoted.replace(/\\(.)/gs, '$1'))
    // Of two that differ, one is not UTF-8.
    if (charset === undefined || isUtf8(charset)) charset = bare.toLowerCase()
  }
  return { mediaType: mediaType.trim().toLowerCase(), charset }
}

/** Whether a body is what is read here. RFC 7644 section 3.1 asks for UTF-8, RFC 8259 too. */
export const isUtf8 = (charset: string | undefined): boolean =>
  charset === undefined || ['', 'utf-8', 'utf8'].includes(charset)
