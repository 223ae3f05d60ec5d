/* The page around a report's text and figures: one file, nothing loaded from elsewhere. */
#include <ctype.h>
#include <string.h>

#include "ls_version.h"
#include "study/report_internal.h"

/* Hues after Okabe and Ito, darker on white and lighter on black: 4.5:1 for text, told apart with any colour vision
 * together with the markers' shapes. */
static const char style[] =
    ":root{--p:#fff;--t:#1a1a1a;--m:#595959;--r:#d9d9d9;--h:#f4f4f4;--c0:#0072b2;--c1:#d55e00;--c2:#008a64;--c3:#"
    "a0569a;"
    "--c4:#a87400;--c5:#3b8fc2;--c6:#5b4aa0;--cn:#666;color-scheme:light dark}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--p:#16181c;--t:#e8e8e8;--m:#a8a8a8;--r:#3a3d44;--h:#20232a;"
    "--c0:#56b4e9;--c1:#ff8c42;--c2:#2bc79e;--c3:#e29bc8;--c4:#f0c040;--c5:#9ad2ff;--c6:#b9a7f5;--cn:#aaa}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;padding:1rem;max-width:76rem;background:var(--p);color:var(--t);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}p{margin:.5rem 0;"
    "max-width:46rem}a{color:var(--c0)}.m{color:var(--m)}.big{font-size:1.15rem;font-weight:600}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,29rem),1fr));gap:1.5rem}\n"
    "figure{margin:0;min-width:0}figure h3{font-size:1rem;margin:0 0 "
    ".25rem}svg.fig{width:100%;height:auto;display:block;"
    "touch-action:pan-y}figcaption,.lg,.dl{font-size:.85rem}.lg{display:flex;flex-wrap:wrap;gap:.1rem .9rem}"
    ".k svg{width:24px;height:14px;vertical-align:-2px}.dl{color:var(--m)}\n"
    "svg text{fill:var(--t);font-size:13.5px}svg .n{fill:var(--m)}svg .g{stroke:var(--r);fill:none}"
    "svg .x{stroke:var(--m);fill:none}\n"
    ".c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var("
    "--c5)}"
    ".c6{color:var(--c6)}.cn{color:var(--cn)}\n"
    ".d{fill:currentColor}.s{fill:currentColor;opacity:.45}.o{fill:var(--p);stroke:currentColor;stroke-width:1.8}"
    ".l{fill:none;stroke:currentColor;stroke-width:1.8}.b{fill:currentColor;opacity:.2}.h{fill:transparent}\n"
    ".scroll{overflow-x:auto;margin:1rem 0}table{border-collapse:collapse;font-size:.85rem;"
    "font-variant-numeric:tabular-nums;overflow-wrap:normal}caption{text-align:left;font-weight:600;padding:.25rem 0}"
    "th,td{text-align:right;padding:.2rem .6rem;border-bottom:1px solid var(--r);white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}th{color:var(--m);font-weight:600;white-space:normal;vertical-align:"
    "bottom}\n"
    "pre{overflow-x:auto;background:var(--h);padding:.75rem;font-size:.8rem}summary{cursor:pointer}"
    ".w{border-left:4px solid var(--c1);padding:.25rem 1rem;background:var(--h)}\n"
    "#tip{position:fixed;z-index:2;pointer-events:none;background:var(--h);color:var(--t);border:1px solid var(--m);"
    "border-radius:4px;padding:.25rem "
    ".5rem;font-size:.8rem;white-space:pre-line;max-width:16rem}#tip[hidden]{display:none}\n"
    "@media "
    "print{body{max-width:none;font-size:11pt;padding:0}.grid{display:block}figure{break-inside:avoid;max-width:14cm;"
    "margin:0 0 1cm}.scroll{overflow:visible}table{font-size:8pt}th,td{padding:.1rem "
    ".3rem}.dl,details{display:none}}\n";

