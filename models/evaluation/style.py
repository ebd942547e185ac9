"""How the page of an evaluation looks, by day, by night and on paper. Knows CSS; loads nothing."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--line:#d5dae0;--paper:#fff;
 --c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a6578a;--c4:#b87d00;--c5:#2b8cc4}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#3a424b;--paper:#14181c;
 --c0:#56b4e9;--c1:#f0894a;--c2:#2fc49a;--c3:#e39cc5;--c4:#f0b429;--c5:#a5d5f2}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.5rem;margin:0 0 .25rem}
h2{font-size:1.15rem;margin:2.2rem 0 .75rem;border-bottom:1px solid var(--line)}
p{max-width:60rem}
code{font-family:ui-monospace,monospace;font-size:.85em;overflow-wrap:anywhere}
.headline{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.8rem;padding:0;margin:1rem 0;
 list-style:none}
.headline li{border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem}
.headline strong{display:block;font-size:1.25rem}
.soft{color:var(--soft)}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(24rem,1fr));gap:1.2rem;align-items:start}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;margin:.4rem 0}
th,td{text-align:left;padding:.15rem .9rem .15rem 0;border-bottom:1px solid var(--line);vertical-align:top}
figure{margin:0;break-inside:avoid}
figcaption{font-weight:600;margin:.3rem 0}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}
.grid{stroke:var(--line);stroke-width:1}
.line{fill:none;stroke-width:2}
.bar{stroke-width:1.5}
.band{opacity:.18}
.mark{stroke-width:1.5}
.s0,.m0{stroke:var(--c0)}.s1,.m1{stroke:var(--c1)}.s2,.m2{stroke:var(--c2)}
.s3,.m3{stroke:var(--c3)}.s4,.m4{stroke:var(--c4)}.s5,.m5{stroke:var(--c5)}
.line.s1{stroke-dasharray:8 4}.line.s2{stroke-dasharray:2 3}.line.s3{stroke-dasharray:10 3 2 3}
.line.s4{stroke-dasharray:14 5}.line.s5{stroke-dasharray:5 3 1 3 1 3}
.m0,.b0{fill:var(--c0)}.m1,.b1{fill:var(--c1)}.m2,.b2{fill:var(--c2)}
.m3,.b3{fill:var(--c3)}.m4,.b4{fill:var(--c4)}.m5,.b5{fill:var(--c5)}
@media print{
 :root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;
  --c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a6578a;--c4:#b87d00;--c5:#2b8cc4}
 main{max-width:none;padding:0}
 body{font-size:9.5pt}
 .side{grid-template-columns:1fr 1fr}
 .scroll{overflow:visible}
 *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""
