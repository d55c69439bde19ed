"""Logs runs with trackio as `log_to_trackio` does, and reads them back from its store."""

import contextlib
import json
import sys

import trackio

request = json.load(sys.stdin)
with contextlib.redirect_stdout(sys.stderr):
    for run in request["runs"]:
        trackio.init(project=request["project"], name=run["name"], config=run["config"], resume="allow")
        trackio.log(run["figures"])
        trackio.finish()
    stored = trackio.SQLiteStorage.get_logs
    back = {
        run.name: {"config": dict(run.config or {}), "figures": stored(request["project"], run.name)[-1]}
        for run in trackio.Api().runs(request["project"])
    }
print(json.dumps(back, default=str))
