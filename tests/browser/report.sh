#!/usr/bin/env bash
# Reports in a browser without a window: no script error, every figure has a shape and marks, on a phone and a desktop,
# light and dark; the last is that of a small study run here.  Skipped without Chromium.
. "$(dirname "$0")/../cli/lib.sh"
here=$LS_SOURCE/tests/cli
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || exit 77
command -v python3 >/dev/null || exit 77

# Before all else: errors are kept.  Behind all else: figures are measured, a finger touches each, and the outcome is put
# into the document.
before='<script>window.wrong=[];addEventListener("error",function(e){wrong.push(e.message||"resource")},true);
addEventListener("securitypolicyviolation",function(e){wrong.push(e.blockedURI)});</script>'
behind='<script>(function(){var n=0,told=0,tip=document.getElementById("tip");
document.querySelectorAll("svg.fig").forEach(function(s){var b=s.getBBox(),r=s.getBoundingClientRect();
var m=s.querySelector("[clip-path] path[transform]"),p=m.getBoundingClientRect(),g=s.querySelector("[clip-path]").getBBox();
if(b.width>200&&b.height>150&&r.width>200&&r.right<=innerWidth&&g.width>4&&g.height>4&&p.width>0)n++;else wrong.push("empty "+s.id);
s.dispatchEvent(new PointerEvent("pointerdown",{clientX:p.x+p.width/2,clientY:p.y+p.height/2,bubbles:true}));
if(!tip.hidden&&tip.textContent.indexOf(":")>0)told++;});
var dark=matchMedia("(prefers-color-scheme: dark)").matches;
document.body.dataset.outcome=[n,told,innerWidth,dark?"dark":"light",getComputedStyle(document.body).backgroundColor,
document.documentElement.scrollWidth>innerWidth?"wide":"fits",wrong.join("; ")||"no error"].join("|");})();</script>'

# outcome PAGE WIDTH SCHEME: "figures|touched|width|scheme|background|fits|errors"
outcome() {
    PAGE=$1 BEFORE=$before BEHIND=$behind python3 - <<'END'
import os
text = open(os.environ["PAGE"], encoding="utf-8").read()
text = text.replace("<head>", "<head>" + os.environ["BEFORE"], 1)
text = text.replace("</body>", os.environ["BEHIND"] + "</body>", 1)
open("probe.html", "w", encoding="utf-8").write(text)
END
    timeout -k 5 90 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
        --user-data-dir="$work/profile" --window-size="$2,900" --blink-settings="preferredColorScheme=$3" \
        --enable-logging=stderr --dump-dom "file://$work/probe.html" >dom.html 2>console.txt
    grep -o 'data-outcome="[^"]*"' dom.html | sed 's/^[^"]*"//; s/"$//'
}

python3 "$here/report_fixture.py" study study && python3 "$here/report_fixture.py" odd odd &&
    python3 "$here/report_fixture.py" run run || exit 1
cp -r run other
check "report of a study" run_np 0 report study
check "report of an odd study" run_np 0 report odd
check "report of runs" run_np 0 report run other --out runs.html

same "study, desktop, light" "$(outcome study/report.html 1280 1)" "9|9|1280|light|rgb(255, 255, 255)|fits|no error"
check "no message in the console" test -z "$(grep CONSOLE console.txt)"
same "study, phone, dark" "$(outcome study/report.html 500 0)" "9|9|500|dark|rgb(22, 24, 28)|fits|no error"
same "odd study, phone, light" "$(outcome odd/report.html 500 1)" "5|5|500|light|rgb(255, 255, 255)|fits|no error"
same "runs, desktop, dark" "$(outcome runs.html 1280 0)" "7|7|1280|dark|rgb(22, 24, 28)|fits|no error"
check "no message in the console" test -z "$(grep CONSOLE console.txt)"

check "a small study from end to end" run_np 2 study "$LS_SOURCE/configs/study_synthetic.yaml" --run-dir small
same "its report, phone, light" "$(outcome small/report.html 500 1)" "9|9|500|light|rgb(255, 255, 255)|fits|no error"
check "no message in the console" test -z "$(grep CONSOLE console.txt)"
finish
