/** The service, and what can go wrong on the way to it. */

/** An answer that is none: what is wrong, and what to do about it. */
export class Failure extends Error {
  /**
   * @param {{code: string, message: string, cure?: string, where?: string}} error
   * @param {{status?: number, requestId?: string, retryAfter?: number}} [about]
   */
  constructor(error, about = {}) {
    super(error.message);
    this.code = error.code;
    this.cure = error.cure ?? null;
    this.where = error.where ?? null;
    this.status = about.status ?? 0;
    this.requestId = about.requestId ?? null;
    this.retryAfter = about.retryAfter ?? null;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

/** The address of a path of the service, wherever the page is mounted. */
export const here = (path) => new URL(path.replace(/^\//, ""), document.baseURI).href;

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => asked(path, { signal });

/** @param {string} path @param {object} body @param {AbortSignal} [signal] */
export const post = (path, body, signal) =>
  asked(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

/** A picture of the service as a file, or `null`. */
export async function picture(path) {
  const response = await fetch(here(path)).catch(() => null);
  return response?.ok ? response.blob() : null;
}

async function asked(path, options) {
  let response;
  try {
    response = await fetch(here(path), options);
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Failure(
      { code: "unreachable", message: "The service does not answer.", cure: "Is it running? Try again in a moment." },
    );
  }
  const values = await response.json().catch(() => null);
  if (response.ok && values) return values;
  const unreadable = { code: "unreadable", message: `The service answered with status ${response.status}.` };
  throw new Failure(values?.error ?? unreadable, {
    status: response.status,
    requestId: values?.request_id,
    retryAfter: Number(response.headers.get("Retry-After")) || null,
  });
}
