"""The look of a report: one style sheet, light and dark, from phone to desk."""

STYLE = """
:root { color-scheme: light dark; --back: #fbfbf9; --front: #1c1e21; --soft: #5d6470;
  --line: #d9dbe0; --card: #ffffff; --accent: #2f6fb3; }
@media (prefers-color-scheme: dark) { :root { --back: #15171a; --front: #e7e8ea; --soft: #a0a7b2;
  --line: #363a41; --card: #1d2024; --accent: #6ea8e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 68rem; background: var(--back);
  color: var(--front); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
p { max-width: 46rem; margin: .5rem 0; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.confusion th, .confusion td { min-width: 2.2rem; text-align: center; padding: .25rem .35rem; }
.confusion td { background: color-mix(in srgb, var(--accent) calc(var(--v) * 55%), var(--card)); }
.gallery { display: grid; gap: .8rem; margin: .8rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.row { display: flex; align-items: flex-start; gap: .5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; padding: .6rem; flex-wrap: wrap; }
.row .arrow { align-self: center; color: var(--soft); font-size: 1.3rem; }
.row .title { flex: 0 0 100%; color: var(--soft); font-size: .85rem; }
figure { margin: 0; flex: 1 1 6rem; min-width: 0; }
figure img { display: block; width: 100%; height: 8.5rem; object-fit: contain;
  image-rendering: pixelated; border-radius: .25rem; }
figure audio { width: 100%; height: 2.2rem; margin-top: .3rem; }
figcaption { font-size: .8rem; color: var(--soft); text-align: center; }
.picture img { height: auto; width: auto; max-width: 100%; }
.picture figcaption { text-align: left; }
.plot svg { width: 100%; max-width: 46rem; height: auto; }
.plot svg text { fill: currentColor !important; }
""".strip()
