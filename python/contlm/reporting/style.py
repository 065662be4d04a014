"""The page's style sheet."""

from __future__ import annotations

# figures keep a white ground in the dark: their inks were chosen for paper
CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --ground: #ffffff; --tint: #f3f5f7; --bar: #cfe3f2; --mark: #ffe3b8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4af; --line: #39424c;
  --ground: #14181d; --tint: #1d232a; --bar: #21445f; --mark: #5a3d10; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 0; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.note { border-left: 3px solid #e69f00; background: var(--tint); padding: .5rem .75rem; }
figure { margin: 0 0 1rem; overflow-x: auto; }
figure svg { display: block; background: #ffffff; border: 1px solid var(--line);
  border-radius: 6px; padding: 10px; height: auto; }
figcaption, .hint { color: var(--soft); font-size: .85rem; text-align: left; max-width: 70ch; }
figcaption { margin-top: .4rem; }
.hint { margin: 0 0 .6rem; }
.wide { overflow: auto; max-height: 44rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; position: sticky; top: 0;
  background: var(--ground); z-index: 1; }
tbody th[scope=row], thead th:first-child { text-align: left; }
tbody th[scope=row] { font-weight: 500; }
.bar { background: linear-gradient(var(--bar), var(--bar)) no-repeat left / var(--v) 100%;
  white-space: nowrap; }
small { color: var(--soft); }
.texts { width: 100%; }
.texts th, .texts td { text-align: left; min-width: 9.4rem; }
.texts p { margin: 0 0 .35rem; overflow-wrap: break-word; }
.texts thead th { min-width: 12rem; }
.texts thead th:first-child, .texts tbody th { min-width: 0; white-space: nowrap; }
mark { background: var(--mark); color: inherit; border-radius: 3px; padding: 0 .1em; }
.chip { display: inline-block; border: 1px solid var(--line); border-radius: 4px;
  padding: 0 .3rem; margin: 0 .25rem .2rem 0; color: var(--soft); font-size: .75rem; }
pre { background: var(--tint); padding: .75rem; overflow-x: auto; font-size: .8rem;
  border-radius: 6px; }
summary { cursor: pointer; }
@media print { .wide { overflow: visible; max-height: none; } thead th { position: static; }
  details { break-inside: avoid; } }
"""
