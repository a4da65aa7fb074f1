// Returns [contrast, text] of the text in a panel that is hardest to read.
() => {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c /= 255) && (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const stack = [];
    for (; node; node = node.parentElement) stack.unshift(channels(getComputedStyle(node).backgroundColor));
    return stack.reduce((under, colour) => over(colour, under), [255, 255, 255]);
  };
  const found = [];
  for (const node of document.querySelectorAll(".kisnb-desk *")) {
    const own = [...node.childNodes].filter((c) => c.nodeType === Node.TEXT_NODE && c.data.trim());
    if (!own.length || !node.checkVisibility()) continue;
    const under = ground(node);
    const [a, b] = [luminance(over(channels(getComputedStyle(node).color), under)), luminance(under)];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.textContent]);
  }
  return found.sort(([a], [b]) => a - b)[0];
}