/* Values of the mark nearest to pointer or finger; without scripts the browser shows the marks' titles. */
static const char script[] =
    "(function(){'use strict';var tip=document.getElementById('tip');\n"
    "document.querySelectorAll('svg.fig').forEach(function(svg){var marks=[];\n"
    "svg.querySelectorAll('title').forEach(function(t){var "
    "m=t.parentNode.transform.baseVal;if(!m.numberOfItems)return;\n"
    "m=m.getItem(0).matrix;marks.push({x:m.e,y:m.f,text:t.textContent});t.remove();});\n"
    "function show(e){var r=svg.getBoundingClientRect(),k=svg.viewBox.baseVal.width/r.width,best=null,least=900;\n"
    "marks.forEach(function(m){var x=m.x-(e.clientX-r.left)*k,y=m.y-(e.clientY-r.top)*k,d=x*x+y*y;\n"
    "if(d<least){least=d;best=m;}});if(!best){tip.hidden=true;return;}\n"
    "tip.textContent=best.text;tip.hidden=false;var x=r.left+best.x/k+12,y=r.top+best.y/k+12;\n"
    "tip.style.left=Math.max(4,Math.min(x,innerWidth-tip.offsetWidth-4))+'px';\n"
    "tip.style.top=Math.max(4,Math.min(y,innerHeight-tip.offsetHeight-4))+'px';}\n"
    "svg.addEventListener('pointermove',show);svg.addEventListener('pointerdown',show);\n"
    "svg.addEventListener('pointerleave',function(){tip.hidden=true;});});})();\n";

/* Percent-encoded, so that a data: link holds any text. */
static void encoded(const ls_text *text, ls_text *out)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text->n; i++) {
        const unsigned char c = (unsigned char)text->data[i];
        const char code[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (isalnum(c) || strchr("-._~,", c) != NULL)
            ls_text_add(out, (const char *)&text->data[i], 1);
        else
            ls_text_add(out, code, 3);
    }
}

static void add_figure(const ls_figure *f, bool drawn, ls_text *out)
{
    ls_text csv = {0};
    ls_text_printf(out, "<figure><h3>");
    ls_text_html(out, f->title);
    ls_text_printf(out, "</h3>\n");
    ls_figure_svg(f, out);
    ls_text_printf(out, "<div class=\"lg\">");
    ls_figure_legend(f, out);
    ls_text_printf(out, "</div><figcaption>");
    if (f->caption.n > 0) ls_text_html(out, f->caption.data);
    ls_figure_csv(f, &csv);
    ls_text_printf(out, "</figcaption><div class=\"dl\"><a download=\"%s.csv\" href=\"data:text/csv;charset=utf-8,",
                   f->id);
    encoded(&csv, out);
    out->failed |= csv.failed;
    ls_text_printf(out, "\">numbers (CSV)</a>");
    if (drawn)
        ls_text_printf(out, " · <a href=\"figures/%s.svg\">SVG</a> · <a href=\"figures/%s.png\">PNG</a>", f->id, f->id);
    ls_text_printf(out, "</div></figure>\n");
    ls_text_free(&csv);
}

static void add_list(const char *head, const ls_text *items, ls_text *out)
{
    if (items->n == 0) return;
    ls_text_printf(out, "<div class=\"w\"><p><strong>%s</strong></p><ul>", head);
    ls_text_add(out, items->data, items->n);
    ls_text_printf(out, "</ul></div>\n");
}

static void add_text(const ls_text *text, ls_text *out)
{
    if (text->n > 0) ls_text_add(out, text->data, text->n);
}

void ls_report_page(const ls_report *r, const char *gnuplot, ls_text *out)
{
    const char *title = r->title.n > 0 ? r->title.data : "report";
    ls_text_printf(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                        "'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>");
    ls_text_html(out, title);
    ls_text_printf(out, "</title>\n<style>\n");
    ls_text_add(out, style, sizeof style - 1);
    ls_text_printf(out, "</style></head>\n<body><h1>");
    ls_text_html(out, title);
    ls_text_printf(out, "</h1><p class=\"m\">");
    if (r->kind.n > 0) ls_text_html(out, r->kind.data);
    ls_text_printf(out, "</p>\n");
    add_text(&r->head, out);
    add_list("Take care", &r->warnings, out);
    ls_text_printf(out, "<h2>Figures</h2>\n<p class=\"m\">Point at a mark, or touch it, for its values.</p>\n");
    if (gnuplot != NULL) ls_html_printf(out, "p", "%s", gnuplot);
    ls_text_printf(out, "<div class=\"grid\">\n");
    for (int i = 0; i < r->n_figures; i++) add_figure(&r->figure[i], gnuplot == NULL, out);
    ls_text_printf(out, "</div>\n");
    add_list("Figures without data", &r->absent, out);
    add_text(&r->tail, out);
    ls_text_printf(out, "<p class=\"m\">lockstep %s (commit %s)</p>\n<div id=\"tip\" hidden></div>\n<script>\n",
                   LS_VERSION, LS_COMMIT);
    ls_text_add(out, script, sizeof script - 1);
    ls_text_printf(out, "</script>\n</body></html>\n");
}
