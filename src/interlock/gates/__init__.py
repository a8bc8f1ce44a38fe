"""Questions about candidates whose answers let a deployment go on or turn it round."""

from interlock.gates.evaluate import evaluate, evaluate_step

__all__ = ["evaluate", "evaluate_step"]
