"""Checks the files of a report without trusting the program.

usage: report_check.py PAGE [FIGURE...]     the figures that must be there, and no others
"""
import csv
import html.parser
import io
import math
import os
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

VOID = {"meta", "br", "hr", "img", "input", "link"}
failures = []


def check(ok, what):
    if not ok:
        failures.append(what)


class Page(html.parser.HTMLParser):
    """Every element is closed in order; no attribute reaches beyond the file."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.links, self.words = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            check(not name.startswith("on"), f"attribute {name}")
            if name in ("src", "srcset", "action", "data", "poster", "background", "xlink:href"):
                check(False, f"{tag} loads {value}")
            if name == "href":
                check(tag == "a", f"{tag} has href {value}")
                self.links.append((dict(attributes).get("download"), value))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}")
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        self.words.append(data)


def read_csv(text):
    rows = list(csv.reader(io.StringIO(text)))
    check(len(rows) > 1, "CSV without rows")
    check(all(len(row) == 5 for row in rows), "CSV rows of 5 fields")
    for row in rows[1:]:
        for field in row[2:]:
            check(field == "" or math.isfinite(float(field)), f"number {field}")
    return rows


page_path, wanted = sys.argv[1], sys.argv[2:]
with open(page_path, encoding="utf-8", newline="") as f:
    text = f.read()
page = Page()
page.feed(text)
page.close()
check(page.open == [], f"left open: {page.open}")
check(page.tags.count("script") == 1 and page.tags.count("b") == 0, "markup from outside")
check(re.search(r"(?<!xmlns=\")https?://", text) is None, "an address of the network")
check("prefers-color-scheme" in text and "@media print" in text and 'name="viewport"' in text, "dark, print, phone")
check(re.search(r"\b(nan|-?inf)\b", re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S)) is None, "nan or inf")

figures = re.findall(r'<svg class="fig" id="(\w+)".*?</svg>', text, re.S)
check(figures == wanted, f"figures {figures}, expected {wanted}")
for match in re.finditer(r'<svg .*?</svg>', text, re.S):
    root = ElementTree.fromstring(match.group(0))
    box = [float(v) for v in root.get("viewBox").split()]
    for path in root.iter():
        place = re.match(r"translate\((\S+) (\S+)\)", path.get("transform", ""))
        if place and "clip" not in (root.get("class") or ""):
            check(all(math.isfinite(float(v)) for v in place.groups()), "a mark without a place")
    check(box[2] > 0 and len(list(root.iter())) > 1, "an empty picture")

folder = os.path.join(os.path.dirname(page_path) or ".", "figures")
embedded = {name: urllib.parse.unquote(link.split(",", 1)[1]) for name, link in page.links if name}
check(sorted(embedded) == sorted(f"{figure}.csv" for figure in wanted), f"embedded {sorted(embedded)}")
for name, content in embedded.items():
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as f:
        check(f.read() == content, f"figures/{name} differs from the embedded one")
    read_csv(content)
for name, link in page.links:
    if name is None:
        check(os.path.exists(os.path.join(os.path.dirname(page_path), link)), f"dead link {link}")

if "steps" in wanted and "noise" in wanted:  # of the fixture: S = 350 (1 + 240 / B), intervals by factors on the log scale
    rows = [row for row in read_csv(embedded["steps.csv"])[1:] if row[0].startswith("fit")]
    check(len(rows) >= 30, "points of the curve")
    ss, cc, ee = (math.log(spread) ** 2 for spread in (1.06, 1.18, 1.14))
    for row in rows:
        b, s, low, high = map(float, row[1:])
        c = 240 / (240 + b)
        half = math.sqrt(ss * (1 - c) + cc * (c * c - c) + ee * c)  # var log(S_min + E_min / B), E_min = S_min B_crit
        check(abs(s / (350 * (1 + 240 / b)) - 1) < 1e-9, f"S at {b}")
        check(abs(math.log(high / s) - half) < 1e-9 and abs(math.log(s / low) - half) < 1e-9, f"band at {b}")
    check(sum(row[0].startswith("UNTUNED") for row in read_csv(embedded["steps.csv"])) == 1, "one size is UNTUNED")
    arrows = [row for row in read_csv(embedded["steps.csv"]) if "did not reach" in row[0]]
    check([row[1] for row in arrows] == ["16384"], "one size is censored")
    words = " ".join(page.words)
    for sentence in ("B = 256 on 4 ranks: 1.3 s", "S_min = 350 [", "B_crit = 240 [", "least squares of log S",
                     "Student's t", "5 a batch size", "1 CENSORED", "UNTUNED", "E_min = 84000"):
        check(sentence in words, f"no '{sentence}'")

print("\n".join(failures))
sys.exit(bool(failures))
