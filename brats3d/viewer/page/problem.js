/** What went wrong, in the parts that the service tells: what, where, got, expected, remedy. */

export class Problem extends Error {
  constructor(parts, status = 0) {
    super(parts.what);
    this.parts = parts;
    this.status = status;
  }

  /** Whether what was asked for is no longer on the server. */
  get gone() {
    return this.status === 404 || this.status === 410;
  }
}

export const unreachable = () =>
  new Problem({
    what: "The server does not answer",
    remedy: "See whether it still runs and whether you are connected, then try again",
  });

/** The problem that a refused response tells of. */
export function problemOf(text, status) {
  try {
    const { error } = JSON.parse(text);
    if (error?.what) return new Problem(error, status);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
  }
  return new Problem({ what: `The server refused, with status ${status}`, remedy: "Reload the page and try again" }, status);
}

/** Any error as a problem that can be shown. */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem({ what: "The page met an error that it does not know", got: String(error), remedy: "Reload the page" });
}
