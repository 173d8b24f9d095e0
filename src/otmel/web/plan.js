/** A plan as numbers: who takes how much from whom, beside what an even plan would give. */

/**
 * @typedef {object} Axis the tokens along one side of a plan
 * @property {string} owner mention or entity
 * @property {string} modality text or image
 * @property {string[]} tokens
 * @property {number[]} special numbers of those that stand for no word and no patch
 * @property {{text: string, tokens: number[]}[]} words
 * @property {[number, number] | null} grid rows and columns of patches
 */
/** @typedef {"rows" | "columns"} Side rows receive, columns send */
/** @typedef {{side: Side, index: number}} Selection */

export const OTHER = { rows: "columns", columns: "rows" };

/**
 * One assignment of a plan of the service: the model's own, or its counterpart.
 * @param {object} plan
 * @param {"transport" | "attention"} kind
 */
export function assignment(plan, kind) {
  const own = kind === plan.kind;
  const facts = own ? plan : plan.counterpart;
  const matrix = own ? plan.matrix : plan[kind];
  const total = matrix.flat().reduce((sum, value) => sum + value, 0);
  return {
    kind,
    own,
    matrix,
    facts,
    axes: { rows: plan.rows, columns: plan.columns },
    mean: total / (matrix.length * matrix[0].length) || 1,
  };
}

/** What one token has with each of the other side. */
export const along = (matrix, { side, index }) => (side === "rows" ? matrix[index] : matrix.map((row) => row[index]));

/** The same as shares of what the token has in all, and as multiples of an even share of the plan. */
export function related(one, selection) {
  const values = along(one.matrix, selection);
  const sum = values.reduce((total, value) => total + value, 0) || 1;
  return values.map((value) => ({ share: value / sum, lift: value / one.mean }));
}

/** The tokens that are words or patches: no special ones, no punctuation. @param {Axis} axis */
export function content(axis) {
  if (axis.words.length) return axis.words.flatMap((word) => word.tokens);
  const special = new Set(axis.special);
  return axis.tokens.map((_, index) => index).filter((index) => !special.has(index));
}

/** The largest lift between words and patches, of all these assignments: where their common scale ends. */
export function highest(assignments) {
  let most = 2;
  for (const one of assignments) {
    const [rows, columns] = [content(one.axes.rows), content(one.axes.columns)];
    for (const i of rows) for (const j of columns) most = Math.max(most, one.matrix[i][j] / one.mean);
  }
  return most;
}

/** Letters of a word that says more than “of” and “the”, as a rule. */
const LONG = 4;

/**
 * The receiver that chooses most, among longer words if there are any: a first look that says something.
 * @returns {Selection}
 */
export function telling(one) {
  const [rows, columns] = [content(one.axes.rows), content(one.axes.columns)];
  const long = rows.filter((index) => one.axes.rows.grid || one.axes.rows.tokens[index].length >= LONG);
  const lift = (index) => Math.max(...columns.map((j) => one.matrix[index][j]));
  const index = (long.length ? long : rows).reduce(
    (best, other) => (best === null || lift(other) > lift(best) ? other : best),
    null,
  );
  return { side: "rows", index: index ?? 0 };
}

/** What a token is called in a sentence. @param {Axis} axis */
export function called(axis, index) {
  const token = axis.tokens[index];
  if (axis.special.includes(index)) return token;
  return axis.modality === "text" ? `“${token}”` : axis.grid ? `patch ${token}` : `region ${token}`;
}

/** Each token's part of what its side receives or sends: they sum to one. */
export function marginal(one, side) {
  const values = one.facts.marginals[side];
  const sum = values.reduce((total, value) => total + value, 0) || 1;
  return values.map((value) => value / sum);
}
