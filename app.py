"""Open the lab in a browser: python app.py --help."""

import argparse
import logging

from steering import ui


def main() -> None:
    """Read the flags, build the app, and serve it until it is interrupted."""
    parser = argparse.ArgumentParser(prog="app.py", description="Open Steering Lab in a browser.")
    model = "a bundled name, a Hub id, a folder or a .gguf file"
    parser.add_argument("--parent", default=ui.PARENT, help=f"parent chosen at first: {model} (default: %(default)s)")
    parser.add_argument("--child", default=ui.CHILD, help=f"child chosen at first: {model} (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default: %(default)s)")
    parser.add_argument("--share", action="store_true", help="also open a public address through Gradio's servers")
    parser.add_argument("--models", nargs="+", default=[], metavar="MODEL", help="the only models on offer")
    flags = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    demo = ui.build_app(flags.parent, flags.child, models=flags.models)
    address = ui.launch(demo, host=flags.host, port=flags.port, share=flags.share, prevent_thread_lock=True)
    print(f"Steering Lab is at {address}  (stop it with Ctrl+C)", flush=True)
    demo.block_thread()


if __name__ == "__main__":
    main()
