/** Numbers as they are read. The minus is a real one, and the sign is always there where things are added. */

export const signed = (value, digits = 2) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

export const plain = (value, digits = 2) => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)}`;

/** A share between 0 and 1. The blank before the sign does not break. */
export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "under 0.1\u00a0%";
  return `${value.toFixed(value < 10 ? 1 : 0)}\u00a0%`;
}

/** How many times an even share. */
export const times = (lift) => `${lift < 10 ? lift.toFixed(1) : lift.toFixed(0)}×`;

export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
