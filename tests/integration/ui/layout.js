// What is wrong with the layout of the page as it stands, as sentences. Evaluated from outside, in the page.
(() => {
  const PRESSED = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [tabindex='0']";
  const problems = [];
  const name = (element) => `<${element.tagName.toLowerCase()} ${element.id || element.className}> ${(element.textContent || element.value || "").trim().slice(0, 40)}`;
  const styleOf = (element) => getComputedStyle(element);
  const above = (element, test) => {
    for (let at = element; at; at = at.parentElement) if (test(at)) return at;
    return null;
  };
  const shown = (element) => {
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2 || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    return !above(element, (at) => at.matches(".unseen, .skip:not(:focus)"));
  };
  const scrolls = (element) => /auto|scroll/.test(styleOf(element).overflowX + styleOf(element).overflowY);
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) {
    problems.push(`the page is ${wide} wide, the window ${innerWidth}`);
    for (const element of document.body.querySelectorAll("*")) {
      const { left, right } = element.getBoundingClientRect();
      if (shown(element) && (right > innerWidth + 1 || left < -1) && !above(element.parentElement, scrolls)) problems.push(`runs over: ${name(element)} ${Math.round(left)}..${Math.round(right)}`);
    }
  }
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !shown(element)) continue;
    if (!["SELECT", "OPTION", "TEXTAREA"].includes(element.tagName)) {
      const { overflowX, overflowY } = styleOf(element);
      if (overflowX !== "visible" && !scrolls(element) && element.scrollWidth > element.clientWidth + 1) problems.push(`cut off: ${name(element)}`);
      if (overflowY !== "visible" && !scrolls(element) && element.scrollHeight > element.clientHeight + 2) problems.push(`cut off below: ${name(element)}`);
    }
    const range = document.createRange();
    range.selectNodeContents(element);
    const text = range.getBoundingClientRect();
    const clip = above(element.parentElement, (at) => /hidden|clip/.test(styleOf(at).overflowX + styleOf(at).overflowY));
    if (clip && clip !== document.body && clip !== document.documentElement) {
      const box = clip.getBoundingClientRect();
      if (text.width && (text.right > box.right + 1 || text.left < box.left - 1 || text.bottom > box.bottom + 2) && !above(element, scrolls)) problems.push(`cut off by <${clip.tagName.toLowerCase()} ${clip.className}>: ${name(element)}`);
    }
    const frame = above(element, (at) => at.matches("button, .button, td, th, .chip, .panel"));
    if (frame && !above(element, scrolls)) {
      const box = frame.getBoundingClientRect();
      if (text.width && (text.right > box.right + 2 || text.left < box.left - 2)) problems.push(`text leaves <${frame.tagName.toLowerCase()} ${frame.className}>: ${name(element)}`);
    }
  }
  const pressed = [...document.querySelectorAll(PRESSED)].filter(shown).filter((element) => !above(element, (at) => at.matches("#toasts, .over")));
  const boxes = pressed.map((element) => element.getBoundingClientRect());
  const open = document.querySelector("dialog[open], :popover-open");
  pressed.forEach((one, n) => {
    const box = boxes[n];
    if (one.matches("button, input, select, textarea, .button, summary") && !one.matches("[type=checkbox], [type=radio]") && (box.width < 24 || box.height < 23.5)) problems.push(`smaller than 24 px: ${name(one)} ${Math.round(box.width)}x${Math.round(box.height)}`);
    for (let m = n + 1; m < pressed.length; m += 1) {
      const other = pressed[m];
      if (one.contains(other) || other.contains(one) || (open && open.contains(one) !== open.contains(other))) continue;
      // A link that runs over two lines is two boxes, and what stands between them is not its own.
      const touch = [...one.getClientRects()].some((mine) => [...other.getClientRects()].some((its) => Math.min(mine.right, its.right) - Math.max(mine.left, its.left) > 1.5 && Math.min(mine.bottom, its.bottom) - Math.max(mine.top, its.top) > 1.5));
      if (touch) problems.push(`lie on one another: ${name(one)} and ${name(other)}`);
    }
  });
  return problems;
})()
