"""Lines of the log, for people or as JSON for programs. Nothing that a visitor writes is in them."""

import json
import logging
from datetime import UTC, datetime

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object: time, level, logger, message, the numbers of a run, and an error's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "run", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def write_log(*, as_json: bool) -> None:
    """Write the log to standard error from now on: warnings of every library, and the lines of runs.

    Args:
        as_json: one JSON object a line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if as_json else logging.Formatter(_FORMAT))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("steering").setLevel(logging.INFO)
