"""Answers requests over two pipes: JSON, one object a line. Shared by all workers."""

import gc
import json
import os
import select
import sys
import traceback

# An engine's some hundred thousand objects live as long as its process: looking through them finds nothing.
gc.set_threshold(100_000, 50, 100)


class Refused(Exception):
    """An operation that cannot be done, with what to do about it."""

    def __init__(self, message, remedy=""):
        super().__init__(message)
        self.remedy = remedy


class Channel:
    """The worker's end of the pipes to Interlock."""

    def __init__(self, argv):
        ask, self.answer = int(argv[1]), int(argv[2])
        os.set_inheritable(ask, False)
        os.set_inheritable(self.answer, False)
        self.requests = os.fdopen(ask, "rb")
        # The folder of the workers must not be an import root for the project's code.
        sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != os.path.dirname(__file__)]
        sys.argv[:] = [argv[0]]

    def send(self, message):
        """One line out, whole."""
        view = memoryview(json.dumps(message, default=str).encode() + b"\n")
        while view:
            view = view[os.write(self.answer, view) :]

    def event(self, **event):
        """Tells of progress before the answer."""
        self.send({"event": event})

    def is_hung_up(self):
        """Whether Interlock has closed its end: nobody waits for an answer any more."""
        poll = select.poll()
        poll.register(self.requests.fileno(), 0)
        return bool(poll.poll(0))

    def close(self):
        """For forked children: they must not speak for the worker."""
        self.requests.close()
        os.close(self.answer)

    def serve(self, operations):
        """Answers until Interlock closes its end, then ends the process. A failed operation is an answer too."""
        for line in self.requests:
            request = json.loads(line.decode())
            try:
                result = operations[request["op"]](**request["args"])
                self.send({"id": request["id"], "result": result})
            except BrokenPipeError:
                break
            except BaseException as error:
                self.send({"id": request["id"], "error": describe(error)})
        # Nothing is left to do: freeing what an engine holds, object by object, takes half a second.
        sys.stdout.flush()
        os._exit(0)


def describe(error):
    """An exception as data."""
    described = {"message": "%s: %s" % (type(error).__name__, error), "traceback": traceback.format_exc()[-8000:]}
    if isinstance(error, Refused):
        described = {"message": str(error), "remedy": error.remedy, "traceback": ""}
    return described
