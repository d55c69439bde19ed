"""Open the lab in a browser: `python app.py` is `python -m steering app`, with the same flags."""

import sys

from steering.cli import main

if __name__ == "__main__":
    main(["app", *sys.argv[1:]])
