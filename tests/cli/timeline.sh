#!/usr/bin/env bash
# --timeline: a trace of every rank in the format of Chrome and Perfetto; bars nest, times rise, the run is the same.
. "$(dirname "$0")/lib.sh"
small_config c.yaml
sed -i "s/global_batch_size: 50/global_batch_size: 50, shards: 3/" c.yaml
expect_exit 0 "done" run_np 3 train c.yaml --run-dir plain
for nodes in 0 2; do
    rm -rf traced
    expect_exit 0 "done" run_np 3 train c.yaml --run-dir traced --timeline trace.json --set runtime.ranks_per_node=$nodes
    same "the run is the same" "$(hash_of traced/latest)" "$(hash_of plain/latest)"
    cat >look.py <<'END'
import json
events = json.load(open("trace.json"))["traceEvents"]
bars = [e for e in events if e["ph"] == "X"]
assert {e["pid"] for e in bars} == {0, 1, 2}
assert {e["args"]["name"] for e in events if e["ph"] == "M"} == {"rank 0", "rank 1", "rank 2"}
starts = {}
for rank in range(3):
    own = [e for e in bars if e["pid"] == rank and e["tid"] == 0]
    names = [e["name"] for e in own]
    for name in ["iteration", "data", "forward", "backward", "exchange and update", "add and update", "evaluation",
                 "save"] + ["%s of layer %d" % (w, i) for w in ("forward", "backward") for i in range(3)]:
        assert name in names, (rank, name)
    assert names.count("iteration") == 20
    stack, last = [], -1e300
    for e in own:
        assert e["dur"] >= 0 and e["ts"] >= last, e
        last = e["ts"]
        end = e["ts"] + e["dur"]
        while stack and stack[-1] <= e["ts"] + 0.002: stack.pop()
        assert not stack or end <= stack[-1] + 0.002, (rank, e)
        stack.append(end)
    starts[rank] = {e["args"]["iteration"]: (e["ts"], e["ts"] + e["dur"]) for e in own if e["name"] == "iteration"}
for i in range(1, 21):  # an iteration ends nowhere before it has begun everywhere: clocks agree
    assert max(s[i][0] for s in starts.values()) <= min(s[i][1] for s in starts.values()) + 200, i
assert [e for e in bars if e["name"] == "write checkpoint" and e["pid"] == 0 and e["tid"] == 1]
END
    check "the trace ($nodes ranks a node)" python3 look.py
done
# ---- a trace that is written piece by piece ----
expect_exit 0 "done" run_np 2 train c.yaml --run-dir long --set train.epochs=~ --max-iterations 600 --timeline long.json
same "iterations in a long trace" "$(python3 -c '
import json
events = json.load(open("long.json"))["traceEvents"]
print([sum(e["ph"] == "X" and e["name"] == "iteration" and e["pid"] == rank for e in events) for rank in range(2)])')" "[600, 600]"
expect_exit 8 "missing/trace.json: cannot be written" run_np 2 train c.yaml --run-dir other --timeline missing/trace.json
finish
