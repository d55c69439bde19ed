"""Writes our logs with Inspect's own writer, and reads them back as data frames."""

import json
import sys
from pathlib import Path

from inspect_ai.analysis import evals_df, samples_df
from inspect_ai.log import EvalLog, read_eval_log, write_eval_log

request = json.load(sys.stdin)
folder = Path(request["folder"])
for number, log in enumerate(request["logs"]):
    write_eval_log(EvalLog.model_validate(log), str(folder / f"{number}.eval"))
evals = evals_df(str(folder), quiet=True)
samples = samples_df(str(folder), quiet=True)
logs = [read_eval_log(str(path)) for path in sorted(folder.glob("*.eval"))]
scored = [log.results.scores[0].metrics if log.results else {} for log in logs]
print(
    json.dumps(
        {
            "evals": json.loads(evals.to_json(orient="records", date_format="iso")),
            "samples": json.loads(samples.to_json(orient="records", date_format="iso")),
            "status": [log.status for log in logs],
            "metrics": [{name: each.value for name, each in metrics.items()} for metrics in scored],
        }
    )
)
