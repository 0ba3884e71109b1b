"""What calls leave in ctx: what they cost, and where it is asked for messages, reply and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from step_library.kit.llm.backend import Backend, Reply, Request
from step_library.kit.llm.calls import Call
from step_library.kit.llm.spending import Spending
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx

AUDIT, LOG = "audit", "log"


class CallRecords:
    """Writes ctx["llm_usage"], with `audit` ctx["audit"], with `debug` ctx["log"]. None of it holds a key."""

    def __init__(self, ctx: Ctx, params: Mapping[str, Any], step: str, backend: Backend, spending: Spending) -> None:
        self._ctx, self._step, self._backend, self._spending = ctx, step, backend, spending
        self._audits, self._logs = params["audit"], params["debug"]
        if self._audits:
            records.check_list(ctx, AUDIT)
        if self._logs:
            records.check_list(ctx, LOG)

    def count(self, request: Request, reply: Reply, cached: bool) -> dict[str, Any]:
        """Add a reply to what the run has used; what it used itself."""
        sent, got = (0, 0) if cached else (reply.prompt_tokens, reply.completion_tokens)
        tokens: dict[str, Any] = {"prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got}
        cost = self._spending.cost(request.model, sent, got)
        if cost is not None:
            tokens["cost"] = cost
        if reply.estimated:
            tokens["estimated"] = True
        if cached:
            tokens["cached"] = True
        if reply.finish_reason != "stop":
            tokens["finish_reason"] = reply.finish_reason
        self._spending.count({"timestamp": records.now_text(), "step": self._step, "backend": self._backend.name,
                              "model": request.model, **tokens})
        return tokens

    def ended(self, call: Call, where: str, text: str, error: Exception | None, tokens: Mapping[str, Any]) -> None:
        """Write down how a call ended."""
        status = "success" if error is None else "error"
        more: dict[str, Any] = {**tokens} if error is None else {**tokens, "error": str(error)}
        request, duration = call.request, call.end - call.start
        if self._logs:
            place = f"{self._step}, {where}" if where else self._step
            records.log(self._ctx, f"{place}: {request.model}: {status} after {duration:.1f} s",
                        "INFO" if error is None else "ERROR", **more)
        if self._audits:
            about = {"backend": self._backend.name, "place": self._backend.place, "model": request.model,
                     **request.options}
            records.append(self._ctx, AUDIT, {
                "step": self._step, "params": about, "status": status, "start": call.start, "end": call.end,
                "duration": duration, "for": where, "messages": [dict(each) for each in request.messages],
                "reply": text or None, "tries": call.tries, **more})
