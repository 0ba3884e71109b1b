"""A recipe's step as the engine's work: its conditions, its body, what counts as success, its hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from octo.engine.work import Cached, Call, Work
from octo.errors import OctoError, StepFailed

from .bodies import Surroundings, body_of
from .cache import Cache, cache_entry
from .jobs import RunJobs, StepJobs
from .model import Step
from .names import StepsView, template_names
from .template import evaluate, has_template, render


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
        value = self.body.run(call, names, self._timeout(names))
        missing = [key for key in self.step.success.get("ctx_has_keys", ()) if key not in call.ctx]
        if missing:
            raise StepFailed(f"it ended, but ctx does not have {', '.join(missing)} (success: ctx_has_keys)")
        return value

    def _timeout(self, names: Mapping[str, Any]) -> float | None:
        timeout = self.step.timeout
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
                self._cache.keep(self.step.name, wanted, result, ops())

    def _cache_entry(self, call: Call) -> dict[str, Any]:
        names = self.names(call)
        return cache_entry(str(render(self.step.cache_key, names)), self.body.arguments(names), self.fingerprint())

    # -- afterwards --------------------------------------------------------------------------------

    def hook(self, succeeded: bool) -> Callable[[Call, str, dict[str, Any] | None], None] | None:
        hooks = self._hooks[succeeded]
        if not hooks:
            return None

        def run(call: Call, status: str, error: dict[str, Any] | None) -> None:
            more = {"step": self.step.name, "status": status, "error": error}
            run_hooks(hooks, call, {**self.names(call), **more}, self._around)

        return run

    def fingerprint(self) -> str:
        return self.body.fingerprint()


def run_hooks(hooks: list[Step], call: Call, names: dict[str, Any], around: Surroundings) -> None:
    """Run them one after the other; the first that fails ends it."""
    for hook in hooks:
        timeout = hook.timeout
        if isinstance(timeout, str) and has_template(timeout):
            timeout = float(render(timeout, names))
        body_of(hook, around).run(call, names, None if timeout is None else float(timeout))
