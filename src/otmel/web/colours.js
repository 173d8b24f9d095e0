/** Shades of heat: lightness rises or falls all the way, so that they can be told apart without seeing colours. */

const LIGHT = ["#f6f1e4", "#f4c978", "#e07a3f", "#a4264f", "#3c0f45"];
const DARK = ["#1c1a26", "#5c2357", "#b8434c", "#f0a045", "#fdf3c0"];
const [INK, PAPER] = ["#000000", "#ffffff"];

/** Whether the page is dark now. */
const isDark = () => document.documentElement.dataset.scheme === "dark";

/** The level of an even share: pale, so that what stands out is what is above it. */
const EVEN = 0.2;

/** Where a lift lies between none (0) and the highest (1). */
export function level(lift, most) {
  if (lift <= 1) return EVEN * Math.max(0, lift);
  return EVEN + (1 - EVEN) * Math.min(1, (lift - 1) / (most - 1)) ** 0.7;
}

/** The shade of a level between 0 and 1. */
export function shade(at) {
  const stops = (isDark() ? DARK : LIGHT).map(channels);
  const place = Math.min(0.9999, Math.max(0, at)) * (stops.length - 1);
  const [low, high, part] = [stops[Math.floor(place)], stops[Math.floor(place) + 1], place % 1];
  return low.map((value, channel) => Math.round(value + (high[channel] - value) * part));
}

/** @param {number[]} rgb */
export const css = (rgb) => `rgb(${rgb.join(" ")})`;

/** Black or white, whichever is read more easily on a shade. */
export const inkOn = (rgb) => (contrast(rgb, channels(INK)) >= contrast(rgb, channels(PAPER)) ? INK : PAPER);

/** The stops of a legend, from none to the highest. */
export function gradient() {
  const stops = Array.from({ length: 9 }, (_, n) => css(shade(n / 8)));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function luminance(rgb) {
  const [r, g, b] = rgb.map(
    (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4),
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
