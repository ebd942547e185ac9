"""How the contact sheet looks, on a screen and on paper. Knows CSS; loads nothing."""

STYLE = """
:root{color-scheme:light;--ink:#1b1f24;--soft:#5b6570;--line:#d5dae0;--good:#2b7a4b;--warn:#a35a00;--bad:#b3261e}
*{box-sizing:border-box}
body{margin:0 auto;max-width:80rem;padding:1.5rem;font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:#fff}
h1{font-size:1.5rem;margin:0 0 .25rem}
h2{font-size:1.15rem;margin:2rem 0 .75rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:0 0 .3rem;overflow-wrap:anywhere}
code{font-family:ui-monospace,monospace;font-size:.85em;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
ul{margin:.4rem 0;padding-left:1.1rem}
table{border-collapse:collapse}
td,th{text-align:left;padding:.1rem .7rem .1rem 0}
.destroy,.red{border:2px solid var(--bad);color:var(--bad);padding:.6rem .9rem;margin:1rem 0;font-weight:600}
.big{font-size:1.4rem;font-weight:650;margin:.5rem 0}
.soft{color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(24rem,1fr));gap:.9rem}
.card{display:grid;grid-template-columns:128px 1fr;gap:.9rem;border:1px solid var(--line);border-radius:6px;
 padding:.8rem;align-content:start;break-inside:avoid;content-visibility:auto;contain-intrinsic-size:auto 32rem}
.warned,.pair{border-left:5px solid var(--warn)}
img{width:128px;height:128px;border-radius:4px;background:var(--line)}
.minor{background:var(--warn);color:#fff;border-radius:3px;padding:0 .4rem;font-size:.8rem}
.warn{color:var(--warn)}
.refused{color:var(--bad)}
.figures{grid-column:1/-1;font-size:.82rem}
.figures td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums}
.pairs{display:flex;flex-wrap:wrap;gap:.9rem}
.pair{display:grid;grid-template-columns:128px 128px;gap:.4rem;border-radius:6px;padding:.6rem;break-inside:avoid;
 border-top:1px solid var(--line);border-right:1px solid var(--line);border-bottom:1px solid var(--line)}
.pair p{grid-column:1/-1;margin:0;overflow-wrap:anywhere}
svg{display:block}
.back{fill:#edf0f3}
.fine{fill:var(--good)}
.near{fill:var(--warn)}
.over{fill:var(--bad)}
.limit{stroke:var(--ink);stroke-width:1.5}
@media print{
 body{padding:0;max-width:none;font-size:10pt}
 .cards{grid-template-columns:1fr 1fr}
 .card{content-visibility:visible}
 *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""
