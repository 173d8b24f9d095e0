/** Sinkhorn's iteration in twenty lines (Algorithm 1 of the paper), for problems that fit on a page. */

/**
 * The plan after so many iterations, with even marginals; rows are exact at the end.
 * @param {number[][]} cost between 0 and 1
 * @param {number} epsilon temperature
 * @param {number} iterations
 */
export function transport(cost, epsilon, iterations) {
  const [n, m] = [cost.length, cost[0].length];
  const lowest = Math.min(...cost.flat());
  const kernel = cost.map((row) => row.map((c) => Math.exp((lowest - c) / epsilon)));
  let u = Array(n).fill(1);
  let v = Array(m).fill(1);
  for (let step = 0; step < iterations; step += 1) {
    v = v.map((_, j) => 1 / m / sum(u.map((ui, i) => ui * kernel[i][j])));
    u = u.map((_, i) => 1 / n / sum(v.map((vj, j) => vj * kernel[i][j])));
  }
  return kernel.map((row, i) => row.map((k, j) => u[i] * k * v[j]));
}

/** The same costs when every row chooses for itself: a softmax, as in attention, with rows of mass 1/n. */
export function attention(cost, epsilon) {
  return cost.map((row) => {
    const lowest = Math.min(...row);
    const weights = row.map((c) => Math.exp((lowest - c) / epsilon));
    const total = sum(weights) * cost.length;
    return weights.map((weight) => weight / total);
  });
}

/** How far the columns are from even shares, in all. */
export const columnError = (plan) => sum(columnSums(plan).map((mass) => Math.abs(mass - 1 / plan[0].length)));

export const columnSums = (plan) => plan[0].map((_, j) => sum(plan.map((row) => row[j])));

/** The entropy as a share of that of a uniform plan. */
export const entropyShare = (plan) => sum(
  plan.flat().map((p) => (p > 0 ? -p * Math.log(p) : 0)),
) / Math.log(plan.length * plan[0].length);

const sum = (values) => values.reduce((total, value) => total + value, 0);
