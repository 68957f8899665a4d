// The policy editor: CodeMirror in place of the text field, faults under what they are about, Ctrl+S and Ctrl+Enter.
import {
  EditorView, EditorState, keymap, lineNumbers, highlightActiveLine, drawSelection, defaultKeymap, history, historyKeymap,
  syntaxHighlighting, HighlightStyle, indentOnInput, bracketMatching, yaml, autocompletion, completionKeymap,
  setDiagnostics, searchKeymap, highlightSelectionMatches, tags,
} from "../vendor/codemirror.min.js";

const room = document.querySelector("[data-editor]");
const field = room.querySelector("textarea");
const places = ["faults", "side"].map((id) => document.getElementById(id));

const look = EditorView.theme({
  "&": { blockSize: "100%", fontSize: "13.5px", color: "var(--text)", backgroundColor: "var(--surface)" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--muted)", borderColor: "var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent) 7%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent) !important" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--edge)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-panels": { backgroundColor: "var(--ground)", color: "var(--text)" },
  // The library's own squiggles are pictures by data:, which the content policy refuses.
  ".cm-lintRange": { backgroundImage: "none !important", paddingBottom: "0" },
  ".cm-lintRange-error": { textDecoration: "underline wavy var(--hot)" },
  ".cm-lintRange-warning": { textDecoration: "underline wavy var(--warn)" },
});
const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--ok)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
]);

let names = [];
const complete = (context) => {
  // What is written for people is theirs: no name is put into a remark.
  if (context.matchBefore(/(^|\s)#.*/)) return null;
  const word = context.matchBefore(/[\w.]+/);
  return word && (context.explicit || word.text.length > 1) ? { from: word.from, options: names, validFor: /^[\w.]*$/ } : null;
};

// A shadow root takes the library's style sheets as objects, so that no inline style is needed.
const house = document.createElement("div");
house.className = "editor-room";
const root = house.attachShadow({ mode: "open" });
field.hidden = true;
room.append(house);
const view = new EditorView({
  root,
  parent: root,
  state: EditorState.create({
    doc: field.value,
    extensions: [
      lineNumbers(), highlightActiveLine(), drawSelection(), history(), indentOnInput(), bracketMatching(), highlightSelectionMatches(),
      /\.ya?ml$/.test(room.dataset.label) ? yaml() : [], syntaxHighlighting(colours), look,
      autocompletion({ override: [complete] }), EditorState.tabSize.of(2),
      EditorView.contentAttributes.of({ "aria-label": room.dataset.label, dir: "ltr", tabindex: "0" }),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        field.value = view.state.doc.toString();
        field.dispatchEvent(new CustomEvent("edited", { bubbles: true }));
      }),
      keymap.of([...completionKeymap, ...searchKeymap, ...historyKeymap, ...defaultKeymap]),
    ],
  }),
});
fetch(room.dataset.names, { headers: { accept: "application/json" } })
  .then((answer) => (answer.ok ? answer.json() : { names: [] }))
  .then((found) => { names = found.names; });

document.addEventListener("keydown", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  const wanted = event.key === "s" ? "[data-save]" : event.key === "Enter" ? "[data-try]" : "";
  const button = wanted && document.querySelector(wanted);
  if (button) { event.preventDefault(); button.click(); }
}, true);

const offset = (line, column) => {
  const at = view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines));
  return Math.min(at.from + Math.max(0, column - 1), at.to);
};
const place = (item) => offset(Number(item.dataset.line), Number(item.dataset.column));
const underline = () => {
  // What was found last while writing is newer than what the tab beside shows.
  const found = places.find((each) => each.querySelector("[data-faults], .said"));
  const faults = [...(found?.querySelectorAll("[data-faults] [data-line]") ?? [])].map((item) => {
    const from = place(item);
    const word = view.state.wordAt(from);
    return { from, to: word ? word.to : Math.min(from + 1, view.state.doc.length), severity: item.dataset.severity, message: item.querySelector("[data-message]").textContent };
  });
  view.dispatch(setDiagnostics(view.state, faults.sort((one, other) => one.from - other.from)));
};
const watch = new MutationObserver(underline);
for (const each of places) watch.observe(each, { childList: true });
underline();
document.addEventListener("click", (event) => {
  const item = event.target.closest("[data-go]")?.closest("[data-line]");
  if (!item) return;
  view.dispatch({ selection: { anchor: place(item) }, scrollIntoView: true });
  view.focus();
});
