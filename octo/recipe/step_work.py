"""A recipe's step as the engine's work: its conditions, its body, what counts as success, its hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from octo.engine.work import Cached, Call, Hook, Work
from octo.errors import OctoError, StepFailed
from octo.store import checked

from .bodies import Surroundings, body_of
from .cache import Cache, cache_entry
from .jobs import RunJobs, StepJobs
from .model import Step
from .names import StepsView, template_names
from .template import evaluate, render


class StepWork(Work):
    """`cache`: where earlier results are; None for a run without."""

    def __init__(
        self,
        step: Step,
        around: Surroundings,
        steps: StepsView,
        run: Mapping[str, str],
        cache: Cache | None,
        jobs: RunJobs | None = None,
    ) -> None:
        self.step, self._around, self._steps, self._run = step, around, steps, run
        self.body = body_of(step, around)
        self._cache = cache if step.cache_key is not None else None
        self._jobs = jobs
        self._wanted: dict[str, dict[str, Any]] = {}
        self.looks = step.when is not None or step.for_each is not None or self._cache is not None
        self._hooks = {True: step.on_success, False: step.on_failure}

    def names(self, call: Call) -> dict[str, Any]:
        return template_names(call, self._steps, self.step.params or {}, self._run)

    # -- before the call ---------------------------------------------------------------------------

    def skips(self, call: Call) -> str:
        if self.step.when is None or evaluate(self.step.when, self.names(call)):
            return ""
        return f"when: {self.step.when} is not so"

    def items(self, call: Call) -> list[Any]:
        found = evaluate(self.step.for_each, self.names(call))
        if isinstance(found, (str, bytes, Mapping)) or not hasattr(found, "__iter__"):
            raise OctoError(f"for_each needs a list; {self.step.for_each} is {type(found).__name__}")
        return list(found)

    def collects(self) -> str:
        return self.step.collect or ""

    # -- the call ----------------------------------------------------------------------------------

    def run(self, call: Call) -> Any:
        if self._jobs is None:
            return self._run_body(call)
        call.ctx._access.jobs = StepJobs(self._jobs, call)
        try:
            return self._run_body(call)
        except BaseException:
            self._jobs.cancel_of(call.name)
            raise

    def _run_body(self, call: Call) -> Any:
        names = self.names(call)
        value = self.body.run(call, names, _timeout(self.step, names))
        _check_success(self.step, call)
        return value

    # -- the cache ---------------------------------------------------------------------------------

    def cached(self, call: Call) -> Cached | None:
        if self._cache is None:
            return None
        wanted = self._wanted[call.name] = self._cache_entry(call)
        return self._cache.find(self.step.name, wanted)

    def keep(self, call: Call, result: Any, ops: Callable[[], list[dict[str, Any]]]) -> None:
        if self._cache is not None:
            wanted = self._wanted.pop(call.name, None)
            if wanted is not None:
                if self.step.collect:
                    checked(result)  # type and size would be collected in its place
                self._cache.keep(self.step.name, wanted, result, ops())

    def _cache_entry(self, call: Call) -> dict[str, Any]:
        names = self.names(call)
        return cache_entry(str(render(self.step.cache_key, names)), self.body.arguments(names), self.fingerprint())

    # -- afterwards --------------------------------------------------------------------------------

    def hooks(self, succeeded: bool) -> list[Hook]:
        return [Hook(partial(self._run_hook, hook), hook.retry) for hook in self._hooks[succeeded]]

    def _run_hook(self, hook: Step, call: Call, status: str, error: dict[str, Any] | None) -> None:
        more = {"step": self.step.name, "status": status, "error": error}
        run_hook(hook, call, {**self.names(call), **more}, self._around)

    def fingerprint(self) -> str:
        return self.body.fingerprint()


def run_hook(hook: Step, call: Call, names: dict[str, Any], around: Surroundings) -> None:
    """One try of a hook."""
    if hook.when is None or evaluate(hook.when, names):
        body_of(hook, around).run(call, names, _timeout(hook, names))
        _check_success(hook, call)


def _check_success(step: Step, call: Call) -> None:
    missing = [key for key in step.success.get("ctx_has_keys", ()) if key not in call.ctx]
    if missing:
        raise StepFailed(f"it ended, but ctx does not have {', '.join(missing)} (success: ctx_has_keys)")


def _timeout(step: Step, names: Mapping[str, Any]) -> float | None:
    timeout = step.timeout
    if timeout is None or not isinstance(timeout, str):
        return timeout
    value = render(timeout, names)
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise OctoError(f"timeout: {timeout} is {value!r}, which is no number of seconds") from None
    if not 0 < seconds < float("inf"):
        raise OctoError(f"timeout: {timeout} is {value!r}; a time-out is more than 0 seconds")
    return seconds
